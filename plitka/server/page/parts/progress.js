// How far a prediction is: its stage, its steps as the engines print them, and the time that it may still take.

let isWaiting = false;

// `variant` is the number of the final picture.
function setStage(stage, variant = 1) {
  Object.assign(run, { stage, variant });
  if (run.steps && (run.steps.stage !== stage || run.steps.variant !== variant)) run.steps = null;
  say(stageWords());
  showProgress();
}

function stageWords() {
  const [count, { stage, variant }] = [countOf(run), run];
  return stage === "final" && count > 1 ? text("stage_finalOf", { number: variant, count }) : text(`stage_${stage}`);
}

// tqdm's lines in the log: "final 1024x1024:  34%|...| 17/50 [00:12<00:24, ...", with variants "final 2 of 3 1024x1024:".
// Before the first step it knows no time.
const STEPS = /\b(preview|final)(?: (\d+) of \d+)? (\d+)x\d+:\s*\d+%\|[^|]*\|\s*(\d+)\/(\d+) \[([\d:]+)</g;

function countSteps(log) {
  const found = [...log.matchAll(STEPS)].pop();
  if (!found || run.stage === "cancel") return;
  const [, stage, number, size, done, all, clock] = found;
  const variant = Number(number || 1);
  Object.assign(run, { stage, variant });
  run.steps = { stage, variant, size: Number(size), done: Number(done), all: Number(all), seconds: clockSeconds(clock), at: performance.now() };
  showProgress();
}

// "1:02:03" and "02:03" in seconds.
function clockSeconds(clock) {
  return clock.split(":").reduce((total, part) => 60 * total + Number(part), 0);
}

// Seconds that are left, or null where nothing tells. A step takes as long as the steps so far; one of the final picture
// longer than one of the preview by its pixels. What such a prediction took the last time tells more than that.
function secondsLeft() {
  if (run.begun === null) return null;
  const passed = (performance.now() - run.begun) / 1000;
  const { steps, expected } = run;
  if (!steps || !steps.done) return expected === null ? null : Math.max(expected - passed, 0);
  const pace = steps.seconds / steps.done;
  const stage = Math.max((steps.all - steps.done) * pace - (performance.now() - steps.at) / 1000, 0);
  if (steps.stage === "final") return stage + pace * steps.all * (countOf(run) - run.variant);
  if (expected !== null) return Math.max(expected - passed, stage);
  return stage + pace * (LENS.FINAL / steps.size) ** 2 * steps.all * stepsRatio() * countOf(run);
}

// Steps of the final picture for one of the preview.
function stepsRatio() {
  const steps = LIMITS.profiles.find((profile) => profile.name === run.quality)[run.metrics.engine];
  const [preview, final] = (steps || "1 + 1").split(" + ").map(Number);
  return final / preview;
}

// What is done by its part of the whole time; by stages and steps where the time is not known.
function partDone(left) {
  const passed = (performance.now() - run.begun) / 1000;
  if (left !== null) return passed / (passed + left);
  const files = filesOf(run).filter((name) => !LIMITS.maps.includes(name));
  const file = files.indexOf(run.stage === "final" ? finalName(run.variant) : run.stage);
  return file < 1 && !run.steps ? null : (file + (run.steps ? run.steps.done / run.steps.all : 0)) / files.length;
}

function showProgress() {
  const { stage, steps, since } = run;
  const counted = steps && steps.stage === stage && steps.done > 0;
  const words = run.place && stage === "wait" ? text("inLine", { place: run.place }) : stageWords();
  byId("stage-words").textContent = counted ? text("steps", { stage: words, done: steps.done, all: steps.all }) : words;
  byId("elapsed").textContent = text("seconds", { value: number((performance.now() - since) / 1000) });
  const left = stage === "cancel" ? null : secondsLeft();
  byId("remaining").textContent = left === null ? "" : remainingWords(left);
  const part = partDone(left);
  // Never back: a pace that changes would only frighten.
  run.part = Math.min(Math.max(run.part || 0, part || 0), 0.99);
  if (run.part > 0) byId("progress").value = run.part;
  else byId("progress").removeAttribute("value");
}

function remainingWords(seconds) {
  if (seconds < 1) return text("leftMoment");
  return seconds < 90 ? text("leftSeconds", { value: number(Math.ceil(seconds), 0) }) : text("leftMinutes", { value: number(Math.round(seconds / 60), 0) });
}

function showWaiting(waits) {
  const hadFocus = [document.body, byId("send"), byId("cancel")].includes(document.activeElement);
  isWaiting = waits;
  byId("send").disabled = waits;
  byId("cancel").disabled = false;
  byId("waiting").hidden = !waits;
  document.body.classList.toggle("drawing", waits);
  if (!waits) {
    // Whoever waited at the buttons gets back to them; whoever went on elsewhere is left there.
    if (hadFocus) byId("send").focus({ preventScroll: true });
    return;
  }
  const started = run;
  setStage("wait");
  const tick = () => {
    if (started.isOver || started !== run) return;
    showProgress();
    setTimeout(tick, 250);
  };
  tick();
}

// What the last prediction of a quality took on this browser's server, in seconds; null where there was none.
function secondsKept(quality) {
  try {
    const kept = Number(localStorage.getItem(`plitka-seconds-${quality}`));
    return kept > 0 ? kept : null;
  } catch {
    return null;
  }
}

function keepSeconds(quality, seconds) {
  try { localStorage.setItem(`plitka-seconds-${quality}`, String(seconds)); } catch { /* the next one is estimated anew */ }
}
