// What is asked for, and the request made of it.

const isOffered = (quality) => QUALITIES.length === 0 || QUALITIES.includes(quality);
// Where the base model is a few-step model, the usual quality is refused.
const usualQuality = () => (isOffered(LIMITS.quality) ? LIMITS.quality : QUALITIES[0]);

const state = {
  colors: [],
  angle: 0,
  quality: usualQuality(),
  random: true,
  seed: "42",
  guidance: null,
  layout: "",
  controlnet: "",
  colorLock: LIMITS.lock,
  ...SCALE_FIELDS,
  maps: [],
  variants: 1,
  scaleBar: false,
  adapter: "",
  ...PROMPT_FIELDS,
  ...CONTROLNET_FIELDS,
};

const BY_CODE = new Map(PALETTE.map((color) => [color.code, color]));

function layingAngle() {
  return ((state.angle % 180) + 180) % 180;
}

function layoutDrawn({ layout, angle } = state) {
  return layout || (angle % 180 === 0 ? "surface" : "brick");
}

// The server refuses to correct every picture towards a plan that it did not start from.
function locksWithoutPlan() {
  return state.colorLock === "always" && state.guidance === 0;
}

function hexOf(id) {
  // A recipe that was kept may name a colour of another palette: the server says so, and here it is grey.
  return BY_CODE.has(id) ? BY_CODE.get(id).hex : id.startsWith("#") ? id : "#808080";
}

// A hex colour as the server writes it, "#A63437"; a palette colour's own hex is that colour; null if it is none.
function colorId(text) {
  const match = /^#?([0-9a-f]{6})$/i.exec(text.trim());
  if (!match) return null;
  const hex = `#${match[1].toUpperCase()}`;
  const known = PALETTE.find((color) => color.hex === hex);
  return known ? known.code : hex;
}

// The request as [key, value] lists; a seed is a `Digits`, because it may be larger than a JavaScript number.
class Digits {
  constructor(text) { this.text = text; }
}

function requestFields(recipe = state) {
  const colors = recipe.colors.map((color) => [
    BY_CODE.has(color.id) ? ["name", BY_CODE.get(color.id).en] : [color.id.startsWith("#") ? "hex" : "name", color.id],
    ["proportion", percent(color)],
  ]);
  const fields = [["colors", colors], ["angle", recipe.angle], ["quality", recipe.quality]];
  if (!recipe.random) fields.push(["seed", new Digits(recipe.seed)]);
  fields.push(...scaleRequest(recipe));
  if (recipe.variants > 1) fields.push(["variants", recipe.variants]);
  if (recipe.adapter) fields.push(["adapter", recipe.adapter]);
  const overrides = [];
  if (recipe.controlnet) overrides.push(["use_controlnet", recipe.controlnet === "on"]);
  overrides.push(...controlnetRequest(recipe));
  if (recipe.guidance !== null) overrides.push(["color_guidance", recipe.guidance]);
  if (recipe.colorLock !== LIMITS.lock) overrides.push(["color_lock", recipe.colorLock]);
  overrides.push(...promptRequest(recipe));
  if (recipe.layout) overrides.push(["layout", recipe.layout]);
  if (recipe.scaleBar) overrides.push(["scale_bar", true]);
  if (overrides.length) fields.push(["overrides", overrides]);
  return fields;
}

const JSON_WORDS = { true: "true", false: "false", digits: (text) => text };
const PYTHON_WORDS = { true: "True", false: "False", digits: (text) => text };
// A number literal of JavaScript is exact up to 2^53; the server reads a seed from text as well.
const JAVASCRIPT_WORDS = {
  true: "true",
  false: "false",
  digits: (text) => (BigInt(text) > BigInt(Number.MAX_SAFE_INTEGER) ? `"${text}"` : text),
};

// Fields as an object in JSON, Python or JavaScript, on one line.
function written(value, words) {
  if (value instanceof Digits) return words.digits(value.text);
  if (typeof value === "boolean") return words[value];
  if (!Array.isArray(value)) return JSON.stringify(value);
  if (isObject(value)) return `{${value.map(([key, inner]) => `"${key}": ${written(inner, words)}`).join(", ")}}`;
  return `[${value.map((inner) => written(inner, words)).join(", ")}]`;
}

function isObject(value) {
  return value.every((pair) => Array.isArray(pair) && pair.length === 2 && typeof pair[0] === "string");
}

// The same over several lines, a line for every colour and for every other field.
function writtenOut(fields, words) {
  const lines = fields.map(([key, value]) => {
    if (key !== "colors") return `  "${key}": ${written(value, words)}`;
    return `  "colors": [\n${value.map((color) => `    ${written(color, words)}`).join(",\n")}\n  ]`;
  });
  return `{\n${lines.join(",\n")}\n}`;
}

function paramsJson(recipe = state) {
  return written(requestFields(recipe), JSON_WORDS);
}

// Take over a request of this page's own making, such as an example.
function loadRequest({ colors, angle = 0, layout = "" }) {
  state.colors = colors.map(([id, share]) => newColor(id, share * 10));
  Object.assign(state, { angle, layout, ...SCALE_FIELDS, maps: [] });
}
