// Sending a request and showing what comes back, as it comes.

const PICTURES = ["preview", "final", "colormap"];

// The prediction under way or the last one: what it asked for, its pictures and metrics so far, when it began.
let run = null;

async function send() {
  let address = "";
  hideError();
  try {
    address = serverAddress();
  } catch (trouble) {
    showTrouble(trouble);
    byId("address").focus();
    return;
  }
  run = {
    address, id: newPredictionId(), mix: mixText(),
    pictures: [], metrics: {}, stage: "wait", since: performance.now(), abort: new AbortController(), isOver: false,
  };
  showWaiting(true);
  if (!byId("result").hidden) showResult();
  try {
    let prediction = null;
    for await (const { event, data } of predict(run.address, run.id, paramsJson(), run.abort.signal)) {
      if (event === "completed") prediction = data;
      else taken(event, data);
    }
    finish(prediction);
  } catch (trouble) {
    if (trouble.name === "AbortError") showNotice("canceled");
    else if (trouble instanceof Trouble) showTrouble(trouble);
    else throw trouble;
  } finally {
    run.isOver = true;
    byId("result").hidden = !run.pictures.length;
    showWaiting(false);
    checkServer();
  }
}

// One event of the stream.
function taken(event, data) {
  if (event === "start") setStage("preview");
  if (event === "log") countSteps(data.data);
  if (event === "metric") {
    run.metrics[data.name] = data.value;
  }
  if (event === "output") {
    run.pictures[data.index ?? run.pictures.length] = data.chunk;
    showResult();
    if (run.stage !== "cancel") setStage(PICTURES[run.pictures.length] || "colormap");
  }
}

function finish(prediction) {
  if (!prediction) throw new Trouble("brokenOff");
  if (prediction.status === "canceled") {
    showNotice("canceled");
    return;
  }
  if (prediction.status !== "succeeded") throw new Trouble("failed", {}, errorSentence(prediction.error));
  if (!Array.isArray(prediction.output) || !prediction.output.length) throw new Trouble("noPictures");
  run.pictures = prediction.output;
  run.metrics = flattened(prediction.metrics || {});
  run.isOver = true;
  showResult();
  const seconds = (performance.now() - run.since) / 1000;
  showNotice("done", () => ({ seconds: number(seconds) }));
}

// Nested metrics by their dotted names, down to lists and the tables of fidelity and timing.
function flattened(metrics) {
  const flat = {};
  for (const [group, value] of Object.entries(metrics)) {
    if (value && typeof value === "object" && !Array.isArray(value)) {
      for (const [name, inner] of Object.entries(value)) flat[`${group}.${name}`] = inner;
    } else {
      flat[group] = value;
    }
  }
  return flat;
}

async function cancel() {
  setStage("cancel");
  byId("cancel").disabled = true;
  const { address, id, abort } = run;
  try {
    await cancelPrediction(address, id);
    setTimeout(() => abort.abort(), 5000);
  } catch {
    abort.abort();
  }
}

function setStage(stage) {
  run.stage = stage;
  byId("stage").textContent = text(`stage_${stage}`);
  say(text(`stage_${stage}`));
  if (PICTURES.includes(stage)) byId("progress").value = PICTURES.indexOf(stage) / PICTURES.length;
}

// tqdm's lines in the log: "final:  34%|...| 17/50 [...".
function countSteps(log) {
  const found = [...log.matchAll(/(preview|final):\s*\d+%\|[^|]*\|\s*(\d+)\/(\d+)/g)].pop();
  if (!found || run.stage === "cancel") return;
  const [, stage, done, all] = found;
  byId("stage").textContent = text("steps", { stage: text(`stage_${stage}`), done, all });
  byId("progress").value = (PICTURES.indexOf(stage) + done / all) / PICTURES.length;
}

function showWaiting(isWaiting) {
  const hadFocus = [document.body, byId("send"), byId("cancel")].includes(document.activeElement);
  byId("send").disabled = isWaiting;
  byId("cancel").hidden = !isWaiting;
  byId("cancel").disabled = false;
  byId("waiting").hidden = !isWaiting;
  if (!isWaiting) {
    // Whoever waited at the buttons gets back to them; whoever went on elsewhere is left there.
    if (hadFocus) byId("send").focus({ preventScroll: true });
    return;
  }
  byId("progress").removeAttribute("value");
  setStage("wait");
  const started = run;
  const tick = () => {
    if (started.isOver) return;
    byId("elapsed").textContent = text("seconds", { value: number((performance.now() - started.since) / 1000) });
    setTimeout(tick, 100);
  };
  tick();
}

// Says again, after a change of the language, how the last prediction ended.
let sayOutcome = () => {};

function showTrouble(trouble) {
  const { key, values, detail } = trouble;
  sayOutcome = () => showTrouble(trouble);
  const parts = [element("strong", { text: text(key, values) })];
  if (detail) parts.push(element("p", { lang: "en", text: detail }));
  byId("error").replaceChildren(...parts);
  byId("error").hidden = false;
}

function showNotice(key, values = () => ({})) {
  hideError();
  sayOutcome = () => showNotice(key, values);
  byId("outcome").textContent = text(key, values());
  say(text(key, values()));
}

function hideError() {
  sayOutcome = () => {};
  byId("outcome").textContent = "";
  byId("error").hidden = true;
  byId("error").replaceChildren();
}

function say(words) {
  byId("spoken").textContent = "";
  setTimeout(() => { byId("spoken").textContent = words; }, 50);
}

function showResult() {
  const isNew = byId("result").hidden;
  byId("result").hidden = false;
  byId("pictures").replaceChildren(...PICTURES.map(figure));
  showShareTable();
  showMetrics();
  if (isNew) byId("result").scrollIntoView({ block: "start", behavior: prefersStill() ? "auto" : "smooth" });
}

function prefersStill() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

function figure(name, index) {
  const url = run.pictures[index];
  const title = text(`picture_${name}`);
  const caption = element("figcaption", {}, element("span", { text: title }));
  const made = element("figure", { class: `picture ${name}` });
  if (!url) {
    made.append(element("div", { class: "empty", "aria-hidden": "true" }), caption);
  } else if (url.startsWith("data:image/")) {
    const file = `${name}.${url.slice(11, url.indexOf(";")).replace("jpeg", "jpg")}`;
    made.append(element("img", { src: url, alt: text("pictureAlt", { picture: title, mix: run.mix }) }), caption);
    caption.append(element("a", { href: url, download: file, text: text("save"), "aria-label": `${text("save")}: ${file}` }));
  } else {
    made.append(element("div", { class: "empty" }), caption);
    caption.append(element("a", { href: url, rel: "noreferrer", target: "_blank", text: text("elsewhere") }));
  }
  return made;
}

function showShareTable() {
  const [name, fidelity] = run.metrics["fidelity.final"]
    ? ["inFinal", run.metrics["fidelity.final"]]
    : ["inPreview", run.metrics["fidelity.preview"]];
  if (!fidelity) {
    byId("shares").replaceChildren();
    return;
  }
  const largest = Math.max(...fidelity.colors.flatMap((color) => [color.requested, color.measured]));
  const heads = ["requested", "measured", "difference", "deltaE"];
  byId("shares").replaceChildren(element(
    "table",
    {},
    element("caption", { text: text(name) }),
    element("thead", {}, element("tr", {}, ...heads.map((key) => element("th", { scope: "col", text: text(key) })))),
    ...fidelity.colors.map((color) => shareRows(color, largest)),
  ));
}

// A colour's name and bars over its figures, so that both are readable on a narrow screen.
function shareRows({ id, requested, measured, delta_e: deltaE }, largest) {
  const points = (measured - requested) * 100;
  const sign = points > 0 ? "+" : points < 0 ? "−" : "";
  const difference = Math.abs(points) < 0.05 ? number(0) : `${sign}${number(Math.abs(points))}`;
  const bars = element("div", { class: "bars", "aria-hidden": "true" }, bar("asked", requested / largest, id), bar("got", measured / largest, id));
  const figures = [
    percentText(requested * 100, 1), percentText(measured * 100, 1), text("pp", { value: difference }),
    deltaE === null ? "–" : number(deltaE),
  ];
  const named = element("span", { class: "named" }, swatch(id), element("span", { text: colorName(id) }));
  return element(
    "tbody",
    { "data-color": id },
    element("tr", {}, element("th", { scope: "rowgroup", colspan: figures.length }, named, bars)),
    element("tr", {}, ...figures.map((words) => element("td", { text: words }))),
  );
}

function bar(kind, part, id) {
  const made = element("div", { class: `bar ${kind}` });
  made.style.width = `${(part * 100).toFixed(2)}%`;
  if (kind === "got") made.style.backgroundColor = hexOf(id);
  return made;
}

function showMetrics() {
  const known = run.metrics;
  const seconds = (value) => (value === undefined ? "" : text("seconds", { value: number(value, 2) }));
  const steps = [known["steps.preview"], known["steps.final"]].filter(Boolean).join(" + ");
  const memory = known["memory.peak_vram_mib"];
  const entries = [
    ["seed", known.seed],
    ["engine", known.engine],
    ["pipeline", known["pipeline.name"]],
    ["controlnet", known["pipeline.controlnet"]],
    ["reason", known["pipeline.reason"]],
    ["steps", steps],
    ["first", seconds(known["timing.first_picture"])],
    ["total", seconds(known["timing.total"])],
    ["worst", known["fidelity.worst_error_pp"] === undefined ? "" : text("pp", { value: number(known["fidelity.worst_error_pp"]) })],
    ["correction", known["correction.final"] && correctionWords(known["correction.final"])],
    ["memory", memory ? `${number(memory, 0)} MiB` : ""],
    ["notices", (known.notices || []).join(" ")],
  ].filter(([, value]) => value);
  byId("metrics").replaceChildren(...entries.map(([name, value]) => element(
    "div", { "data-metric": name },
    element("dt", { text: text(`metric_${name}`) }),
    element("dd", { text: value, lang: ["reason", "notices"].includes(name) ? "en" : null }),
  )));
  byId("keep-seed").hidden = !known.seed || !state.random;
  byId("all-metrics").hidden = !run.isOver;
  byId("raw").textContent = JSON.stringify(known, null, 2);
}

function correctionWords({ corrected, reason }) {
  return `${text(corrected ? "corrected" : "asDrawn")} (${reason})`;
}

function keepSeed() {
  state.random = false;
  setSeed(run.metrics.seed);
  showMetrics();
  say(text("seedKept", { seed: state.seed }));
}
