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
};

const PLAIN = { angle: 0, quality: LIMITS.quality, random: true, guidance: null, layout: "", controlnet: "", colorLock: LIMITS.lock };

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
  Object.assign(state, structuredClone(recipe));
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
