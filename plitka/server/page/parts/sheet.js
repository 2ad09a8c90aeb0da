// The sheet for a customer: as PDF from the server, or printed by the browser, which needs no server.

// The customer's own, kept for the next time.
const sheet = { text: "", logo: "" };

function buildSheet() {
  try { Object.assign(sheet, JSON.parse(localStorage.getItem("plitka-sheet"))); } catch { /* typed in again */ }
  byId("sheet-text").value = sheet.text;
  byId("sheet-text").maxLength = SHEET.text;
  showLogo();
  byId("sheet").addEventListener("click", () => { sheetSays(""); byId("sheet-dialog").showModal(); });
  byId("close-sheet").addEventListener("click", () => byId("sheet-dialog").close());
  byId("sheet-text").addEventListener("input", ({ target: field }) => keepSheet({ text: field.value }));
  byId("sheet-logo").addEventListener("change", ({ target: field }) => takeLogo(field));
  byId("sheet-no-logo").addEventListener("click", () => { keepSheet({ logo: "" }); showLogo(); });
  byId("sheet-pdf").addEventListener("click", saveSheet);
  byId("sheet-print").addEventListener("click", () => { byId("sheet-dialog").close(); print(); });
  addEventListener("beforeprint", fillPrinted);
}

// The result that a sheet is made of.
function sheetResult() {
  return shown;
}

function sheetFile() {
  return fileOf(sheetResult(), "sheet", "data:image/pdf;");
}

function keepSheet(news) {
  Object.assign(sheet, news);
  try { localStorage.setItem("plitka-sheet", JSON.stringify(sheet)); } catch { /* typed in again */ }
}

function sheetSays(words) {
  byId("sheet-note").textContent = words;
}

function showLogo() {
  const image = byId("sheet-logo-shown");
  image.hidden = byId("sheet-no-logo").hidden = !sheet.logo;
  if (sheet.logo) image.src = sheet.logo;
}

async function takeLogo(field) {
  const [file] = field.files;
  field.value = "";
  if (!file) return;
  const isRight = ["image/png", "image/jpeg"].includes(file.type) && file.size <= SHEET.logo;
  const url = isRight ? await dataAddress(file) : "";
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
    keepSheet({ logo: url });
    showLogo();
    sheetSays("");
  } catch {
    sheetSays(text("sheetBadLogo", { name: file.name }));
  }
}

function dataAddress(file) {
  return new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => done("");
    reader.readAsDataURL(file);
  });
}

async function saveSheet() {
  const button = byId("sheet-pdf");
  button.disabled = true;
  sheetSays(text("sheetMaking"));
  try {
    const file = sheetFile();
    const link = element("a", { href: URL.createObjectURL(await fetchSheet()), download: file });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    sheetSays(text("sheetSaved", { file }));
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    sheetSays(`${text(trouble.key, trouble.values)} ${trouble.detail}`);
  } finally {
    button.disabled = false;
  }
}

async function fetchSheet() {
  const asked = { language, text: sheet.text, ...(sheet.logo ? { logo: sheet.logo } : {}), date: today() };
  const response = await ask(`${serverAddress()}/sheet`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ picture: sheetResult().pictures[1], sheet: asked, ...orderOfRequest() }),
  });
  if ([404, 405].includes(response.status)) throw new Trouble("sheetNotHere");
  if (!response.ok) throw await refusal(response);
  return broken(response.blob());
}

// The day here, which need not be that of the server: "2026-11-27".
function today() {
  const now = new Date();
  return [now.getFullYear(), now.getMonth() + 1, now.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
}

// The same page as the server's, for the browser's own printing: of the result, else of the recipe as it is now.
function fillPrinted() {
  const words = SHEET_WORDS[language];
  const say = (key, values) => words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const figure = (value) => String(Number(value.toFixed(2))).replace(".", language === "ru" ? "," : ".");
  const drawn = printedRecipe();
  const day = today();
  const order = orderOnSheet(drawn.colors);
  const { granule_mm: granule, width_mm: width, height_mm: height } = drawn.scale;
  const size = { granule: figure(granule), width: figure(width), height: figure(height) };
  const long = barLength(width);
  const bar = element("span", { class: "printed-bar" });
  bar.style.width = `${(100 * long) / width}%`;
  byId("printed").classList.toggle("with-order", order.columns.length > 0);
  byId("printed").style.setProperty("--shape", width / height);
  byId("printed").replaceChildren(
    element("header", {},
      element("div", {}, element("h1", { text: words.title }), element("p", { text: language === "ru" ? day.split("-").reverse().join(".") : day })),
      ...(sheet.logo ? [element("img", { src: sheet.logo, alt: "" })] : [])),
    element("img", { class: "printed-picture", src: drawn.picture, alt: text("sheetPrinted") }),
    element("p", { class: "printed-scale" }, bar, element("span", { text: `${long} ${words.mm}` })),
    element("p", { class: "printed-soft", text: say("scale", size) }),
    element("p", { class: "printed-soft", text: say(drawn.layout, { angle: figure(drawn.angle) }) }),
    printedTable(drawn.colors, words, figure, order.columns),
    ...order.sentences.map((sentence) => element("p", { text: sentence })),
    element("p", { class: "printed-text", text: sheet.text }),
    ...(drawn.seed ? [element("p", { class: "printed-soft", text: say("seed", { seed: drawn.seed }) })] : []),
  );
}

// Millimetres of the scale bar: 1, 2 or 5 by a power of ten, at most 0.3 of what the picture shows.
function barLength(shown) {
  const power = 10 ** Math.floor(Math.log10(0.3 * shown));
  return Math.max(...[1, 2, 5].filter((step) => step * power <= 0.3 * shown)) * power;
}

function printedRecipe() {
  const result = sheetResult();
  const picture = result && result.pictures[1];
  if (!picture || !result.metrics.request) {
    const colors = state.colors.map((color) => ({ id: color.id, share: percent(color) }));
    const layout = layoutDrawn();
    return { picture: byId("live").toDataURL(), colors, angle: layingAngle(), layout, scale: scaleOf() };
  }
  const { colors, angle, overrides } = JSON.parse(result.metrics.request);
  const laid = angle % 180;
  const layout = overrides.layout || (laid === 0 ? "surface" : "brick");
  return {
    picture,
    colors: colors.map(({ name, hex, proportion }) => ({ id: name || hex, share: 100 * proportion })),
    angle: laid,
    layout,
    scale: scaleOfResult(result),
    seed: result.metrics.seed,
  };
}

function printedTable(colors, words, figure, columns) {
  const head = ["", words.code, words.english, words.russian, words.share, words.hex, ...columns.map(([title]) => title)];
  const rows = colors.map(({ id, share }, row) => {
    const own = BY_CODE.get(id);
    const none = (spoken) => (columns.length ? SHEET_WORDS[spoken].to_order : "–");
    const names = own ? [id, own.en, own.ru] : ["–", none("en"), none("ru")];
    const cells = [...names, `${figure(share)} %`, hexOf(id), ...columns.map(([, cells]) => cells[row])];
    return element("tr", {}, element("td", {}, swatch(id)), ...cells.map((words) => element("td", { text: words })));
  });
  return element("table", {}, element("thead", {}, element("tr", {}, ...head.map((words) => element("th", { scope: "col", text: words })))), element("tbody", {}, ...rows));
}
