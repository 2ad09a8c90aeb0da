// The recipe in the address of the page: `#mix=red:50,black:50&angle=45&seed=7`. Short, readable, and the same page again
// for whoever opens it.

const LINK = { start: "#mix=", most: 2000, afterMs: 400 };

function recipeFragment() {
  const colors = state.colors.map((color) => `${nameInLink(color.id)}:${percent(color)}`);
  const settings = Object.entries({
    angle: state.angle || "",
    layout: state.layout,
    quality: state.quality === LIMITS.quality ? "" : state.quality,
    seed: state.random ? "" : state.seed,
    guidance: state.guidance === null ? "" : state.guidance,
    controlnet: state.controlnet,
    lock: state.colorLock === LIMITS.lock ? "" : state.colorLock,
    ...promptTexts(state),
    ...pictureTexts(state),
    words: wordsInLink(state.words),
  }).filter(([, value]) => value !== "");
  return `${LINK.start}${colors.join(",")}${settings.map(([name, value]) => `&${name}=${value}`).join("")}`;
}

// What is not the usual of a recipe's scale, maps and variants, as texts: tiles as "200x100", maps with commas between them.
function pictureTexts(recipe) {
  const texts = Object.keys(SCALE_FIELDS).map((name) => {
    const value = recipe[name];
    return [name, !value ? "" : Array.isArray(value) ? value.join("x") : value === true ? "on" : String(value)];
  });
  const others = { maps: (recipe.maps || []).join(","), variants: recipe.variants > 1 ? String(recipe.variants) : "", scale_bar: recipe.scaleBar ? "on" : "", adapter: recipe.adapter || "", ...controlnetTexts(recipe) };
  return Object.fromEntries([...texts, ...Object.entries(others)].filter(([, words]) => words));
}

function nameInLink(id) {
  return BY_CODE.has(id) ? BY_CODE.get(id).en.replaceAll(" ", "-") : id.slice(1);
}

// A fragment of an address as [colors, settings] for `recipeOf`. What stands around an address in a letter may stick to
// its end.
function partsOfLink(fragment) {
  const plain = fragment.slice(1).replace(/[.,;:)\]»”"'\s]+$/, "");
  const pairs = plain.split("&").filter(Boolean).map((pair) => {
    const at = pair.indexOf("=");
    if (at < 0) return [decoded(pair), ""];
    const [name, value] = [decoded(pair.slice(0, at)), decoded(pair.slice(at + 1))];
    return [name, name === "words" ? wordsOfLink(value) : value];
  });
  const [, mix] = pairs.shift();
  const colors = mix.split(",").filter((part) => part.trim()).map((part) => {
    const at = part.lastIndexOf(":");
    return at < 0 ? [part.trim(), ""] : [part.slice(0, at).trim(), part.slice(at + 1).trim()];
  });
  return [colors, pairs];
}

// A per cent sign that somebody typed is no code of a letter.
function decoded(words) {
  try {
    return decodeURIComponent(words.replaceAll("+", " "));
  } catch {
    return words;
  }
}

// Take the recipe over that the address has, if it has one.
function openLink() {
  if (!location.hash.startsWith(LINK.start)) return;
  const { recipe, problems } = location.hash.length > LINK.most
    ? { recipe: null, problems: [problem("linkTooLong", { most: LINK.most })] }
    : recipeOf(...partsOfLink(location.hash));
  if (recipe) {
    takeRecipe(recipe);
    return;
  }
  sayRecipeError = () => showProblems(byId("recipe-error"), text("badLink"), problems.map(problemText));
  sayRecipeError();
}

let addressTimer = 0;

// The address always has the recipe, so that it may be copied from there, and a reload brings it back.
function keepInAddress() {
  clearTimeout(addressTimer);
  addressTimer = setTimeout(() => {
    try { history.replaceState(null, "", recipeFragment()); } catch { /* some browsers allow only so many a minute */ }
  }, LINK.afterMs);
}

// The address of this page for others: that of the server where the page itself lies on a disk.
function wholeLink() {
  let start = location.href.split("#")[0];
  if (location.protocol === "file:") {
    try { start = `${serverAddress()}/`; } catch { /* then the file itself */ }
  }
  return start + recipeFragment();
}

function isOnlyHere(link) {
  return link.startsWith("file:") || /^https?:\/\/(localhost|127\.|\[::1\])/.test(link);
}

async function copyLink() {
  const link = wholeLink();
  let words = text(isOnlyHere(link) ? "linkCopiedHere" : "linkCopied");
  try {
    await navigator.clipboard.writeText(link);
  } catch {
    words = text("linkNotCopied", { link });
  }
  byId("link-note").textContent = words;
}

function buildLink() {
  byId("copy-link").addEventListener("click", copyLink);
  addEventListener("hashchange", openLink);
}
