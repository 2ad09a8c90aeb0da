// The colours of the mix: a row for each, the bar above them, and the palette to choose from.

const byId = (id) => document.getElementById(id);

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "text") made.textContent = value;
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

function swatch(id, tag = "span") {
  const made = element(tag, { class: "swatch", "aria-hidden": tag === "span" ? "true" : null });
  made.style.backgroundColor = hexOf(id);
  return made;
}

function mixText() {
  return state.colors.map((color) => `${percentText(percent(color))} ${colorName(color.id)}`).join(", ");
}

// The colours as they were when a slider was taken hold of: moving it there and back changes nothing.
let heldColors = null;

function setShare(index, units) {
  const base = heldColors || state.colors;
  state.colors = withUnits(state.colors, rebalanced(base, index, units));
  showShares();
  changed();
}

// What was typed could not be taken as it is.
function sayLimits(index) {
  byId("mix-note").textContent = text("shareLimits", {
    color: colorName(state.colors[index].id),
    share: percentText(percent(state.colors[index])),
    least: percentText(LEAST / 10),
    most: percentText(mostUnits(state.colors, index) / 10),
  });
}

function showRows() {
  byId("rows").replaceChildren(...state.colors.map(row));
  byId("add").disabled = state.colors.length >= LIMITS.colors;
  byId("even").disabled = state.colors.length < 2;
  showShares();
}

function row(color, index) {
  const name = colorName(color.id);
  const pick = swatch(color.id, "button");
  pick.type = "button";
  pick.setAttribute("aria-label", text("change", { color: name }));
  pick.addEventListener("click", () => openPicker(index));
  const slider = element("input", { type: "range", min: LEAST, max: WHOLE, step: 1, "aria-label": text("share", { color: name }) });
  slider.addEventListener("input", () => {
    heldColors = heldColors || state.colors;
    setShare(index, Number(slider.value));
  });
  slider.addEventListener("change", () => { heldColors = null; showShares(); });
  slider.addEventListener("keydown", (event) => stepByWholePercent(event, index));
  const typed = element("input", {
    type: "number", min: LEAST / 10, max: 100, step: "any", inputmode: "decimal", "aria-label": text("shareTyped", { color: name }),
  });
  typed.addEventListener("change", () => {
    const share = typed.valueAsNumber;
    if (Number.isFinite(share)) setShare(index, share * 10);
    showShares();
    if (share !== percent(state.colors[index])) sayLimits(index);
  });
  const lock = element("button", {
    type: "button", class: "icon lock", "aria-pressed": String(color.locked), "aria-label": text("lock", { color: name }), title: text("lock", { color: name }),
    onclick: () => {
      state.colors[index].locked = !state.colors[index].locked;
      showRows();
      byId("rows").children[index].querySelector(".lock").focus();
    },
  });
  lock.innerHTML = color.locked ? ICONS.locked : ICONS.unlocked;
  const remove = element("button", {
    type: "button", class: "icon remove", "aria-label": text("remove", { color: name }), title: text("remove", { color: name }),
    disabled: state.colors.length === 1, onclick: () => removeColor(index),
  });
  remove.innerHTML = ICONS.remove;
  const code = BY_CODE.has(color.id) ? color.id : "hex";
  return element(
    "li",
    { class: "row" },
    pick,
    element("span", { class: "name" }, element("b", { text: name }), element("small", { text: code })),
    slider,
    element("span", { class: "amount" }, typed, element("span", { text: "%", "aria-hidden": "true" })),
    lock,
    remove,
  );
}

const ICONS = {
  locked: '<svg viewBox="0 0 20 20" aria-hidden="true"><rect x="4" y="9" width="12" height="8" rx="2" fill="currentColor"/><path d="M6.5 9V6.5a3.5 3.5 0 0 1 7 0V9" fill="none" stroke="currentColor" stroke-width="2"/></svg>',
  unlocked: '<svg viewBox="0 0 20 20" aria-hidden="true"><rect x="4" y="9" width="12" height="8" rx="2" fill="none" stroke="currentColor" stroke-width="1.6"/><path d="M6.5 9V6.5a3.5 3.5 0 0 1 6.6-1.6" fill="none" stroke="currentColor" stroke-width="1.6"/></svg>',
  remove: '<svg viewBox="0 0 20 20" aria-hidden="true"><path d="M5 5l10 10M15 5L5 15" stroke="currentColor" stroke-width="1.8" stroke-linecap="round"/></svg>',
};

// Keys move a slider by whole per cents; a finger or a mouse by tenths.
function stepByWholePercent(event, index) {
  const step = { ArrowRight: 10, ArrowUp: 10, ArrowLeft: -10, ArrowDown: -10, PageUp: 100, PageDown: -100 }[event.key];
  if (!step) return;
  event.preventDefault();
  const before = state.colors[index].units;
  setShare(index, (step > 0 ? Math.floor(before / 10) : Math.ceil(before / 10)) * 10 + step);
}

// Every row's figures as the state has them, and why a share cannot move.
function showShares() {
  const rows = [...byId("rows").children];
  state.colors.forEach((color, index) => {
    const [slider, typed] = rows[index].querySelectorAll("input");
    const isStuck = color.locked || state.colors.every((other, i) => i === index || other.locked);
    for (const input of [slider, typed]) input.disabled = isStuck;
    slider.value = color.units;
    slider.setAttribute("aria-valuetext", percentText(percent(color)));
    if (typed.valueAsNumber !== percent(color)) typed.value = percent(color);
  });
  byId("sum").textContent = percentText(sum(state.colors.map((color) => color.units)) / 10);
  byId("mix-bar").replaceChildren(...state.colors.map((color) => {
    const part = swatch(color.id);
    part.className = "";
    part.style.flexGrow = color.units;
    return part;
  }));
  const stuck = state.colors.length > 1 && state.colors.filter((color) => !color.locked).length === 1;
  const notes = [
    [state.colors.length === 1, "onlyOne"], [stuck, "allLocked"], [state.colors.length >= LIMITS.colors, "full"],
  ];
  const [, key] = notes.find(([holds]) => holds) || [];
  byId("mix-note").textContent = key ? text(key, { most: LIMITS.colors }) : "";
}

function removeColor(index) {
  const name = colorName(state.colors[index].id);
  state.colors = withoutColor(state.colors, index);
  showRows();
  byId("mix-note").textContent = text("removed", { color: name });
  byId("rows").children[Math.min(index, state.colors.length - 1)].querySelector(".swatch").focus();
  changed();
}

// The row whose colour is being chosen; -1 for a new one.
let pickedRow = -1;

function openPicker(index) {
  pickedRow = index;
  byId("picker-title").textContent = index < 0 ? text("add") : text("pickTitle");
  byId("filter").value = "";
  byId("hex").value = index >= 0 && !BY_CODE.has(state.colors[index].id) ? state.colors[index].id : "";
  byId("hex-note").textContent = "";
  showPalette();
  byId("picker").showModal();
  // A finger would only get the keyboard of the screen in front of the colours.
  byId(matchMedia("(pointer: fine)").matches ? "filter" : "picker-title").focus();
}

function showPalette() {
  const fold = (name) => name.toLowerCase().replaceAll("ё", "е").replace(/[\s_-]/g, "");
  const wanted = fold(byId("filter").value);
  const taken = new Set(state.colors.map((color) => color.id));
  const shown = PALETTE.filter((color) => [color.code, color.en, color.ru, ...color.aliases].some((name) => fold(name).includes(wanted)));
  byId("palette").replaceChildren(...shown.map((color) => element("li", {}, element(
    "button",
    { type: "button", class: "choice", disabled: taken.has(color.code), onclick: () => choose(color.code) },
    swatch(color.code),
    element("span", {},
      element("b", { text: color[language] }),
      element("small", { text: color[language === "en" ? "ru" : "en"], lang: language === "en" ? "ru" : "en" }),
      element("small", { class: "code-name", text: color.code })),
  ))));
  byId("no-match").textContent = shown.length ? "" : text("noMatch");
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
  const id = colorId(byId("hex").value);
  byId("hex").setAttribute("aria-invalid", String(id === null));
  if (id === null) {
    byId("hex-note").textContent = text("badHex", { value: byId("hex").value });
    byId("hex").focus();
  } else {
    choose(id);
  }
}
