// Laying angle, layout and quality, and the settings for developers.

const ANGLES = [0, 30, 45, 60, 90, 135];
const SNAP = 15;

function setAngle(angle) {
  state.angle = angle;
  showAngle();
  changed("angle");
  return true;
}

function showAngle() {
  const laid = layingAngle();
  const layout = layoutDrawn();
  byId("dial").setAttribute("aria-valuenow", laid);
  byId("dial").setAttribute("aria-valuetext", `${number(laid, Number.isInteger(laid) ? 0 : 1)}°`);
  byId("bond").setAttribute("transform", `rotate(${-laid})`);
  byId("bond").innerHTML = layout === "surface" ? "" : BONDS[layout];
  byId("hand").setAttribute("transform", `rotate(${-laid})`);
  if (typedNumber(byId("angle").value) !== state.angle) byId("angle").value = fieldText(state.angle);
  for (const chip of byId("angles").children) chip.setAttribute("aria-pressed", String(Number(chip.value) === laid));
  const key = layout !== "surface" ? "angleJoints" : laid === 0 ? "angleSurface" : "angleNone";
  byId("angle").removeAttribute("aria-invalid");
  sayAngle(text(key, { angle: number(laid, Number.isInteger(laid) ? 0 : 1) }));
}

function sayAngle(words, isBad = false) {
  byId("angle-note").classList.toggle("bad", isBad);
  byId("angle-note").textContent = words;
}

const lines = (list) => list.map((d) => `<path d="${d}"/>`).join("");
const ROWS = [-54, -36, -18, 0, 18, 36, 54];
const BONDS = {
  brick: lines(ROWS.flatMap((y, i) => [`M-80 ${y}h160`, ...[-72, -36, 0, 36, 72].map((x) => `M${x + (i % 2) * 18} ${y}v18`)])),
  grid: lines(ROWS.flatMap((at) => [`M-80 ${at}h160`, `M${at} -80v160`])),
  herringbone: tilesOnDial("herringbone"),
  hexagon: tilesOnDial("hexagon"),
  puzzle: tilesOnDial("puzzle"),
};

// The tiles of a layout, 36 units long, from one side of the dial to the other.
function tilesOnDial(layout) {
  const { outlines, lattice: [[p1, q1], [p2, q2]] } = bondOf(layout, usualTile(layout));
  const scale = 36 / Math.max(...outlines[0].map(([p]) => p));
  const steps = [-7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7];
  const shapes = outlines.map((outline) => outline.filter((_, i) => outline.length < 20 || i % 8 === 0));
  return lines(steps.flatMap((one) => steps.flatMap((two) => {
    const [x, y] = [one * p1 + two * p2, one * q1 + two * q2];
    if (Math.hypot(x, y) * scale > 110) return [];
    return shapes.map((shape) => `M${shape.map(([p, q]) => `${((p + x) * scale).toFixed(1)} ${(-(q + y) * scale).toFixed(1)}`).join("L")}z`);
  })));
}

function buildDial() {
  byId("ticks").innerHTML = lines(Array.from({ length: 24 }, (_, i) => {
    const turn = (i * Math.PI) / 12;
    const at = (radius) => `${(Math.cos(turn) * radius).toFixed(2)} ${(Math.sin(turn) * radius).toFixed(2)}`;
    return `M${at(52)}L${at(i % 3 ? 55 : 58)}`;
  }));
  const dial = byId("dial");
  const turnTo = (event) => {
    const box = dial.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2];
    const angle = (Math.round((Math.atan2(-y, x) * 180) / Math.PI) + 360) % 180;
    const near = Math.round(angle / SNAP) * SNAP;
    setAngle(Math.abs(angle - near) <= 2 ? near % 180 : angle);
  };
  dial.addEventListener("pointerdown", (event) => {
    dial.setPointerCapture(event.pointerId);
    dial.focus();
    turnTo(event);
  });
  dial.addEventListener("pointermove", (event) => { if (dial.hasPointerCapture(event.pointerId)) turnTo(event); });
  dial.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: SNAP, PageDown: -SNAP }[event.key];
    const target = { Home: 0, End: 179 }[event.key];
    if (step === undefined && target === undefined) return;
    event.preventDefault();
    setAngle(target ?? (layingAngle() + step + 180) % 180);
  });
  dial.addEventListener("pointerup", endOfEdit);
  listenToNumber(byId("angle"), setAngle, (words) => {
    showAngle();
    byId("angle").setAttribute("aria-invalid", "true");
    sayAngle(text("badAngle", { value: words, angle: fieldText(state.angle) }), true);
  });
  byId("angles").replaceChildren(...ANGLES.map((angle) => element("button", {
    type: "button", class: "chip", value: angle, text: `${angle}°`, onclick: () => { endOfEdit(); setAngle(angle); },
  })));
}

// A group of radio buttons that looks like one divided button.
function segments(holder, name, values, chosen, label, onchange) {
  holder.replaceChildren(...values.map((value) => {
    const radio = element("input", { type: "radio", name, value, onchange: () => onchange(value) });
    radio.checked = value === chosen;
    return element("label", {}, radio, element("span", { text: label(value) }));
  }));
}

function showQualities() {
  // One that a recipe was kept with may not be drawn here, and the server says so.
  const names = LIMITS.profiles.map(({ name }) => name).filter((name) => isOffered(name) || name === state.quality);
  segments(byId("qualities"), "quality", names, state.quality, text, (quality) => {
    state.quality = quality;
    showQualityNote();
    changed();
  });
  showQualityNote();
}

function showQualityNote() {
  const profile = LIMITS.profiles.find(({ name }) => name === state.quality);
  byId("quality-note").textContent = text(profile.sdxl ? "qualityNote" : "fastNote", profile);
}

function setSeed(typed) {
  const seed = typed.trim();
  const isTaken = isSeed(seed);
  if (isTaken) state.seed = BigInt(seed).toString();
  showSeed();
  byId("seed-note").classList.toggle("bad", !isTaken);
  byId("seed-note").textContent = isTaken ? "" : text("badSeed", { value: typed, most: LIMITS.seed, seed: state.seed });
  changed();
}

function showSeed() {
  byId("random").checked = state.random;
  byId("seed").value = state.seed;
  byId("seed").disabled = state.random;
  byId("new-seed").disabled = state.random;
}

function buildSeed() {
  byId("random").addEventListener("change", ({ target }) => {
    state.random = target.checked;
    showSeed();
    changed();
  });
  byId("seed").addEventListener("change", ({ target }) => afterPress(() => setSeed(target.value)));
  byId("new-seed").addEventListener("click", () => setSeed(String(crypto.getRandomValues(new Uint32Array(1))[0])));
}

function showMore() {
  options(byId("layout"), [["", text("automatic")], ...LIMITS.layouts.map((name) => [name, text(name)])], state.layout);
  const choices = [["", text("automatic")], ["off", text("controlnetOff")], ["on", text("controlnetOn")]];
  options(byId("controlnet"), choices, state.controlnet);
  showControlnets();
  showAdapters();
  const guidance = state.guidance ?? LIMITS.guidance;
  byId("own-guidance").checked = state.guidance !== null;
  byId("guidance").disabled = state.guidance === null;
  byId("guidance").value = guidance;
  byId("guidance-value").textContent = number(guidance, 2);
  showPrompt();
  options(byId("color-lock"), LIMITS.locks.map((name) => [name, text(`lock_${name}`)]), state.colorLock);
  showLockNote();
}

// The operator's adapters, where there are any; one that a recipe was kept with may be gone, and the server says so.
function showAdapters() {
  const names = state.adapter && !ADAPTERS.includes(state.adapter) ? [...ADAPTERS, state.adapter] : ADAPTERS;
  byId("adapter-field").hidden = names.length === 0;
  options(byId("adapter"), [["", text("adapterOwn")], ...names.map((name) => [name, name])], state.adapter);
}

function showLockNote() {
  const isRefused = locksWithoutPlan();
  byId("color-lock").setAttribute("aria-invalid", String(isRefused));
  byId("color-lock-note").classList.toggle("bad", isRefused);
  byId("color-lock-note").textContent = text(isRefused ? "lockRefused" : `lockNote_${state.colorLock}`);
}

function options(select, choices, chosen) {
  select.replaceChildren(...choices.map(([value, label]) => element("option", { value, text: label })));
  select.value = chosen;
}

function buildMore() {
  byId("layout").addEventListener("change", ({ target }) => { state.layout = target.value; showAngle(); changed(); });
  byId("adapter").addEventListener("change", ({ target }) => { state.adapter = target.value; changed(); });
  byId("controlnet").addEventListener("change", ({ target }) => { state.controlnet = target.value; showControlnetNotes(); changed(); });
  buildControlnets();
  buildPrompt();
  byId("color-lock").addEventListener("change", ({ target }) => { state.colorLock = target.value; showLockNote(); changed(); });
  const guide = () => {
    state.guidance = byId("own-guidance").checked ? Number(byId("guidance").value) : null;
    showMore();
    changed();
  };
  byId("own-guidance").addEventListener("change", guide);
  byId("guidance").addEventListener("input", guide);
}
