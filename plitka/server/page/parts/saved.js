// Recipes that were given a name: kept in this browser, taken from files and written to them.

// Recipes as { id, at, name, recipe }, newest first; `removed` is the last one that was taken away.
const saved = { recipes: [], removed: null };

async function openSaved() {
  try {
    saved.recipes = (await keptAll("recipes")).sort((one, other) => other.at - one.at);
  } catch (trouble) {
    console.warn("recipes", trouble);
  }
}

function openRecipes() {
  byId("recipe-name").value = "";
  noteRecipes("");
  showSaved();
  byId("recipes").showModal();
  byId(matchMedia("(pointer: fine)").matches ? "recipe-name" : "recipes-title").focus();
}

function noteRecipes(words) {
  byId("recipes-note").textContent = words;
  byId("recipes-error").hidden = true;
}

function showSaved() {
  byId("saved").replaceChildren(...saved.recipes.map(savedRow));
  byId("no-saved").hidden = saved.recipes.length > 0;
  byId("restore").hidden = !saved.removed;
  const isEmpty = !saved.recipes.length;
  byId("exports").hidden = isEmpty;
  if (!isEmpty) {
    exportAs("export-json", "json", "application/json", jsonOf(saved.recipes));
    exportAs("export-csv", "csv", "text/csv", csvOf(saved.recipes));
  }
  showSaveButton();
}

function exportAs(id, ending, kind, words) {
  Object.assign(byId(id), { download: `plitka_recipes.${ending}`, href: `data:${kind};charset=utf-8,${encodeURIComponent(words)}` });
}

function showSaveButton() {
  byId("save-recipe").textContent = text(savedAs(byId("recipe-name").value.trim()) ? "replaceRecipe" : "saveRecipe");
}

const savedAs = (name) => saved.recipes.find((one) => one.name === name);

function savedRow({ id, name, recipe }) {
  const bar = element("span", { class: "mix-bar", "aria-hidden": "true" }, ...barParts(recipe.colors));
  const remove = element("button", { type: "button", class: "icon remove", "aria-label": text("removeRecipe", { name }), title: text("removeRecipe", { name }), onclick: () => removeRecipe(id) });
  remove.innerHTML = ICONS.remove;
  const mix = mixText(recipe.colors);
  return element("li", {},
    element("span", { class: "saved-name" }, element("b", { text: name }), ...(name === mix ? [] : [element("small", { text: mix })]), bar),
    element("button", { type: "button", class: "secondary", text: text("useRecipe"), "aria-label": text("useThis", { name }), onclick: () => useRecipe(id) }),
    remove);
}

async function saveRecipe() {
  const name = byId("recipe-name").value.trim() || mixText();
  const before = savedAs(name);
  if (!before && saved.recipes.length >= FILES.recipes) {
    noteRecipes(text("tooManyRecipes", { most: FILES.recipes }));
    return;
  }
  await keepRecipes([{ id: before ? before.id : newId(), at: Date.now(), name, recipe: recipeNow() }], before ? "recipeReplaced" : "recipeSaved", { name });
  byId("recipe-name").value = "";
  showSaveButton();
}

// Keep recipes, in place of those with the same id, and say so.
async function keepRecipes(recipes, key, values) {
  const ids = new Set(recipes.map(({ id }) => id));
  saved.recipes = [...recipes, ...saved.recipes.filter(({ id }) => !ids.has(id))];
  let words = text(key, values);
  try {
    await keep(recipes.map((recipe) => ["recipes", recipe]));
    if (!(await keepsForLong())) words += ` ${text("recipesNotKept")}`;
  } catch {
    words += ` ${text("recipesNotKept")}`;
  }
  noteRecipes(words);
  showSaved();
}

function useRecipe(id) {
  const { name, recipe } = saved.recipes.find((one) => one.id === id);
  byId("recipes").close();
  takeRecipe(recipe);
  say(text("recipeUsed", { name }));
}

function removeRecipe(id) {
  saved.removed = saved.recipes.find((one) => one.id === id);
  saved.recipes = saved.recipes.filter((one) => one.id !== id);
  forget([["recipes", id]]).catch(() => {});
  noteRecipes(text("recipeRemoved", { name: saved.removed.name }));
  showSaved();
  byId("restore").focus();
}

async function restoreRecipe() {
  const recipe = saved.removed;
  saved.removed = null;
  const name = freeName(recipe.name);
  await keepRecipes([{ ...recipe, name }], "recipeSaved", { name });
  byId("recipe-name").focus();
}

// A name that no saved recipe has: "Sea", "Sea (2)", "Sea (3)".
function freeName(name) {
  let free = name;
  for (let number = 2; savedAs(free); number += 1) free = `${name} (${number})`;
  return free;
}

async function importFile(file) {
  if (file.size > FILES.bytes) {
    refuseFile(file.name, [text("fileTooLarge", { most: FILES.bytes >> 20 })]);
    return;
  }
  const { recipes, problems } = readRecipes(file.name, textOfFile(await file.arrayBuffer()));
  if (problems.length) {
    refuseFile(file.name, problems.map(({ line, ...wrong }) => text("inLineOfFile", { line, words: problemText(wrong) })));
    return;
  }
  const known = new Map(saved.recipes.map(({ name, recipe }) => [name, paramsJson(recipe)]));
  const fresh = recipes.filter(({ name, recipe }) => known.get(name) !== paramsJson(recipe));
  if (saved.recipes.length + fresh.length > FILES.recipes) {
    refuseFile(file.name, [text("tooManyRecipes", { most: FILES.recipes })]);
    return;
  }
  const at = Date.now();
  const named = fresh.map(({ name, recipe }, i) => ({ id: newId(), at: at - i, name: freeName(name), recipe }));
  await keepRecipes(named, "imported", { count: named.length, known: recipes.length - named.length });
}

function refuseFile(name, lines) {
  noteRecipes("");
  showProblems(byId("recipes-error"), text("badFile", { name: clipped(name) }), lines);
}

function buildSaved() {
  byId("open-recipes").addEventListener("click", openRecipes);
  byId("close-recipes").addEventListener("click", () => byId("recipes").close());
  byId("save-form").addEventListener("submit", (event) => { event.preventDefault(); saveRecipe(); });
  byId("recipe-name").addEventListener("input", showSaveButton);
  byId("restore").addEventListener("click", restoreRecipe);
  byId("import").addEventListener("change", async ({ target: field }) => {
    const [file] = field.files;
    // The same file may be mended and chosen again.
    if (file) await importFile(file);
    field.value = "";
  });
}
