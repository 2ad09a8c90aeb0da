// The colours of the mix: a row for each, the bar above them, and what their sum is short of.

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

// The same with granules as they look, once there are samples of them.
function sampleSwatch(id, tag = "span") {
  const made = swatch(id, tag);
  if (!BY_CODE.has(id)) return made;
  made.dataset.sample = id;
  showSample(made);
  return made;
}

// The parts of a bar, each as wide as a colour's share.
function barParts(colors) {
  return colors.map((color) => {
    const part = swatch(color.id);
    part.className = "";
    part.style.flexGrow = color.units;
    return part;
  });
}

function mixText(colors = state.colors) {
  return colors.map((color) => `${percentText(percent(color))} ${colorName(color.id)}`).join(", ");
}

// The colours as they were when a slider was taken hold of: moving it there and back changes nothing.
let heldColors = null;

function setShare(index, units) {
  const base = heldColors || state.colors;
  state.colors = moved(state.colors, rebalanced(base, index, units));
  showShares();
  changed(`slider ${index}`);
}

// Per cent. Beyond that a share is no slip but no share at all.
const MOST_TYPED = 1e6;

// A number that was typed is taken as it is; the sum may then be another than 100 %.
function typeShare(index, share) {
  if (share < 0 || share > MOST_TYPED) return false;
  state.colors = withTyped(state.colors, index, share);
  showShares();
  changed(`share ${index}`);
  return true;
}

function refuseShare(index, words) {
  const row = byId("rows").children[index];
  if (!row) return;
  const field = row.querySelector(".amount input");
  field.value = fieldText(percent(state.colors[index]));
  row.querySelector(".row-note").textContent = text("badShare", { value: words, share: percentText(percent(state.colors[index])) });
  field.setAttribute("aria-invalid", "true");
}

function showRows() {
  byId("rows").replaceChildren(...state.colors.map(row));
  byId("add").disabled = state.colors.length >= LIMITS.colors;
  byId("even").disabled = state.colors.length < 2;
  showShares();
}

function row(color, index) {
  const name = colorName(color.id);
  const pick = sampleSwatch(color.id, "button");
  pick.type = "button";
  pick.setAttribute("aria-label", text("change", { color: name }));
  pick.addEventListener("click", () => openPicker(index));
  const slider = element("input", { type: "range", min: LEAST, max: WHOLE, step: 1, "aria-label": text("share", { color: name }) });
  slider.addEventListener("input", () => {
    heldColors = heldColors || state.colors;
    setShare(index, Number(slider.value));
  });
  slider.addEventListener("change", () => { heldColors = null; endOfEdit(); showShares(); });
  slider.addEventListener("keydown", (event) => stepByWholePercent(event, index));
  const typed = element("input", {
    type: "text", inputmode: "decimal", autocomplete: "off", maxlength: 24, "aria-label": text("shareTyped", { color: name }),
    "aria-describedby": `row-note-${index}`,
  });
  listenToNumber(typed, (share) => typeShare(index, share), (words) => refuseShare(index, words));
  const lock = element("button", {
    type: "button", class: "icon lock", "aria-pressed": String(color.locked), "aria-label": text("lock", { color: name }), title: text("lock", { color: name }),
    onclick: () => {
      state.colors = state.colors.map((one, i) => (i === index ? { ...one, locked: !one.locked } : one));
      showRows();
      changed();
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
    element("p", { class: "note bad row-note", id: `row-note-${index}`, role: "status" }),
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
  endOfEdit();
  setShare(index, (step > 0 ? Math.floor(before / 10) : Math.ceil(before / 10)) * 10 + step);
}

// Every row's figures as the state has them, and why a slider cannot move.
function showShares() {
  const rows = [...byId("rows").children];
  const isAlone = state.colors.length === 1;
  state.colors.forEach((color, index) => {
    const [slider, typed] = rows[index].querySelectorAll("input");
    slider.disabled = color.locked || state.colors.every((other, i) => i === index || other.locked);
    typed.disabled = isAlone;
    slider.value = color.units;
    slider.setAttribute("aria-valuetext", percentText(percent(color)));
    if (typedNumber(typed.value) !== percent(color)) typed.value = fieldText(percent(color));
    typed.removeAttribute("aria-invalid");
    rows[index].querySelector(".row-note").textContent = "";
  });
  byId("mix-bar").replaceChildren(...barParts(state.colors));
  const stuck = !isAlone && state.colors.filter((color) => !color.locked).length <= 1;
  const notes = [
    [isAlone, "onlyOne"], [stuck, "allLocked"], [state.colors.length >= LIMITS.colors, "full"],
  ];
  const [, key] = notes.find(([holds]) => holds) || [];
  byId("mix-note").textContent = key ? text(key, { most: LIMITS.colors }) : "";
  showBalance();
}

// The sum, and what can be done about one that is not 100 %.
function showBalance() {
  const missing = missingUnits(state.colors);
  byId("sum").textContent = percentText(sum(state.colors.map((color) => color.units)) / 10);
  const words = missing ? text(missing > 0 ? "left" : "tooMuch", { share: percentText(Math.abs(missing) / 10) }) : "";
  if (byId("missing").textContent !== words) byId("missing").textContent = words;
  byId("balance").classList.toggle("off", missing === 0);
  const takers = state.colors.map((color, i) => [i, color]).filter(([, color]) => color.units + missing >= 0);
  byId("give").disabled = !takers.length || !missing;
  byId("normalise").disabled = !missing;
  const head = text(missing < 0 ? "takeFrom" : "giveTo");
  byId("give").setAttribute("aria-label", head);
  options(byId("give"), [["", head], ...takers.map(([i, color]) => [String(i), colorName(color.id)])], "");
}

function giveRest(index) {
  const missing = missingUnits(state.colors);
  const units = state.colors.map((color, i) => (i === index ? rounded(color.units + missing) : color.units));
  state.colors = moved(state.colors, units);
  showShares();
  changed();
}

function removeColor(index) {
  const name = colorName(state.colors[index].id);
  state.colors = withoutColor(state.colors, index);
  showRows();
  byId("mix-note").textContent = text(missingUnits(state.colors) ? "removedAlone" : "removed", { color: name });
  byId("rows").children[Math.min(index, state.colors.length - 1)].querySelector(".swatch").focus();
  changed();
}
