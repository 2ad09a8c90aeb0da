// Several ControlNets, each with its strength and the part of the steps in which it guides; and that part for a single one.

// None of a list is the server's own choice of one; null is what the server takes where nothing is said.
const CONTROLNET_FIELDS = { controlnets: [], controlnetStart: null, controlnetEnd: null };
const CONTROLNET_NUMBERS = { scale: LIMITS.controlnetScale, start: [0, 1], end: [0, 1] };

// In a link "canny:0.6:0:0.5,depth": kind, strength, start, end; what is left out is the server's own.
function controlnetsInText(entries) {
  return entries.map(({ kind, ...numbers }) => {
    const parts = [kind, ...Object.keys(CONTROLNET_NUMBERS).map((name) => numbers[name] ?? "")];
    return parts.join(":").replace(/:+$/, "");
  }).join(",");
}

// The same as a text of a link, or as JSON of a request; undefined for what the server would not take.
function controlnetsOfText(given) {
  const entries = given.startsWith("[") ? listedInJson(given) : given.split(",").map((part) => {
    const [kind, ...numbers] = part.trim().split(":");
    const names = Object.keys(CONTROLNET_NUMBERS);
    return numbers.length > names.length ? null : Object.fromEntries([["kind", kind], ...names.map((name, i) => [name, numbers[i] || null])]);
  });
  if (!entries || !entries.length || entries.length > LIMITS.controlnets) return undefined;
  const read = entries.map(controlnetOf);
  const isRight = read.every(Boolean) && !controlnetProblems({ ...CONTROLNET_FIELDS, controlnet: "", controlnets: read }).length;
  return isRight ? read : undefined;
}

function listedInJson(given) {
  try { return JSON.parse(given); } catch { return null; }
}

function controlnetOf(entry) {
  if (!isRecord(entry) || Object.keys(entry).some((name) => name !== "kind" && !Object.hasOwn(CONTROLNET_NUMBERS, name))) return null;
  const kind = String(entry.kind).trim().toLowerCase();
  if (!LIMITS.controlKinds.includes(kind)) return null;
  const read = { kind, scale: null, start: null, end: null };
  for (const [name, range] of Object.entries(CONTROLNET_NUMBERS)) {
    if (entry[name] === null || entry[name] === undefined) continue;
    read[name] = typedNumber(String(entry[name]));
    if (!isWithin(read[name], range)) return null;
  }
  return read;
}

const partOfSteps = (into) => ({
  read: (given) => { const part = typedNumber(given); return isWithin(part, [0, 1]) ? part : undefined; },
  allowed: () => text("allowedPart"), into,
});

const CONTROLNET_SETTINGS = {
  controlnets: { read: controlnetsOfText, allowed: () => text("allowedControlnets", { most: LIMITS.controlnets, kinds: LIMITS.controlKinds.join(", ") }), into: (controlnets) => ({ controlnets }) },
  controlnet_start: partOfSteps((controlnetStart) => ({ controlnetStart })),
  controlnet_end: partOfSteps((controlnetEnd) => ({ controlnetEnd })),
};

function controlnetTexts({ controlnets = [], controlnetStart = null, controlnetEnd = null }) {
  return { controlnets: controlnetsInText(controlnets), controlnet_start: String(controlnetStart ?? ""), controlnet_end: String(controlnetEnd ?? "") };
}

function controlnetRequest({ controlnets = [], controlnetStart = null, controlnetEnd = null }) {
  const names = ["kind", ...Object.keys(CONTROLNET_NUMBERS)];
  const entries = controlnets.map((entry) => names.map((name) => [name, entry[name] ?? null]).filter(([, value]) => value !== null));
  const single = [["controlnet_start", controlnetStart], ["controlnet_end", controlnetEnd]].filter(([, value]) => value !== null);
  return [...(entries.length ? [["controlnets", entries]] : []), ...single];
}

// What the server would refuse, as [row or "single", field, key of TEXT, values].
function controlnetProblems({ controlnet, controlnets, controlnetStart, controlnetEnd }) {
  const found = [];
  const check = (row, start, end) => {
    if (start === 1) found.push([row, "start", "startAtEnd", {}]);
    if (end !== null && end <= (start ?? 0)) found.push([row, "end", "endBeforeStart", { end, start: start ?? 0 }]);
  };
  controlnets.forEach(({ kind, start, end }, row) => {
    if (controlnets.findIndex((one) => one.kind === kind) < row) found.push([row, "kind", "kindTwice", { kind }]);
    check(row, start, end);
  });
  check("single", controlnetStart, controlnetEnd);
  if (controlnets.length && controlnet) found.push(["single", "use", "besideList", { name: text("controlnet") }]);
  if (controlnets.length && controlnetStart !== null) found.push(["single", "start", "besideList", { name: text("controlnetStart") }]);
  if (controlnets.length && controlnetEnd !== null) found.push(["single", "end", "besideList", { name: text("controlnetEnd") }]);
  return found;
}

const freeKinds = (kind) => CONTROLNETS.filter((one) => one === kind || !state.controlnets.some((other) => other.kind === one));

// Rows are made anew where there are more, fewer or other ones, and never while a number is typed.
function showControlnets() {
  byId("controlnets-field").hidden = !CONTROLNETS.length && !state.controlnets.length;
  byId("controlnet-window").hidden = !CONTROLNETS.length && state.controlnetStart === null && state.controlnetEnd === null;
  byId("controlnet-rows").replaceChildren(...state.controlnets.map(controlnetRow));
  byId("add-controlnet").disabled = state.controlnets.length >= LIMITS.controlnets || !freeKinds("").length;
  for (const name of ["Start", "End"]) fillNumber(byId(`controlnet-${name.toLowerCase()}`), state[`controlnet${name}`]);
  showControlnetNotes();
}

function fillNumber(field, value) {
  if (value === null ? field.value.trim() : typedNumber(field.value) !== value) field.value = value === null ? "" : fieldText(value);
}

function controlnetRow(entry, row) {
  // One that a recipe was kept with may not be there, and the server says so.
  const kinds = freeKinds(entry.kind);
  const select = element("select", { id: `controlnet-kind-${row}`, onchange: ({ target }) => {
    changeControlnet(row, { kind: target.value });
    showControlnets();
    byId(`controlnet-kind-${row}`).focus();
  } });
  options(select, (kinds.includes(entry.kind) ? kinds : [entry.kind, ...kinds]).map((kind) => [kind, kind]), entry.kind);
  const labelled = (key, field) => element("label", { class: "field" }, element("span", { text: text(key) }), field);
  return element("div", { class: "controlnet", role: "group", "aria-label": text("controlnetRow", { number: row + 1 }) },
    labelled("controlnetKind", select),
    ...Object.keys(CONTROLNET_NUMBERS).map((name) => labelled(`controlnet_${name}`, controlnetNumber(entry[name], `controlnet-${name}-${row}`, name,
      (value) => changeControlnet(row, { [name]: value })))),
    element("button", { type: "button", class: "icon", id: `remove-controlnet-${row}`, text: "×", "aria-label": text("removeControlnet", { kind: entry.kind }), onclick: () => removeControlnet(row) }));
}

// A field that may be empty; what it may not say stays in it, beside a note, and is no part of the recipe.
function controlnetNumber(value, id, name, take) {
  const field = element("input", { id, type: "text", inputmode: "decimal", autocomplete: "off", placeholder: name === "scale" ? text("automatic") : name === "start" ? "0" : "1", "aria-describedby": "controlnets-note" });
  fillNumber(field, value);
  listenToControlnet(field, name, take);
  return field;
}

function listenToControlnet(field, name, take) {
  field.addEventListener("input", () => {
    const typed = typedNumber(field.value);
    const isTaken = !field.value.trim() || isWithin(typed, CONTROLNET_NUMBERS[name]);
    field.dataset.bad = isTaken ? "" : name;
    if (isTaken) take(field.value.trim() ? typed : null);
    showControlnetNotes();
  });
  field.addEventListener("change", endOfEdit);
}

function changeControlnet(row, what) {
  state.controlnets = state.controlnets.map((entry, i) => (i === row ? { ...entry, ...what } : entry));
  changed("controlnets");
}

function addControlnet() {
  endOfEdit();
  state.controlnets = [...state.controlnets, { kind: freeKinds("")[0], scale: null, start: null, end: null }];
  showControlnets();
  changed();
  byId(`controlnet-kind-${state.controlnets.length - 1}`).focus();
}

function removeControlnet(row) {
  endOfEdit();
  state.controlnets = state.controlnets.filter((_, i) => i !== row);
  showControlnets();
  changed();
  (byId(`remove-controlnet-${Math.min(row, state.controlnets.length - 1)}`) || byId("add-controlnet")).focus();
}

// Every refusal beside the controls, and the fields that it is about marked.
function showControlnetNotes() {
  const fields = [...document.querySelectorAll("#controlnets-field :is(input, select), #controlnet-window input, #controlnet")];
  const problems = controlnetProblems(state);
  const at = ([row, field]) => (row === "single" ? (field === "use" ? "controlnet" : `controlnet-${field}`) : `controlnet-${field}-${row}`);
  const marked = new Set(problems.map(at));
  const unread = fields.filter((field) => field.dataset.bad && field.isConnected);
  for (const field of fields) {
    if (marked.has(field.id) || unread.includes(field)) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
  const said = [
    ...unread.map((field) => text("badPart", { value: clipped(field.value), least: CONTROLNET_NUMBERS[field.dataset.bad][0], most: CONTROLNET_NUMBERS[field.dataset.bad][1] })),
    ...problems.map(([, , key, values]) => text(key, values)),
  ];
  byId("controlnets-note").classList.toggle("bad", said.length > 0);
  byId("controlnets-note").textContent = said.join(" ") || (state.controlnets.length ? text("controlnetsNote") : "");
}

function buildControlnets() {
  byId("add-controlnet").addEventListener("click", addControlnet);
  for (const name of ["Start", "End"]) {
    listenToControlnet(byId(`controlnet-${name.toLowerCase()}`), name.toLowerCase(), (value) => {
      state[`controlnet${name}`] = value;
      changed("controlnetWindow");
    });
  }
}
