// Variants: how many final pictures of one mix are asked for, and each that is drawn as a result of its own.

// Whether what stands in the field is no number of variants: it stays there, and nothing is sent.
let isWrongCount = false;

function takeVariants(isLeft) {
  const value = byId("variants").valueAsNumber;
  isWrongCount = !isCount(value);
  if (!isWrongCount) {
    state.variants = value;
    changed("variants");
  } else if (isLeft) showVariantsNote();
}

// The field as the recipe has it.
function showVariantsField() {
  isWrongCount = false;
  const [min, max] = LIMITS.variants;
  Object.assign(byId("variants"), { min, max, value: state.variants });
}

function showVariantsNote() {
  const words = variantsProblem();
  if (words) byId("variants").setAttribute("aria-invalid", "true");
  else byId("variants").removeAttribute("aria-invalid");
  if (byId("variants-note").textContent !== words) byId("variants-note").textContent = words;
}

// What is wrong with their number, in words; empty where nothing is. The last one needs a seed too.
function variantsProblem() {
  const [least, most] = LIMITS.variants;
  if (isWrongCount) return text("badVariants", { least, most });
  const seeds = BigInt(LIMITS.seed) - BigInt(state.seed) + 1n;
  return !state.random && seeds < state.variants ? text("tooFewSeeds", { most: String(seeds) }) : "";
}

function buildVariants() {
  byId("variants").addEventListener("input", () => takeVariants(false));
  byId("variants").addEventListener("change", () => afterPress(() => { takeVariants(true); endOfEdit(); }));
}

const countOf = ({ recipe }) => recipe.variants || 1;
const numbersOf = (drawing) => Array.from({ length: countOf(drawing) }, (_, i) => i + 1);
const finalName = (number) => (number > 1 ? `final_${number}` : "final");
// The place of a variant's picture among those of its drawing.
const placeOf = (number) => (number > 1 ? PICTURES.length + number - 2 : 1);
// The drawing that a result is of.
const drawingOf = ({ id, group }) => group || id;

// The files of a drawing, in the order in which they come.
function filesOf(drawing) {
  return [...PICTURES, ...numbersOf(drawing).slice(1).map(finalName), ...mapsOf(drawing)];
}

// What tells a variant from the others of its drawing; nothing of a drawing of one.
function markOf(drawing, number) {
  const count = countOf(drawing);
  return count > 1 ? { id: number > 1 ? `${drawing.id}-${number}` : drawing.id, group: drawing.id, number, count } : { id: drawing.id };
}

// A variant as a result of its own: its pictures, its seed, and a recipe that draws it alone.
function variantOf(drawing, number) {
  if (countOf(drawing) === 1) return drawing;
  const { colors, file, isOver, pictures, recipe } = drawing;
  const metrics = variantMetrics(drawing, number);
  const first = [...pictures.slice(0, PICTURES.length), ...pictures.slice(PICTURES.length + countOf(drawing) - 1)];
  return {
    ...markOf(drawing, number), colors, file, isOver, metrics,
    pictures: number === 1 ? first : ["", pictures[placeOf(number)] || "", ""],
    recipe: { ...recipe, variants: 1, ...(metrics.seed === undefined ? {} : { random: false, seed: metrics.seed }) },
  };
}

// Metrics of the first variant that hold for no other one.
const OF_FIRST = /^(timing|steps|drawing|fidelity|correction|detail)\.|^(colormap\.|maps$)/;

function variantMetrics({ metrics }, number) {
  if (metrics.seed === undefined) return { ...metrics };
  const seed = String(BigInt(metrics.seed) + BigInt(number - 1));
  const request = (metrics.request || "").replace(/"seed": \d+/, `"seed": ${seed}`).replace(/, "variants": \d+/, "");
  const alone = { ...metrics, seed, ...(request ? { request } : {}), variants: [] };
  if (number === 1) return alone;
  const common = Object.fromEntries(Object.entries(alone).filter(([name]) => !OF_FIRST.test(name)));
  const own = (metrics.variants || []).find(({ name }) => name === finalName(number));
  if (!own) return common;
  const { steps, drawing, timing, fidelity, correction } = own;
  return {
    ...common, "steps.final": steps, "drawing.final": drawing, "timing.final": timing, "fidelity.final": fidelity,
    "fidelity.worst_error_pp": fidelity.worst_error_pp, "correction.final": correction,
  };
}

// A file of a drawing has come: a final picture takes its place in the strip at once.
function variantArrives(drawing, index) {
  const number = numbersOf(drawing).find((one) => placeOf(one) === index);
  if (countOf(drawing) === 1 || !number) return;
  if (number === 1) stripShows(variantOf(drawing, 1));
  else keepVariant(drawing, number);
}

function keepVariant(drawing, number) {
  if (drawing.kept.has(number)) return;
  drawing.kept.add(number);
  stripTakes(variantOf(drawing, number));
}

// A picture's title: of several final pictures, which one it is.
function pictureTitle({ number, count }, name) {
  return count && name === "final" ? text("variantTitle", { number, count }) : text(`picture_${name}`);
}

// The thumbnails under the large picture and over the result's.
function showVariants() {
  const [onStage, atResult] = document.querySelectorAll("ul.variants");
  const large = isWaiting ? run && variantOf(run, run.chosen) : shown;
  fillVariants(onStage, staged === "drawn" ? large : null);
  fillVariants(atResult, shown);
}

// The variants of a result's drawing as { number, count, isHere, thumb }.
function variantsBeside({ group, count }) {
  const kept = strip.results.filter((one) => one.group === group);
  if (!run || run.id !== group) return kept.map(({ number, thumb }) => ({ number, count, isHere: true, thumb }));
  return numbersOf(run).map((number) => {
    const { thumb = "" } = kept.find((one) => one.number === number) || {};
    return { number, count, isHere: Boolean(run.pictures[placeOf(number)]), thumb };
  }).filter(({ isHere }) => isHere || !run.isOver);
}

// The buttons stay the same ones while pictures come: none goes from under a press, and the focus stays.
function fillVariants(row, result) {
  const variants = result && result.group ? variantsBeside(result) : [];
  const isShown = variants.length > 1;
  row.hidden = !isShown;
  const key = isShown ? [result.group, language, ...variants.map(({ number }) => number)].join() : "";
  if (row.dataset.key !== key) {
    row.dataset.key = key;
    row.replaceChildren(...(isShown ? variants.map((one) => variantButton(result.group, one)) : []));
  }
  [...row.children].forEach((item, i) => {
    const [button, { isHere, number, thumb }] = [item.firstElementChild, variants[i]];
    button.disabled = !isHere;
    button.setAttribute("aria-pressed", String(number === result.number));
    if (thumb && !button.querySelector("img")) button.prepend(element("img", { src: thumb, alt: "" }));
  });
}

function variantButton(group, { number, count }) {
  const label = text("variantLabel", { number, count });
  return element("li", {}, element("button", {
    type: "button", class: "variant", "data-number": number, "aria-label": label, title: label, onclick: () => chooseVariant(group, number, count),
  }, element("span", { text: String(number), "aria-hidden": "true" })));
}

async function chooseVariant(group, number, count) {
  const isMine = run && run.id === group;
  if (isMine) run.chosen = number;
  if (!(isMine && isWaiting)) {
    const kept = strip.results.find((one) => one.group === group && one.number === number && one.thumb);
    if (kept) await openResult(kept);
    else showOpened(variantOf(run, number));
  } else {
    stageShows("drawn");
  }
  say(text("variantShown", { number, count }));
}
