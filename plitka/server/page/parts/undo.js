// Undo and redo over the whole recipe: the mix and every setting of the request.

const RECIPE = ["colors", "angle", "quality", "random", "seed", "guidance", "layout", "controlnet", "colorLock", ...Object.keys(SCALE_FIELDS), "maps", "variants", "scaleBar", "adapter", ...Object.keys(PROMPT_FIELDS), ...Object.keys(CONTROLNET_FIELDS)];

// Recipes as JSON, the one that is shown at `at`; `edit` names the field that is being changed, whose changes are one step.
const past = { recipes: [], at: -1, edit: null };

function recipeText() {
  return JSON.stringify(Object.fromEntries(RECIPE.map((name) => [name, state[name]])));
}

// Keep the recipe as it is, and say whether it is another one than before.
function remember(edit = null) {
  const recipe = recipeText();
  if (recipe === past.recipes[past.at]) return false;
  byId("link-note").textContent = "";
  hideRecipeError();
  const isSameEdit = edit !== null && edit === past.edit && past.at > 0;
  past.recipes.splice(isSameEdit ? past.at : past.at + 1, Infinity, recipe);
  past.at = past.recipes.length - 1;
  past.edit = edit;
  showUndo();
  return true;
}

function endOfEdit() {
  past.edit = null;
}

function step(by) {
  const recipe = past.recipes[past.at + by];
  if (!recipe) return;
  // A field that is filled anew while it is edited would report its old text as a change afterwards.
  const edited = document.activeElement;
  const row = [...byId("rows").children].findIndex((one) => one.contains(edited));
  if (edited.matches("input")) edited.blur();
  past.at += by;
  past.edit = null;
  Object.assign(state, JSON.parse(recipe));
  showEverything();
  const again = row < 0 ? edited : byId("rows").children[row] && byId("rows").children[row].querySelector(".amount input");
  if (again && again.isConnected && edited.matches("input")) again.focus({ preventScroll: true });
  showUndo();
  stageShows("live");
  say(text(by < 0 ? "undone" : "redone", { mix: mixText() }));
}

function showUndo() {
  byId("undo").disabled = past.at <= 0;
  byId("redo").disabled = past.at >= past.recipes.length - 1;
}

function buildUndo() {
  byId("undo").addEventListener("click", () => step(-1));
  byId("redo").addEventListener("click", () => step(1));
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || document.querySelector("dialog[open]")) return;
    // A text that is no part of the recipe has an undo of its own.
    if (event.target.matches("#address, textarea")) return;
    const by = event.code === "KeyZ" ? (event.shiftKey ? 1 : -1) : event.code === "KeyY" ? 1 : 0;
    if (!by) return;
    event.preventDefault();
    step(by);
  });
}
