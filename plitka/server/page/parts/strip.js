// The strip of results: what was drawn in this browser, newest first, kept over a reload; bounded, and each removable.

// Characters of pictures as data URLs; what is beyond either bound goes, the oldest first.
const STRIP = { results: 24, characters: 120e6, thumb: 176, quality: 0.8 };

// Results as { id, at, recipe, colors, metrics, file, thumb, size }, newest first; `pictures` too where the browser does
// not keep them. One without a thumb is being drawn.
const strip = { results: [], compared: [], removed: null };

async function openStrip() {
  try {
    const kept = await keptAll("results");
    const here = new Set(strip.results.map(({ id }) => id));
    strip.results.push(...kept.filter(({ id }) => !here.has(id)).sort((one, other) => other.at - one.at));
  } catch (trouble) {
    console.warn("strip", trouble);
  }
  showStrip();
}

// The place of a result is there as soon as it is sent, so that nothing moves when it comes.
function stripBegins(drawing) {
  const { recipe, colors, file } = drawing;
  const now = Date.now();
  strip.results.unshift(...numbersOf(drawing).map((number) => ({
    ...markOf(drawing, number), at: now + 1 - number, recipe, colors, file, metrics: {}, thumb: "", size: 0,
  })));
  showStrip();
}

// The first of several variants, before all of its files are here: it can be looked at, and is not kept yet.
async function stripShows({ id, recipe, pictures, metrics }) {
  const result = strip.results.find((one) => one.id === id);
  if (!result || !isPicture(pictures[1])) return;
  const thumb = await thumbOf(pictures[1]);
  if (result.thumb) return;
  Object.assign(result, { recipe, pictures, metrics, thumb });
  showStrip();
}

const isPicture = (url) => (url || "").startsWith("data:image/");

async function stripTakes({ id, recipe, pictures, metrics }) {
  const result = strip.results.find((one) => one.id === id);
  if (!result || !isPicture(pictures[1])) {
    stripDrops(id);
    return;
  }
  Object.assign(result, { recipe, metrics, pictures, thumb: await thumbOf(pictures[1]), size: sum(pictures.map((url) => url.length)) });
  showStrip();
  await keepResult(result);
  await stripMeasures({ id, metrics });
}

// What was measured may come after the pictures.
async function stripMeasures({ id, metrics }) {
  const result = strip.results.find((one) => one.id === id);
  if (!result || !result.thumb) return;
  result.metrics = metrics;
  if (!result.pictures) await keep([["results", result]]).catch(() => {});
}

function stripDrops(id) {
  strip.results = strip.results.filter((one) => one.id !== id || one.thumb);
  showStrip();
}

// A drawing has ended before its last file. Of several variants those that are here stay.
function stripEnds(drawing) {
  const isHere = ({ number = 1 }) => countOf(drawing) > 1 && isPicture(drawing.pictures[placeOf(number)]);
  strip.results = strip.results.filter((one) => drawingOf(one) !== drawing.id || isHere(one));
  showStrip();
  if (isHere({})) keepVariant(drawing, 1);
}

// Where there is no room, older results make some; where nothing can be kept, the page has it until it is closed.
async function keepResult(result) {
  const { pictures, ...rest } = result;
  dropBeyondBounds();
  for (;;) {
    try {
      await keep([["results", rest], ["pictures", { id: result.id, pictures }]]);
      delete result.pictures;
      break;
    } catch {
      const oldest = strip.results.findLast((one) => drawingOf(one) !== drawingOf(result) && one.thumb && !one.pictures);
      if (!oldest) break;
      removeResult(oldest.id);
    }
  }
  byId("strip-note").textContent = result.pictures || !(await keepsForLong()) ? text("stripNotKept") : "";
}

// All variants of the newest drawing stay, however many and large they are.
function dropBeyondBounds() {
  if (!strip.results.length) return;
  const newest = drawingOf(strip.results[0]);
  let [count, size] = [0, 0];
  for (const result of [...strip.results]) {
    count += 1;
    size += result.size;
    if (drawingOf(result) !== newest && (count > STRIP.results || size > STRIP.characters)) removeResult(result.id);
  }
}

function removeResult(id) {
  strip.results = strip.results.filter((one) => one.id !== id);
  strip.compared = strip.compared.filter((one) => one !== id);
  forget([["results", id], ["pictures", id]]).catch(() => {});
  showStrip();
}

// A small JPEG of a picture, as a data URL.
async function thumbOf(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  const part = STRIP.thumb / Math.max(image.naturalWidth, image.naturalHeight);
  const [width, height] = [image.naturalWidth, image.naturalHeight].map((side) => Math.max(1, Math.round(side * part)));
  const canvas = element("canvas", { width, height });
  canvas.getContext("2d").drawImage(image, 0, 0, width, height);
  return canvas.toDataURL("image/jpeg", STRIP.quality);
}

async function picturesOf(result) {
  if (result.pictures) return result.pictures;
  const kept = await keptOne("pictures", result.id).catch(() => null);
  return kept ? kept.pictures : [];
}

function showStrip() {
  const hasFocus = byId("kept").contains(document.activeElement) && document.activeElement.closest("li").dataset.id;
  byId("strip").hidden = !strip.results.length && !strip.removed;
  byId("compare-two").disabled = strip.results.filter(({ thumb }) => thumb).length < 2;
  byId("kept").replaceChildren(...strip.results.map(stripItem));
  byId("bring-back").hidden = !strip.removed;
  if (hasFocus) {
    const again = [...byId("kept").children].find((item) => item.dataset.id === hasFocus) || byId("kept").firstElementChild;
    (again ? again.querySelector("button") : byId("bring-back")).focus({ preventScroll: true });
  }
  showVariants();
}

function stripItem(result) {
  const mix = mixText(result.colors);
  const time = result.group ? `${timeText(result.at)}, ${text("variantShort", result)}` : timeText(result.at);
  const label = text("keptLabel", { mix, size: extentText(scaleOfResult(result)), time });
  const picture = result.thumb ? element("img", { src: result.thumb, alt: "" }) : element("span", { class: "thumb-bar" }, ...barParts(result.colors));
  const open = element("button", {
    type: "button", class: "thumb", "aria-label": label, title: mix, disabled: !result.thumb,
    "aria-pressed": String(shown !== null && shown.id === result.id), onclick: () => openResult(result),
  }, picture, element("small", { text: result.thumb ? timeText(result.at) : text("beingDrawn") }), element("small", { text: extentText(scaleOfResult(result)) }),
  ...(result.group ? [element("small", { text: text("variantShort", result) })] : []));
  if (!result.thumb) return element("li", { "data-id": result.id }, open);
  const box = element("input", { type: "checkbox", "aria-label": text("compareThis", { result: label }), onchange: () => toggleCompared(result.id) });
  box.checked = strip.compared.includes(result.id);
  const remove = element("button", {
    type: "button", class: "icon remove", "aria-label": text("removeResult", { result: label }), title: text("removeResult", { result: label }), onclick: () => takeAway(result),
  });
  remove.innerHTML = ICONS.remove;
  return element("li", { "data-id": result.id }, open, element("div", { class: "thumb-line" }, element("label", { class: "check" }, box, element("span", { text: text("compareShort") })), remove));
}

// The time of day, with the date where it is another day.
function timeText(at) {
  const [then, now] = [new Date(at), new Date()];
  const day = then.toDateString() === now.toDateString() ? {} : { day: "numeric", month: "numeric" };
  return then.toLocaleString(language, { ...day, hour: "2-digit", minute: "2-digit" });
}

// Show a result that was kept: its pictures, its shares and how it was made.
async function openResult(result) {
  const pictures = await picturesOf(result);
  if (!pictures.length) {
    byId("strip-note").textContent = text("picturesGone");
    return;
  }
  if (run && result.group === run.id) run.chosen = result.number;
  showOpened({ ...result, pictures, isOver: true });
}

function showOpened(result) {
  shown = result;
  afterPress(() => {
    showResult();
    stageShows("drawn");
    showStrip();
    say(text("keptShown", { mix: mixText(result.colors) }));
  });
}

function toggleCompared(id) {
  const others = strip.compared.filter((one) => one !== id);
  strip.compared = strip.compared.includes(id) ? others : [...others.slice(-1), id];
  for (const item of byId("kept").children) {
    const box = item.querySelector("input");
    if (box) box.checked = strip.compared.includes(item.dataset.id);
  }
}

// What was removed by hand can be brought back until something else is.
async function takeAway(result) {
  strip.removed = { ...result, pictures: await picturesOf(result) };
  removeResult(result.id);
  byId("strip-note").textContent = text("resultRemoved", { mix: mixText(result.colors) });
  if (!strip.results.length) byId("bring-back").focus({ preventScroll: true });
}

async function bringBack() {
  const result = strip.removed;
  strip.removed = null;
  strip.results = [...strip.results, result].sort((one, other) => other.at - one.at);
  byId("strip-note").textContent = "";
  showStrip();
  await keepResult(result);
}
