// The order: what is typed, and kilograms and bags of every colour at once. What is typed stays as it is.

const ORDER_FIELDS = ["area", "thickness", "waste", "binder"];

function buildOrder() {
  byId("order-thickness").value = String(ORDER.thickness);
  byId("order-waste").value = String(ORDER.waste);
  byId("order-binder").value = String(ORDER.binder);
  for (const name of ORDER_FIELDS) {
    const field = byId(`order-${name}`);
    field.addEventListener("input", () => showOrder());
    field.addEventListener("change", () => afterPress(() => showOrder(true)));
  }
  byId("copy-order").addEventListener("click", copyOrder);
}

// What a field means: its number, or what is wrong with it, null where it is empty.
function readOrderField(name) {
  const words = byId(`order-${name}`).value.trim();
  const [least, most] = ORDER.ranges[name];
  const isIn = (value) => value >= least && value <= most;
  const field = text(`order_${name}`);
  if (!words) return { wrong: null };
  // A comma before three digits may also part thousands.
  const parts = /^([1-9]\d{0,2}),(\d{3})$/.exec(words);
  if (parts) {
    const [one, other] = [Number(`${parts[1]}.${parts[2]}`), Number(parts[1] + parts[2])];
    if (isIn(one) && isIn(other)) return { wrong: text("orderTwo", { field, value: words, one: plainFigure(one), other: plainFigure(other) }) };
    if (isIn(other)) return { value: other };
  }
  const value = typedNumber(words);
  return isIn(value) ? { value } : { wrong: text("orderBad", { field, value: clipped(words), least: plainFigure(least), most: plainFigure(most) }) };
}

function plainFigure(value) {
  return inLanguage(String(value));
}

// What is ordered, null while a field is empty or wrong.
function orderAsked() {
  const read = ORDER_FIELDS.map((name) => [name, readOrderField(name)]);
  return read.every(([, found]) => "value" in found) ? Object.fromEntries(read.map(([name, { value }]) => [name, value])) : null;
}

// `says` what is wrong: not while a number is only half typed.
function showOrder(says = false) {
  const asked = orderAsked();
  const wrong = ORDER_FIELDS.map((name) => [name, readOrderField(name)]).filter(([, found]) => found.wrong);
  for (const name of ORDER_FIELDS) {
    if (!wrong.some(([bad]) => bad === name)) byId(`order-${name}`).removeAttribute("aria-invalid");
    else if (says) byId(`order-${name}`).setAttribute("aria-invalid", "true");
  }
  const words = wrong.length ? wrong.map(([, found]) => found.wrong).join(" ") : asked ? "" : text("orderEmpty");
  if (says || !wrong.length) byId("order-note").textContent = words;
  byId("order-note").classList.toggle("bad", says && wrong.length > 0);
  const order = asked && state.colors.some((color) => percent(color) > 0) ? orderOf(orderColors(), asked) : null;
  byId("ordered").hidden = !order;
  if (!order) return;
  byId("order-table").replaceChildren(orderTable(order));
  byId("order-words").textContent = orderSentences(order).join("\n");
  exportAs("save-order", "csv", "text/csv", orderCsv(order));
  byId("save-order").download = "plitka_order.csv";
}

function orderColors() {
  return state.colors.map((color) => ({ id: color.id, share: percent(color) }));
}

function orderTable(order) {
  const isPriced = order.lines.some((line) => line.price !== null);
  const words = SHEET_WORDS[language];
  const head = [text("orderColor"), text("orderShare"), text("orderMass"), words.kg, words.bags, ...(isPriced ? [priceTitle(order)] : [])];
  const cells = (values) => values.map((words) => element("td", { class: "figure", text: words }));
  const rows = order.lines.map((line) => {
    const named = element("span", { class: "named" }, swatch(line.id), element("span", { text: orderName(line.id) }));
    const price = isPriced ? [priceText(line.price)] : [];
    return element("tr", {}, element("th", { scope: "row" }, named),
      ...cells([percentText(100 * line.share, 2), percentText(100 * line.massShare, 2), kilograms(line.grams), bagsText(line), ...price]));
  });
  const all = element("tr", {}, element("th", { scope: "row", text: text("orderAll") }),
    ...cells(["", "", kilograms(order.grams), String(order.bags), ...(isPriced ? [priceText(order.price)] : [])]));
  return element("table", {},
    element("thead", {}, element("tr", {}, ...head.map((words, i) => element("th", { scope: "col", class: i ? "figure" : null, text: words })))),
    element("tbody", {}, ...rows, all));
}

function orderName(id) {
  return BY_CODE.has(id) ? colorName(id) : `${text("orderToMake")} ${id}`;
}

function bagsText(line) {
  return `${line.bags} × ${plainFigure(line.goods.bag)} ${SHEET_WORDS[language].kg}`;
}

function priceTitle(order) {
  const { currency } = order.lines.find((line) => line.price !== null).goods;
  return [SHEET_WORDS[language].price, currency].filter(Boolean).join(", ");
}

function priceText(price) {
  return price === null ? "–" : inLanguage(price.toFixed(2));
}

// Kilograms to the gram.
function kilograms(grams) {
  return inLanguage((grams / 1000).toFixed(3));
}

// A number as text with a point, with the decimal mark of the language.
function inLanguage(words) {
  return language === "ru" ? words.replace(".", ",") : words;
}

// The sentences of the sheet.
function orderSentences(order) {
  const words = SHEET_WORDS[language];
  const say = (key, values) => words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const values = {
    area_m2: plainFigure(order.area), thickness_mm: plainFigure(order.thickness), waste_percent: plainFigure(order.waste),
    binder_percent: plainFigure(order.binder), kg: kilograms(order.grams), bags: order.bags, binder_kg: kilograms(order.binderGrams),
    price: priceText(order.price), currency: order.lines[0].goods.currency,
  };
  return [say("order", values), say("order_kg", values), ...(order.price === null ? [] : [say("order_price", values).trim()])];
}

function orderText(order) {
  const lines = order.lines.map((line) => `${orderName(line.id)} ${percentText(100 * line.share, 2)}: ${kilograms(line.grams)} ${SHEET_WORDS[language].kg}, ${bagsText(line)}`);
  const [head, ...rest] = orderSentences(order);
  return [head, ...lines, ...rest].join("\n");
}

async function copyOrder() {
  const words = orderText(orderOf(orderColors(), orderAsked()));
  try {
    await navigator.clipboard.writeText(words);
    say(text("copied"));
    byId("order-note").textContent = text("copied");
  } catch {
    byId("order-words").textContent = words;
    getSelection().selectAllChildren(byId("order-words"));
    say(text("notCopied"));
    byId("order-note").textContent = text("notCopied");
  }
}

// The columns of `plitka order`; in Russian as a Russian spreadsheet opens them.
function orderCsv(order) {
  const rows = order.lines.map((line) => {
    const own = BY_CODE.get(line.id);
    return [
      own ? ORDER.kinds[0] : ORDER.kinds[1], line.id, own ? own.en : "", own ? own.ru : "", hexOf(line.id), (100 * line.share).toFixed(4),
      (100 * line.massShare).toFixed(4), (line.grams / 1000).toFixed(3), String(line.bags), String(line.goods.bag),
      line.litres === null ? "" : line.litres.toFixed(1), line.price === null ? "" : line.price.toFixed(2),
    ];
  });
  const binder = ORDER.header.map((name, i) => (i === 0 ? ORDER.kinds[2] : name === "kg" ? (order.binderGrams / 1000).toFixed(3) : ""));
  const isText = (column) => column < 5;
  const written = [...rows, binder].map((row) => row.map((words, column) => (isText(column) ? words : inLanguage(words))));
  return `\ufeff${[ORDER.header, ...written].map((row) => row.join(language === "ru" ? ";" : ",")).join("\r\n")}\r\n`;
}

// What goes on a sheet: the columns beside those of the mix as [title, cells], and the sentences; of the colours of the
// sheet, { id, share in per cent }.
function orderOnSheet(colors) {
  const asked = orderAsked();
  if (!asked) return { columns: [], sentences: [] };
  const order = orderOf(colors, asked);
  const words = SHEET_WORDS[language];
  const columns = [[words.kg, order.lines.map((line) => kilograms(line.grams))], [words.bags, order.lines.map(bagsText)]];
  if (order.lines.some((line) => line.price !== null)) columns.push([priceTitle(order), order.lines.map((line) => priceText(line.price))]);
  return { columns, sentences: orderSentences(order) };
}

// The order in the words of a request, for the sheet that the server makes.
function orderOfRequest() {
  const asked = orderAsked();
  return asked ? { order: { area_m2: asked.area, thickness_mm: asked.thickness, waste_percent: asked.waste, binder_percent: asked.binder } } : {};
}
