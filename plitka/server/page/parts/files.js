// Recipes as files: JSON keeps all of a recipe, CSV is a table for a spreadsheet with a column for each colour. Both are
// read as this page and as people write them; a file with a mistake is refused whole, each mistake with its line.

const FILES = { bytes: 1 << 20, recipes: 500, name: 80 };
// Headings of a table that are no colours, in both languages; the first ones are written.
const HEADINGS = {
  name: ["tile", "плитка", "name", "название", "recipe", "рецепт"], angle: ["angle", "угол"], seed: ["seed"], layout: ["layout", "раскладка"],
  quality: ["quality", "качество"], guidance: ["guidance"], controlnet: ["controlnet"], lock: ["lock"], template: ["template"], words: ["words"],
  ...Object.fromEntries(Object.keys(PICTURE_SETTINGS).map((name) => [name, [name]])),
};
// What spreadsheets take for a formula at the start of a field.
const FORMULA = /^'*[=+\-@\t]/;

// A file's bytes as text: UTF-8, or Windows-1251, which spreadsheets in Russian still write.
function textOfFile(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1251").decode(bytes);
  }
}

// The recipes of a file as [{ name, recipe }], and what is wrong as [{ line, key, values }].
function readRecipes(fileName, words) {
  const plain = words.replace(/^\ufeff/, "");
  const isJson = /\.json$/i.test(fileName) || /^\s*[[{]/.test(plain);
  const found = isJson ? readJson(plain, fileName) : readCsv(plain);
  if (!found.problems.length && !found.recipes.length) found.problems.push({ line: 1, ...problem("noRecipes") });
  if (found.recipes.length > FILES.recipes) found.problems.push({ line: 1, ...problem("tooManyRecipes", { most: FILES.recipes }) });
  const names = new Set();
  for (const { name, line } of found.recipes) {
    if (names.has(name)) found.problems.push({ line, ...problem("nameTwice", { name }) });
    names.add(name);
  }
  found.problems.sort((one, other) => one.line - other.line);
  return found;
}

function readJson(words, fileName) {
  let document = null;
  try {
    // A number of JavaScript would round a long seed.
    document = JSON.parse(words.replace(/("seed"\s*:\s*)(\d{16,})(?=\s*[,}\]])/g, '$1"$2"'));
  } catch (error) {
    return { recipes: [], problems: [{ line: lineOfSyntax(error, words), ...problem("badJson") }] };
  }
  const list = Array.isArray(document) ? document : [document];
  const lines = linesOfItems(words, Array.isArray(document) ? 1 : 0);
  const [recipes, problems] = [[], []];
  list.forEach((item, i) => {
    const line = lines[i] || 1;
    const wrapped = isRecord(item) && Object.hasOwn(item, "request");
    const name = wrapped ? item.name : fileName.replace(/\.[^.]*$/, "") + (list.length > 1 ? ` ${i + 1}` : "");
    const extra = wrapped ? Object.keys(item).filter((key) => !["name", "request"].includes(key)) : [];
    const read = readRequest(wrapped ? item.request : item);
    const wrong = [...extra.map((key) => problem("unknownSetting", { name: key, allowed: "name, request" })), ...nameProblems(name), ...read.problems];
    if (wrong.length) problems.push(...wrong.map((one) => ({ line, ...one })));
    else recipes.push({ name: name.trim(), recipe: read.recipe, line });
  });
  return { recipes, problems };
}

const isRecord = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
// The names of overrides and what they are called here.
const OVERRIDES = { use_controlnet: "controlnet", color_guidance: "guidance", color_lock: "lock", layout: "layout", scale_bar: "scale_bar", controlnets: "controlnets", controlnet_start: "controlnet_start", controlnet_end: "controlnet_end", prompt_template: "template", prompt: "words" };

// A request as the server takes it.
function readRequest(request) {
  if (!isRecord(request) || !Array.isArray(request.colors) || !request.colors.every(isRecord)) return { recipe: null, problems: [problem("noRequest")] };
  const shares = request.colors.map((color) => color.proportion);
  const numbers = shares.map((share) => typedNumber(String(share ?? "")));
  // As the server reads them: fractions if none is above 1.
  const isParts = numbers.length > 1 && numbers.every((value) => value <= 1);
  const colors = request.colors.map((color, i) => [
    String(color.hex ?? color.name ?? ""), isParts ? String(rounded(numbers[i] * 100)) : String(shares[i] ?? ""),
  ]);
  const { colors: _, overrides = {}, ...rest } = request;
  const settings = [
    ...Object.entries(rest),
    ...Object.entries(isRecord(overrides) ? overrides : { overrides }).map(([name, value]) => [
      Object.hasOwn(OVERRIDES, name) ? OVERRIDES[name] : `overrides.${name}`, typeof value === "boolean" ? (value ? "on" : "off") : value,
    ]),
  ].filter(([, value]) => value !== null);
  return recipeOf(colors, settings.map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]));
}

function nameProblems(name) {
  const isName = typeof name === "string" && name.trim() && name.trim().length <= FILES.name;
  return isName ? [] : [problem("badName", { most: FILES.name })];
}

function lineOfSyntax({ message }, words) {
  const line = /line (\d+)/.exec(message);
  if (line) return Number(line[1]);
  const place = /position (\d+)/.exec(message);
  return lineAt(words, place ? Number(place[1]) : words.length);
}

function lineAt(words, place) {
  return words.slice(0, place).split("\n").length;
}

// The line that each object begins in, of those so deep in other brackets.
function linesOfItems(words, deep) {
  const lines = [];
  let depth = 0;
  for (const { 0: mark, index } of words.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/g)) {
    if (mark === "{" && depth === deep) lines.push(lineAt(words, index));
    if (mark === "[" || mark === "{") depth += 1;
    if (mark === "]" || mark === "}") depth -= 1;
  }
  return lines;
}

function jsonOf(recipes) {
  const items = recipes.map(({ name, recipe }) => `  {"name": ${JSON.stringify(name)}, "request": ${paramsJson(recipe)}}`);
  return `[\n${items.join(",\n")}\n]\n`;
}

// A table as rows of { line, fields }; quotes as spreadsheets write them. `open` is the line of a quote without its end.
function csvRows(words, divider) {
  const rows = [];
  let [line, open, field, fields, isQuoted] = [1, 0, "", [], false];
  let start = 1;
  const endRow = () => {
    fields.push(field);
    if (fields.some((one) => one.trim())) rows.push({ line: start, fields: fields.map((one) => one.trim()) });
    [field, fields, start] = ["", [], line];
  };
  for (let i = 0; i < words.length; i += 1) {
    const letter = words[i];
    if (letter === "\n") line += 1;
    if (isQuoted) {
      if (letter !== '"') field += letter;
      else if (words[i + 1] === '"') [field, i] = [`${field}"`, i + 1];
      else isQuoted = false;
    } else if (letter === '"' && !field.trim()) {
      [isQuoted, open, field] = [true, line, ""];
    } else if (letter === divider) {
      fields.push(field);
      field = "";
    } else if (letter === "\n") endRow();
    else if (letter !== "\r") field += letter;
  }
  endRow();
  return { rows, open: isQuoted ? open : 0 };
}

function readCsv(words) {
  const first = words.split("\n", 1)[0];
  const divider = [";", "\t", ","].find((one) => first.includes(one)) || ",";
  const { rows: [head, ...rows], open } = csvRows(words, divider);
  if (open) return { recipes: [], problems: [{ line: open, ...problem("openQuote") }] };
  const columns = head ? head.fields.map(columnOf) : [];
  const problems = head ? headProblems(head.fields, columns).map((one) => ({ line: head.line, ...one })) : [];
  if (problems.length) return { recipes: [], problems };
  const recipes = [];
  for (const { line, fields } of rows) {
    const read = readRow(columns, head.fields, fields);
    if (read.problems.length) problems.push(...read.problems.map((one) => ({ line, ...one })));
    else recipes.push({ name: read.name, recipe: read.recipe, line });
  }
  return { recipes, problems };
}

function columnOf(heading) {
  const wanted = folded(heading);
  return Object.keys(HEADINGS).find((name) => HEADINGS[name].some((one) => folded(one) === wanted)) || "";
}

function headProblems(headings, columns) {
  const problems = [];
  headings.forEach((heading, i) => {
    if (!columns[i] && idOfName(heading) === null) problems.push(unknownColor(heading));
    if (columns[i] && columns.indexOf(columns[i]) < i) problems.push(problem("settingTwice", { name: heading }));
  });
  if (!columns.includes("name")) problems.unshift(problem("noHeadings"));
  return problems;
}

function readRow(columns, headings, fields) {
  if (fields.slice(columns.length).some(Boolean)) return { problems: [problem("tooManyFields", { most: columns.length })] };
  const given = columns.map((column, i) => [column, fields[i] || ""]);
  const name = unguarded(given.find(([column]) => column === "name")[1]);
  const colors = given.flatMap(([column, value], i) => (!column && value ? [[headings[i], value]] : []));
  const settings = given.filter(([column, value]) => column && column !== "name" && value)
    .map(([column, value]) => [column, column === "words" ? unguarded(value) : value]);
  const { recipe, problems } = recipeOf(colors.filter(([, share]) => typedNumber(share) !== 0), settings);
  return { name, recipe, problems: [...nameProblems(name), ...problems] };
}

// A spreadsheet shows a field that begins with an apostrophe as it stands, and computes nothing.
const guarded = (words) => (FORMULA.test(words) ? `'${words}` : words);
const unguarded = (words) => (FORMULA.test(words) && words.startsWith("'") ? words.slice(1) : words);

// As spreadsheets of the language open it: in Russian with semicolons and decimal commas.
function csvOf(recipes) {
  const divider = language === "ru" ? ";" : ",";
  const ids = [...new Set(recipes.flatMap(({ recipe }) => recipe.colors.map(({ id }) => id)))];
  const used = Object.keys(CSV_FIELDS).filter((name) => ["angle", "seed"].includes(name) || recipes.some(({ recipe }) => CSV_FIELDS[name](recipe) !== ""));
  const heading = (name) => HEADINGS[name][language === "ru" ? Math.min(1, HEADINGS[name].length - 1) : 0];
  const rows = recipes.map(({ name, recipe }) => [
    guarded(name), ...used.map((field) => CSV_FIELDS[field](recipe)),
    ...ids.map((id) => { const color = recipe.colors.find((one) => one.id === id); return color ? fieldText(percent(color)) : ""; }),
  ]);
  const quoted = (value) => (/[";,\n\r\t]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value);
  const lines = [["name", ...used].map(heading).concat(ids.map(colorName)), ...rows].map((row) => row.map(quoted).join(divider));
  return `\ufeff${lines.join("\r\n")}\r\n`;
}

const CSV_FIELDS = {
  angle: ({ angle }) => fieldText(angle),
  seed: ({ random, seed }) => (random ? "-1" : seed),
  layout: ({ layout }) => layout,
  quality: ({ quality }) => (quality === LIMITS.quality ? "" : quality),
  guidance: ({ guidance }) => (guidance === null ? "" : fieldText(guidance)),
  controlnet: ({ controlnet }) => controlnet,
  lock: ({ colorLock }) => (colorLock === LIMITS.lock ? "" : colorLock),
  template: (recipe) => promptTexts(recipe).template,
  words: ({ words }) => guarded(words),
  ...Object.fromEntries(Object.keys(PICTURE_SETTINGS).map((name) => [name, (recipe) => pictureTexts(recipe)[name] || ""])),
};
