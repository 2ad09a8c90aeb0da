// The panel for the size of what is shown: presets, free fields, and beside each field what is wrong with it.

const TILE_FIELDS = ["tile_length", "tile_height"];
const NUMBER_FIELDS = ["width_mm", "height_mm", "granule_mm", ...TILE_FIELDS, "joint_mm"];
const PIXEL_CHOICES = [1024, 2048, 4096];
// What each preset changes of a recipe whose scale is the usual one. Printed at 300 dpi, 297 mm have 3508 pixels, which
// are no whole number of steps.
const PRESETS = {
  usual: () => ({}),
  sample: () => ({ width_mm: 100, height_mm: 100 }),
  tile: (recipe) => {
    const [width_mm, height_mm] = tileNow(recipe);
    return { layout: "surface", width_mm, height_mm };
  },
  floor: (recipe) => ({ ...(layoutDrawn(recipe) === "surface" ? { layout: "grid" } : {}), width_mm: 2000, height_mm: 2000 }),
  texture: textureOf,
  print: () => ({ width_mm: 210, height_mm: 297, height: 3504 }),
};
const TEXTURE = { pixels: 2048, surface: 200, near: 500 };

// What was typed and is no number of the field, by field: it stays there, and nothing is sent.
const wrongTyped = {};

const rangeOf = (name) => LIMITS.ranges[TILE_FIELDS.includes(name) ? "tile_mm" : name];
const noteOf = (name) => byId(`note-${TILE_FIELDS.includes(name) ? "tile_mm" : name}`);
const typedMm = (words) => typedNumber(words.trim().replace(/\s*(mm|мм)\.?$/i, ""));

// The tile of a recipe's layout; of a surface, what the usual grid has.
function tileNow(recipe) {
  const layout = layoutDrawn(recipe);
  return recipe.tile_mm || usualTile(layout === "surface" ? "grid" : layout);
}

// A seamless texture: of a layout with joints, as many whole periods as come nearest to half a metre.
function textureOf(recipe) {
  const layout = layoutDrawn(recipe);
  const period = layout === "surface" ? null : periodOf(layout, tileNow(recipe), recipe.angle);
  const [width_mm, height_mm] = period
    ? period.map((part) => rounded4(Math.max(1, Math.round(TEXTURE.near / part)) * part)) : [TEXTURE.surface, TEXTURE.surface];
  const upright = height_mm / width_mm;
  const pixels = sharpestSide(upright, TEXTURE.pixels);
  return { seamless: true, width_mm, height_mm, ...(upright > 1 ? { height: pixels } : { width: pixels }) };
}

const rounded4 = (value) => Math.round(value * 1e4) / 1e4;

// The first longer side from `least` on at which pixels are as wide as high.
function sharpestSide(upright, least) {
  for (let side = least; side < 2 * least; side += LIMITS.sideStep) {
    const sides = upright > 1 ? { width: inSteps(side / upright), height: side } : { width: side, height: inSteps(side * upright) };
    if (isSquare(upright, sides)) return side;
  }
  return least;
}

function takePreset(name) {
  endOfEdit();
  const kept = name === "usual" ? {} : { granule_mm: state.granule_mm, tile_mm: state.tile_mm, joint_mm: state.joint_mm };
  Object.assign(state, SCALE_FIELDS, kept, PRESETS[name](state));
  showMore();
  showSize();
  showAngle();
  changed();
}

function isPreset(name) {
  const { granule_mm, tile_mm, joint_mm } = name === "usual" ? SCALE_FIELDS : state;
  // A surface of the size of a tile does not know any more which layout that was.
  const tiles = name === "tile" ? Object.values(LIMITS.tiles) : [];
  return [state.tile_mm, ...tiles].some((tile) => {
    const preset = { ...SCALE_FIELDS, granule_mm, tile_mm, joint_mm, ...PRESETS[name]({ ...state, tile_mm: tile }) };
    return Object.keys(preset).every((key) => JSON.stringify(preset[key]) === JSON.stringify(state[key]));
  });
}

// What a field has of the recipe; null for the usual.
function sizeValue(name) {
  const tile = TILE_FIELDS.indexOf(name);
  return tile < 0 ? state[name] : state.tile_mm && state.tile_mm[tile];
}

function setSizeValue(name, value) {
  const tile = TILE_FIELDS.indexOf(name);
  if (tile < 0) {
    state[name] = value;
    return;
  }
  const kept = (side, i) => (byId(`size-${TILE_FIELDS[i]}`).value.trim() ? side : null);
  const sides = (state.tile_mm || [null, null]).map((side, i) => (i === tile ? value : kept(side, i)));
  const usual = tileNow({ ...state, tile_mm: null });
  state.tile_mm = sides.some(Boolean) ? sides.map((side, i) => side || usual[i]) : null;
}

// Take what stands in a field as it is typed; what is no number of the field is said when it is left.
function takeSize(name, isLeft) {
  const words = byId(`size-${name}`).value;
  const value = words.trim() ? typedMm(words) : null;
  if (value !== null && !isWithin(value, rangeOf(name))) {
    wrongTyped[name] = words;
    if (isLeft) showSizeNotes();
    return;
  }
  delete wrongTyped[name];
  setSizeValue(name, value);
  changed(`size ${name}`);
}

// Every field as the recipe has it; called where it comes from elsewhere than the fields.
function showSize() {
  for (const name of NUMBER_FIELDS) {
    delete wrongTyped[name];
    const [field, value] = [byId(`size-${name}`), sizeValue(name)];
    if (value === null) field.value = "";
    else if (typedMm(field.value) !== value) field.value = fieldText(value);
  }
  byId("size-seamless").checked = Boolean(state.seamless);
  byId("scale-bar").checked = state.scaleBar;
  byId("presets").replaceChildren(...Object.keys(PRESETS).map((name) => element("button", {
    type: "button", class: "chip", "data-preset": name, text: text(`preset_${name}`), onclick: () => takePreset(name),
  })));
  byId("gradings").replaceChildren(...Object.entries(LIMITS.gradings).map(([name, diameter]) => element("button", {
    type: "button", class: "chip", value: diameter, text: text(`grading_${name}`), onclick: () => setGranule(diameter),
  })));
  byId("maps").replaceChildren(...LIMITS.maps.map(mapBox));
  showPixels();
}

function setGranule(diameter) {
  endOfEdit();
  state.granule_mm = diameter === LIMITS.granule ? null : diameter;
  delete wrongTyped.granule_mm;
  byId("size-granule_mm").value = state.granule_mm === null ? "" : fieldText(diameter);
  changed();
}

function mapBox(name) {
  const box = element("input", { type: "checkbox", value: name, onchange: () => {
    state.maps = LIMITS.maps.filter((one) => (one === name ? box.checked : state.maps.includes(one)));
    changed();
  } });
  box.checked = state.maps.includes(name);
  return element("label", { class: "check" }, box, element("span", { text: text(`map_${name}`) }));
}

function showPixels() {
  const { width, height } = state;
  const own = width && height ? `${width}x${height}` : String(width || height || "");
  const sides = PIXEL_CHOICES.filter((side) => side <= LIMITS.sides[1]).map(String);
  const choices = [["", text("pixelsUsual", { side: LENS.FINAL })], ...[...new Set([...sides, own])].filter(Boolean).map((side) => [side, side.replace("x", " × ")])];
  options(byId("size-pixels"), choices, own);
}

function takePixels(words) {
  const [width, height] = words.split("x").map(Number);
  const isHigh = scaleOf().height_mm > scaleOf().width_mm;
  Object.assign(state, { width: null, height: null }, words && (height ? { width, height } : { [isHigh ? "height" : "width"]: width }));
  changed();
}

// What depends on all of the recipe: the usual values, what does not fit, which preset it is, and the size in words.
function showSizeNotes() {
  const scale = scaleOf();
  const usual = scaleOf({ ...state, ...SCALE_FIELDS, granule_mm: state.granule_mm });
  const values = { ...usual, tile_length: usual.tile_mm && usual.tile_mm[0], tile_height: usual.tile_mm && usual.tile_mm[1], granule_mm: LIMITS.granule };
  // A side that is not given follows from the other one.
  Object.assign(values, state.width_mm || state.height_mm ? { width_mm: scale.width_mm, height_mm: scale.height_mm } : {});
  const problems = sizeProblems();
  for (const name of [...NUMBER_FIELDS, "seamless", "pixels"]) {
    const field = byId(`size-${name}`);
    if (NUMBER_FIELDS.includes(name)) field.placeholder = values[name] ? fieldText(Math.round(100 * values[name]) / 100) : "";
    const isBad = problems.some((one) => one.field === name);
    if (isBad) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
    const words = problems.filter((one) => noteOf(one.field) === noteOf(name)).map((one) => one.words).join(" ");
    if (noteOf(name).textContent !== words) noteOf(name).textContent = words;
  }
  const isSurface = scale.tile_mm === null;
  byId("size-tiles").disabled = isSurface;
  byId("note-tiles").textContent = isSurface ? text("tilesOfSurface") : "";
  byId("size-now").textContent = extentText(scale);
  for (const chip of byId("presets").children) chip.setAttribute("aria-pressed", String(isPreset(chip.dataset.preset)));
  for (const chip of byId("gradings").children) chip.setAttribute("aria-pressed", String(Number(chip.value) === scale.granule_mm));
  const chosen = Object.keys(PRESETS).find(isPreset);
  byId("preset-note").textContent = text(chosen ? `presetNote_${chosen}` : "presetNote_own", { pixels: `${scale.width} × ${scale.height}` });
}

// What is wrong, as { field, words }: what was typed first, then what does not fit together.
function sizeProblems() {
  const isSurface = layoutDrawn() === "surface";
  const typed = Object.entries(wrongTyped).filter(([field]) => !isSurface || ![...TILE_FIELDS, "joint_mm"].includes(field)).map(([field, value]) => ({
    field, words: text("badMm", { value: clipped(value), ...rangeWords(rangeOf(field)) }),
  }));
  const together = scaleProblems().map(([field, key, values]) => ({ field: field === "tile_mm" ? "tile_length" : field, words: text(key, values) }));
  return [...typed, ...together];
}

function wrongSize() {
  return sizeProblems().length > 0;
}

function focusWrongSize() {
  showSizeNotes();
  const [{ field }] = sizeProblems();
  byId(`size-${field}`).focus();
}

function buildSize() {
  for (const name of NUMBER_FIELDS) {
    byId(`size-${name}`).addEventListener("input", () => takeSize(name, false));
    byId(`size-${name}`).addEventListener("change", () => afterPress(() => { takeSize(name, true); endOfEdit(); }));
  }
  byId("size-seamless").addEventListener("change", ({ target: box }) => { state.seamless = box.checked || null; changed(); });
  byId("scale-bar").addEventListener("change", ({ target: box }) => { state.scaleBar = box.checked; changed(); });
  byId("size-pixels").addEventListener("change", ({ target: select }) => takePixels(select.value));
}
