// Sending a request and taking what comes back, as it comes.

const PICTURES = ["preview", "final", "colormap"];

// The prediction under way or the last one: what it asked for, its pictures and metrics so far, its place in line, when
// it was sent and when the server began. It is over as soon as its last picture is here, whatever the server still says.
let run = null;

async function send() {
  hideError();
  let mine = null;
  try {
    mine = newRun();
  } catch (trouble) {
    showTrouble(trouble);
    if (trouble.key === "notWhole") byId("normalise").focus();
    if (trouble.key === "sizeWrong") focusWrongSize();
    if (trouble.key === "variantsWrong") { showVariantsNote(); byId("variants").focus(); }
    return;
  }
  run = mine;
  stripBegins(mine);
  byId("result").hidden = true;
  showWaiting(true);
  stageShows("live");
  try {
    let prediction = null;
    for await (const { event, data } of predict(mine.address, mine.id, mine.params, mine.abort.signal, () => mine.isOver)) {
      if (event === "completed") prediction = data;
      else if (mine === run) taken(event, data);
    }
    if (!mine.isOver) finish(prediction);
  } catch (trouble) {
    // The pictures are here: what breaks off after them is nobody's loss.
    if (mine.isOver) return;
    mine.isOver = true;
    if (trouble.name === "AbortError") showNotice("canceled");
    else if (trouble instanceof Trouble) showTrouble(trouble);
    else throw trouble;
  } finally {
    if (mine === run) {
      mine.isOver = true;
      if (mine.pictures.length && !mine.isWhole) shown = variantOf(mine, mine.chosen);
      if (!mine.isWhole) stripEnds(mine);
      afterPress(() => {
        if (isWaiting) showWaiting(false);
        if (shown) showResult();
      });
      checkServer();
    }
  }
}

function newRun() {
  const missing = missingUnits(state.colors);
  if (missing) throw new Trouble("notWhole", () => ({ share: percentText((WHOLE - missing) / 10) }));
  if (wrongSize()) throw new Trouble("sizeWrong");
  if (variantsProblem()) throw new Trouble("variantsWrong");
  const recipe = recipeNow();
  // Several final pictures take longer than one.
  const pace = recipe.variants > 1 ? `${recipe.quality}-${recipe.variants}` : recipe.quality;
  return {
    address: serverAddress(), id: newPredictionId(), colors: state.colors, recipe, params: paramsJson(), file: fileName(),
    pictures: [], metrics: {}, stage: "wait", steps: null, place: 0, since: performance.now(), begun: null, abort: new AbortController(),
    isOver: false, isWhole: false, expected: secondsKept(pace), pace, quality: state.quality,
    variant: 1, chosen: 1, kept: new Set(),
  };
}

// One event of the stream.
function taken(event, data) {
  if (event === "queue") {
    run.place = data.queue.position;
    showProgress();
  }
  if (event === "start") {
    Object.assign(run, { place: 0, begun: performance.now() });
    setStage("preview");
  }
  if (event === "log") countSteps(data.data);
  if (event === "metric") {
    run.metrics[data.name] = data.value;
    if (run.isOver) measuredLater();
  }
  if (event === "output") {
    const index = data.index ?? run.pictures.length;
    run.pictures[index] = data.chunk;
    variantArrives(run, index);
    const files = filesOf(run);
    if (files.every((_, i) => run.pictures[i]) && run.stage !== "cancel") {
      arrived();
      return;
    }
    stageShows("drawn");
    if (run.stage !== "cancel") nextStage(files[run.pictures.length] || "colormap");
  }
}

// What is drawn after the files that are here begins with this one.
function nextStage(file) {
  const number = numbersOf(run).find((one) => finalName(one) === file);
  if (number) setStage("final", number);
  else setStage(PICTURES.includes(file) ? file : "maps");
}

// The prediction in one piece, or the end of a stream that has brought less than all pictures.
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
  arrived();
}

function arrived() {
  run.isOver = run.isWhole = true;
  const seconds = (performance.now() - run.since) / 1000;
  if (run.begun !== null) keepSeconds(run.pace, (performance.now() - run.begun) / 1000);
  shown = variantOf(run, run.chosen);
  for (const number of numbersOf(run)) keepVariant(run, number);
  // Nobody's click is led astray by what comes.
  afterPress(() => {
    showResult();
    stageShows("drawn");
    showWaiting(false);
    byId("stage").scrollIntoView({ block: "nearest" });
  });
  showNotice("done", () => ({ seconds: number(seconds) }));
}

function measuredLater() {
  for (const number of numbersOf(run)) stripMeasures(variantOf(run, number));
  if (drawingOf(shown) !== run.id) return;
  shown.metrics = variantOf(run, shown.number || 1).metrics;
  showMeasured();
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

// Says again, after a change of the language, how the last prediction ended.
let sayOutcome = () => {};

function showTrouble(trouble) {
  const { key, values, detail } = trouble;
  hideError();
  sayOutcome = () => showTrouble(trouble);
  const parts = [element("strong", { text: text(key, typeof values === "function" ? values() : values) })];
  if (detail) parts.push(element("p", { lang: "en", text: detail }));
  byId("error").replaceChildren(...parts);
  byId("error").dataset.key = key;
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
