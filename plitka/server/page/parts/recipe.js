// A recipe that comes from elsewhere, by a link or a file: read whole, or answered with everything that is wrong with it.

// A problem is a key of TEXT with its values; a value that was given is shown to this length.
const SHOWN_CHARACTERS = 60;

function problem(key, values = {}) {
  const shown = Object.entries(values).map(([name, value]) => [name, typeof value === "string" ? clipped(value) : value]);
  return { key, values: Object.fromEntries(shown) };
}

function problemText({ key, values }) {
  return text(key, Object.fromEntries(Object.entries(values).map(([name, value]) => [name, typeof value === "function" ? value() : value])));
}

function clipped(value) {
  return value.length > SHOWN_CHARACTERS ? `${value.slice(0, SHOWN_CHARACTERS)}…` : value;
}

const oneOf = (names) => ({ read: (given) => (names.includes(given) ? given : undefined), allowed: () => names.join(", ") });

const millimetres = (name) => ({
  read: (given) => { const value = typedNumber(given.replace(/mm$/, "")); return isWithin(value, LIMITS.ranges[name]) ? value : undefined; },
  allowed: () => text("allowedMm", rangeWords(LIMITS.ranges[name])), into: (value) => ({ [name]: value }),
});

const onOrOff = {
  read: (given) => (["on", "true"].includes(given) ? true : ["off", "false"].includes(given) ? false : undefined), allowed: () => "on, off",
};

const isWithin = (value, [least, most]) => value >= least && value <= most;
const isCount = (value) => Number.isInteger(value) && isWithin(value, LIMITS.variants);
const rangeWords = ([least, most]) => ({ least: shownMm(least), most: shownMm(most) });

const pixelsSetting = (name) => ({
  read: (given) => { const side = typedNumber(given); return isWithin(side, LIMITS.sides) && side % LIMITS.sideStep === 0 ? side : undefined; },
  allowed: () => text("allowedPixels", { least: LIMITS.sides[0], most: LIMITS.sides[1], step: LIMITS.sideStep }), into: (side) => ({ [name]: side }),
});

// What a request says about the picture's scale, its maps and variants, by the names that they have in it.
const PICTURE_SETTINGS = {
  granule_mm: { ...millimetres("granule_mm"), read: (given) => (Object.hasOwn(LIMITS.gradings, given) ? LIMITS.gradings[given] : millimetres("granule_mm").read(given)) },
  width_mm: millimetres("width_mm"), height_mm: millimetres("height_mm"), joint_mm: millimetres("joint_mm"),
  tile_mm: {
    // "200x100", or as JSON has it.
    read: (given) => {
      const sides = given.replace(/^\[|\]$/g, "").split(given.startsWith("[") ? "," : /[x×х]/).map(typedNumber);
      return sides.length === 2 && sides.every((side) => isWithin(side, LIMITS.ranges.tile_mm)) ? sides : undefined;
    },
    allowed: () => text("allowedTile", rangeWords(LIMITS.ranges.tile_mm)), into: (sides) => ({ tile_mm: sides }),
  },
  seamless: { ...onOrOff, into: (isOn) => ({ seamless: isOn || null }) },
  width: pixelsSetting("width"), height: pixelsSetting("height"),
  maps: {
    read: (given) => {
      const names = given.replace(/[[\]"]/g, "").split(",").map((name) => name.trim()).filter(Boolean);
      return names.every((name) => LIMITS.maps.includes(name)) ? LIMITS.maps.filter((name) => names.includes(name)) : undefined;
    },
    allowed: () => LIMITS.maps.join(", "), into: (maps) => ({ maps }),
  },
  variants: {
    read: (given) => { const count = typedNumber(given); return isCount(count) ? count : undefined; },
    allowed: () => text("allowedVariants", { least: LIMITS.variants[0], most: LIMITS.variants[1] }), into: (variants) => ({ variants }),
  },
  adapter: { ...oneOf(ADAPTERS), allowed: () => ADAPTERS.join(", ") || text("noAdapters"), into: (adapter) => ({ adapter }) },
  scale_bar: { ...onOrOff, into: (scaleBar) => ({ scaleBar }) },
  ...CONTROLNET_SETTINGS,
};

// The settings of a recipe by their names in a link: how each is read from text, undefined where it cannot be, what is
// allowed, and what of the state it sets.
const SETTINGS = {
  angle: {
    read: (given) => { const angle = typedNumber(given); return Number.isNaN(angle) ? undefined : angle; },
    allowed: () => text("allowedAngle"), into: (angle) => ({ angle }),
  },
  layout: { ...oneOf(LIMITS.layouts), into: (layout) => ({ layout }) },
  quality: { ...oneOf(LIMITS.profiles.map((profile) => profile.name)), into: (quality) => ({ quality }) },
  seed: {
    read: (given) => (given === "-1" ? null : isSeed(given) ? BigInt(given).toString() : undefined),
    allowed: () => text("allowedSeed", { most: LIMITS.seed }),
    into: (seed) => (seed === null ? { random: true } : { random: false, seed }),
  },
  guidance: {
    read: (given) => { const part = typedNumber(given); return part >= 0 && part <= 1 ? part : undefined; },
    allowed: () => text("allowedGuidance"), into: (guidance) => ({ guidance }),
  },
  controlnet: { ...oneOf(["on", "off"]), into: (controlnet) => ({ controlnet }) },
  lock: { ...oneOf(LIMITS.locks), into: (colorLock) => ({ colorLock }) },
  template: { ...oneOf(Object.keys(LIMITS.templates)), into: (template) => ({ template }) },
  words: {
    read: (given) => (plainWords(given).length <= LIMITS.words ? plainWords(given) : undefined),
    allowed: () => text("allowedWords", { most: LIMITS.words }), into: (words) => ({ words }),
  },
  ...PICTURE_SETTINGS,
};

const PLAIN = {
  angle: 0, quality: usualQuality(), random: true, guidance: null, layout: "", controlnet: "", colorLock: LIMITS.lock, ...SCALE_FIELDS, maps: [],
  variants: 1, scaleBar: false, adapter: "", ...PROMPT_FIELDS, ...CONTROLNET_FIELDS,
};

function isSeed(given) {
  return /^\d{1,19}$/.test(given) && BigInt(given) <= BigInt(LIMITS.seed);
}

// `colors` are [name or hex, share in per cent], `settings` [name, value], all of them texts. Returns the recipe, null
// where there are problems, and those.
function recipeOf(colors, settings) {
  const problems = [];
  const recipe = { ...PLAIN, seed: state.seed, colors: readColors(colors, problems) };
  const seen = new Set();
  for (const [name, given] of settings) {
    const setting = Object.hasOwn(SETTINGS, name) ? SETTINGS[name] : null;
    const value = setting ? setting.read(given.trim()) : undefined;
    if (!setting) problems.push(problem("unknownSetting", { name, allowed: () => ["mix", ...Object.keys(SETTINGS)].join(", ") }));
    else if (seen.has(name)) problems.push(problem("settingTwice", { name }));
    else if (value === undefined) problems.push(problem("badSetting", { name, value: given, allowed: setting.allowed }));
    else Object.assign(recipe, setting.into(value));
    seen.add(name);
  }
  return { recipe: problems.length ? null : recipe, problems };
}

function readColors(colors, problems) {
  if (!colors.length) problems.push(problem("noColors"));
  if (colors.length > LIMITS.colors) problems.push(problem("full", { most: LIMITS.colors }));
  const found = [];
  for (const [name, share] of colors.slice(0, LIMITS.colors)) {
    const id = idOfName(name);
    const percents = share === "" && colors.length === 1 ? 100 : typedNumber(share);
    if (id === null) problems.push(unknownColor(name));
    else if (found.some((color) => color.id === id)) problems.push(problem("colorTwice", { color: () => colorName(id) }));
    if (!(percents >= 0 && percents <= MOST_TYPED)) problems.push(problem("badShareOf", { value: share, color: name }));
    found.push(colorOfShare(id, colors.length === 1 ? 100 : percents));
  }
  return found;
}

// Shares stay as they were written, to the last digit.
function colorOfShare(id, percents) {
  const color = newColor(id, rounded(percents * 10));
  return percent(color) === percents ? color : { ...color, typed: percents };
}

function idOfName(name) {
  const wanted = folded(name);
  const known = PALETTE.find((color) => namesOf(color).some((one) => folded(one) === wanted));
  return known ? known.code : colorId(name) || namedId(name);
}

function unknownColor(name) {
  const near = similarColors(clipped(name)).colors.slice(0, 3);
  return near.length
    ? problem("unknownColorAlike", { value: name, names: () => near.map((color) => color[language]).join(", ") })
    : problem("unknownColor", { value: name });
}

// Take a recipe over into the form, as one step that can be undone.
function takeRecipe(recipe) {
  endOfEdit();
  Object.assign(state, structuredClone({ ...PLAIN, ...recipe }));
  showEverything();
  hideRecipeError();
}

function recipeNow() {
  return JSON.parse(recipeText());
}

// What is wrong with a recipe, beside the recipe: `head` and then a line each, none of them as HTML.
const MOST_PROBLEMS = 6;

function showProblems(place, head, lines) {
  const shown = lines.slice(0, MOST_PROBLEMS).map((words) => element("li", { text: words }));
  if (lines.length > MOST_PROBLEMS) shown.push(element("li", { text: text("andMore", { count: lines.length - MOST_PROBLEMS }) }));
  place.replaceChildren(element("strong", { text: head }), element("ul", {}, ...shown));
  place.hidden = false;
}

function hideRecipeError() {
  sayRecipeError = () => {};
  byId("recipe-error").hidden = true;
  byId("recipe-error").replaceChildren();
}

// Says it again after a change of the language.
let sayRecipeError = () => {};
