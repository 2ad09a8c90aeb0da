// What a prediction has brought, the latest or one that was kept: its pictures, its shares, and how it was made.

// The result that is shown, with its pictures, metrics, colours and recipe; null before the first.
let shown = null;

function showResult() {
  byId("result").hidden = false;
  byId("pictures").replaceChildren(...figures(PICTURES, 0));
  if (shown.number > 1) byId("pictures").append(element("p", { class: "note of-first", text: text("variantOfFirst") }));
  const maps = figures(mapsOf(shown), PICTURES.length);
  byId("maps-drawn").replaceChildren(...maps);
  byId("maps-title").hidden = !maps.length;
  byId("sheet").hidden = !(sheetResult().pictures[1] || "").startsWith("data:image/");
  showVariants();
  showMeasured();
}

// Figures of the pictures from a place on; a variant has no empty ones for what is another's.
function figures(names, from) {
  return names.map((name, i) => [name, from + i]).filter(([, index]) => !shown.group || shown.pictures[index]).map(([name, index]) => figure(name, index));
}

function showMeasured() {
  showShareTable();
  showMetrics();
}

// A file's name without its ending says what is in it: "plitka_black-60_white-40".
function fileName() {
  const parts = state.colors.map((color) => `${color.id.replace("#", "").toLowerCase()}-${percent(color)}`);
  return ["plitka", ...parts].join("_");
}

function fileOf(result, picture, url) {
  const seed = result.metrics.seed ? `_seed-${result.metrics.seed}` : "";
  return `${result.file}${seed}_${picture}.${url.slice(11, url.indexOf(";")).replace("jpeg", "jpg")}`;
}

// The maps that a result was asked for, in the order in which they come.
function mapsOf({ recipe }) {
  return recipe.maps || [];
}

// What a result's pictures show, as the server says it, or else as its recipe does.
function scaleOfResult({ metrics, recipe }) {
  return metrics.scale || scaleOf(recipe);
}

function figure(name, index) {
  const url = shown.pictures[index];
  const title = pictureTitle(shown, name);
  const caption = element("figcaption", {}, element("span", {}, title, " ", element("small", { text: extentText(scaleOfResult(shown)) })));
  const made = element("figure", { class: `picture ${name}` });
  if (!url) {
    made.append(element("div", { class: "empty", "aria-hidden": "true" }), caption);
  } else if (url.startsWith("data:image/")) {
    const file = fileOf(shown, name, url);
    made.append(element("img", { src: url, alt: text("pictureAlt", { picture: title, mix: mixText(shown.colors) }) }), caption);
    caption.append(element("a", { href: url, download: file, text: text("save"), "aria-label": `${text("save")}: ${file}` }));
  } else {
    made.append(element("div", { class: "empty" }), caption);
    caption.append(element("a", { href: url, rel: "noreferrer", target: "_blank", text: text("elsewhere") }));
  }
  return made;
}

function showShareTable() {
  const [name, fidelity] = shown.metrics["fidelity.final"]
    ? ["inFinal", shown.metrics["fidelity.final"]]
    : ["inPreview", shown.metrics["fidelity.preview"]];
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

const FOR_EVERYBODY = ["worst", "total", "notices"];

function showMetrics() {
  const known = shown.metrics;
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
  const rows = (list) => list.map(([name, value]) => element(
    "div", { "data-metric": name },
    element("dt", { text: text(`metric_${name}`) }),
    element("dd", { text: value, lang: ["reason", "notices"].includes(name) ? "en" : null }),
  ));
  byId("metrics").replaceChildren(...rows(entries.filter(([name]) => FOR_EVERYBODY.includes(name))));
  byId("developer-metrics").replaceChildren(...rows(entries.filter(([name]) => !FOR_EVERYBODY.includes(name))));
  byId("keep-seed").hidden = !known.seed || !state.random;
  byId("all-metrics").hidden = !shown.isOver;
  byId("raw").textContent = JSON.stringify(known, null, 2);
}

function correctionWords({ corrected, reason }) {
  return `${text(corrected ? "corrected" : "asDrawn")} (${reason})`;
}

function takeShownRecipe() {
  takeRecipe(shown.recipe);
  say(text("recipeTaken", { mix: mixText() }));
}

function keepSeed() {
  state.random = false;
  setSeed(shown.metrics.seed);
  showMetrics();
  say(text("seedKept", { seed: state.seed }));
}
