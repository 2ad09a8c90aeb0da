// The palette to choose a colour from, by its look, its name or its code, and any other colour as hex.

// The row whose colour is being chosen; -1 for a new one.
let pickedRow = -1;

function openPicker(index) {
  pickedRow = index;
  byId("picker-title").textContent = index < 0 ? text("add") : text("pickTitle");
  byId("filter").value = "";
  byId("hex").value = index >= 0 && !BY_CODE.has(state.colors[index].id) ? state.colors[index].id : "";
  byId("hex-note").textContent = "";
  showPalette();
  wantSamples();
  byId("picker").showModal();
  // A finger would only get the keyboard of the screen in front of the colours.
  byId(matchMedia("(pointer: fine)").matches ? "filter" : "picker-title").focus();
}

function showPalette() {
  const typed = byId("filter").value.trim();
  const found = colorsNamed(typed);
  const alike = found.length ? { key: "", colors: [] } : similarColors(typed);
  const taken = new Set(state.colors.map((color) => color.id));
  byId("palette").replaceChildren(...(found.length ? found : alike.colors).map((color) => choice(color, taken.has(color.code))));
  // Whoever types in Russian is answered in Russian, and so in English.
  const spoken = /[а-яё]/i.test(typed) ? "ru" : /[a-z]/i.test(typed) ? "en" : language;
  byId("no-match").lang = spoken;
  byId("no-match").textContent = alike.key && text(alike.key, { value: typed }, spoken);
}

function choice(color, isTaken) {
  const other = language === "en" ? "ru" : "en";
  return element("li", {}, element(
    "button",
    { type: "button", class: "choice", disabled: isTaken, onclick: () => choose(color.code) },
    sampleSwatch(color.code),
    element("span", {},
      element("b", { text: color[language] }),
      element("small", { text: color[other], lang: other }),
      element("small", { class: "code-name", text: color.code })),
  ));
}

// Enter takes the colour whose name was typed, or the only one that was found.
function chooseByEnter(event) {
  if (event.key !== "Enter" || event.isComposing) return;
  event.preventDefault();
  const wanted = folded(byId("filter").value);
  const found = wanted ? colorsNamed(wanted) : [];
  const exact = found.filter((color) => namesOf(color).some((name) => folded(name) === wanted));
  const only = exact.length === 1 ? exact : found;
  if (only.length === 1) choose(only[0].code);
}

function choose(id) {
  if (state.colors.some((color, i) => color.id === id && i !== pickedRow)) {
    byId("hex-note").textContent = text("taken", { color: colorName(id) });
    return;
  }
  const index = pickedRow < 0 ? state.colors.length : pickedRow;
  state.colors = pickedRow < 0
    ? withColor(state.colors, id)
    : state.colors.map((color, i) => (i === pickedRow ? { ...color, id } : color));
  byId("picker").close();
  showRows();
  if (pickedRow < 0) say(text("added", { color: colorName(id) }));
  byId("rows").children[index].querySelector(".swatch").focus();
  changed();
}

function chooseHex() {
  const id = idOfName(byId("hex").value);
  byId("hex").setAttribute("aria-invalid", String(id === null));
  if (id === null) {
    byId("hex-note").textContent = text("badHex", { value: byId("hex").value });
    byId("hex").focus();
  } else {
    choose(id);
  }
}
