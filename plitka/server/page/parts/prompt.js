// The wording of the prompt and the words added to it, which a diffusion model reads.

const PROMPT_FIELDS = { template: LIMITS.template, words: "" };

// In a link the words are spelled so that neither an address nor a letter around it changes them: "~" and two digits
// stand for what is no letter, digit or hyphen of ASCII.
function wordsInLink(words) {
  return encodeURIComponent(words).replace(/[~.!*'()]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%20", "+").replaceAll("%", "~");
}

function wordsOfLink(given) {
  try {
    return decodeURIComponent(given.replace(/%/g, "%25").replaceAll("~", "%"));
  } catch {
    return given;
  }
}

// As the server reads them: spaces and line ends are one space.
const plainWords = (given) => given.split(/\s+/).filter(Boolean).join(" ");

// What is not the usual, by names in a link; both are empty texts otherwise.
function promptTexts({ template, words }) {
  return { template: template === LIMITS.template ? "" : template, words };
}

function promptRequest(recipe) {
  const { template, words } = promptTexts(recipe);
  return [["prompt_template", template], ["prompt", words]].filter(([, value]) => value);
}

function showPrompt() {
  options(byId("template"), Object.keys(LIMITS.templates).map((name) => [name, name]), state.template);
  byId("template-note").textContent = LIMITS.templates[state.template] + (state.words ? `, ${state.words}` : "");
  if (plainWords(byId("words").value) !== state.words) byId("words").value = state.words;
}

function buildPrompt() {
  byId("words").maxLength = LIMITS.words;
  byId("template").addEventListener("change", ({ target }) => { state.template = target.value; showPrompt(); changed(); });
  byId("words").addEventListener("input", ({ target }) => { state.words = plainWords(target.value); showPrompt(); changed("words"); });
  byId("words").addEventListener("change", endOfEdit);
}
