// What hangs together: every change draws the live picture and writes the code again; the language changes everything.

const EXAMPLES = [
  { en: "Black and white, 60 to 40", ru: "Чёрный и белый, 60 на 40", colors: [["BLACK", 60], ["WHITE", 40]] },
  { en: "Terracotta bricks at 45°", ru: "Терракотовый кирпич под 45°", colors: [["TERCOT", 70], ["BEIGE", 20], ["BLACK", 10]], angle: 45 },
  { en: "Playground green, square grid", ru: "Зелёная площадка, сетка", colors: [["DKGREEN", 50], ["LTGREEN", 30], ["YELLOW", 20]], layout: "grid" },
  { en: "Sea: four blues", ru: "Море: четыре синих", colors: [["BLUE", 35], ["SKYBLUE", 30], ["TURQSE", 20], ["PEARL", 15]], angle: 30 },
  { en: "One per cent of yellow", ru: "Один процент жёлтого", colors: [["DKGRAY", 99], ["YELLOW", 1]] },
  { en: "One colour: emerald", ru: "Один цвет: изумрудный", colors: [["EMERALD", 100]] },
].filter((example) => example.colors.every(([code]) => BY_CODE.has(code)));
// Of a palette that has none of these colours.
if (!EXAMPLES.length) {
  const colors = PALETTE.slice(0, 2);
  const shares = colors.length === 1 ? [100] : [60, 40];
  const named = (spoken) => colors.map((color) => color[spoken]).join(", ");
  EXAMPLES.push({ en: named("en"), ru: named("ru"), colors: colors.map((color, i) => [color.code, shares[i]]) });
}

let target = "cog";
let form = "json";

// `edit` names the field that is being changed: all of its changes together are one step to undo.
function changed(edit = null) {
  byId("example").value = "";
  if (remember(edit)) recipeChanged();
  if (past.recipes.length > 1) keepInAddress();
  showSizeNotes();
  showVariantsNote();
  drawLive();
  showOrder();
  showCode();
}

function showCode() {
  let address = "";
  try { address = serverAddress(); } catch { /* the example's own address is shown */ }
  byId("code").textContent = snippet(form, target, address);
  byId("code-note").textContent = form === "json" ? text("note_json") : text(`note_${target}_${form}`, { model: REPLICATE_MODEL });
  for (const tab of byId("tabs").children) {
    const isChosen = tab.dataset.form === form;
    tab.setAttribute("aria-selected", String(isChosen));
    tab.tabIndex = isChosen ? 0 : -1;
    if (isChosen) byId("code-panel").setAttribute("aria-labelledby", tab.id);
  }
}

function buildTabs() {
  byId("tabs").replaceChildren(...FORMS.map((name, index) => element("button", {
    type: "button", role: "tab", id: `tab-${name}`, "data-form": name, "aria-controls": "code-panel",
    onclick: () => { form = name; showCode(); },
    onkeydown: (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      form = FORMS[(index + step + FORMS.length) % FORMS.length];
      showCode();
      byId(`tab-${form}`).focus();
    },
  })));
}

async function copyCode() {
  try {
    await navigator.clipboard.writeText(byId("code").textContent);
    say(text("copied"));
    byId("copy").textContent = text("copied");
    setTimeout(() => { byId("copy").textContent = text("copy"); }, 1500);
  } catch {
    getSelection().selectAllChildren(byId("code"));
    say(text("notCopied"));
    byId("code-note").textContent = text("notCopied");
  }
}

// The latest question to the server; answers to earlier ones come too late.
let checking = 0;

async function checkServer() {
  checking += 1;
  const mine = checking;
  const note = (key, values) => {
    if (mine === checking) afterPress(() => { byId("server-note").textContent = text(key, values); });
  };
  try {
    const address = serverAddress();
    note("checking");
    const status = await serverStatus(address);
    const key = { READY: "ready", STARTING: "starting", BUSY: "busyNow", UNKNOWN: "unknownServer" }[status] || "unhealthy";
    note(key, { status });
    if (status === "STARTING" && mine === checking) setTimeout(() => { if (mine === checking) checkServer(); }, 1500);
  } catch (trouble) {
    if (trouble instanceof Trouble) note(trouble.key, trouble.values);
    else note("unreachable", { address: byId("address").value });
  }
}

function speak(chosen) {
  setLanguage(chosen);
  options(byId("example"), [["", text("exampleNone")], ...EXAMPLES.map((example, i) => [String(i), example[language]])], "");
  segments(byId("targets"), "target", TARGETS, target, (name) => text(`target_${name}`), (name) => { target = name; showCode(); });
  for (const tab of byId("tabs").children) tab.textContent = text(`form_${tab.dataset.form}`);
  showEverything();
  if (shown && !byId("result").hidden) showResult();
  showStrip();
  sayRecipeError();
  stageShows(staged);
  if (run && !run.isOver) showProgress();
  sayOutcome();
  showPhoto();
  checkServer();
}

function showEverything() {
  showRows();
  showAngle();
  showQualities();
  showSeed();
  showMore();
  showSize();
  showVariantsField();
  changed();
}

// What only developers need is open or closed in all places at once, and stays so.
function buildDevelopers() {
  const places = [...document.querySelectorAll("details.developers")];
  let isOpen = false;
  try { isOpen = localStorage.getItem("plitka-developers") === "open"; } catch { /* closed then */ }
  for (const place of places) {
    place.open = isOpen;
    place.addEventListener("toggle", () => {
      for (const other of places) other.open = place.open;
      try { localStorage.setItem("plitka-developers", place.open ? "open" : ""); } catch { /* asked for again next time */ }
    });
  }
}

function start() {
  loadRequest(EXAMPLES[0]);
  if (location.protocol.startsWith("http")) byId("address").value = location.origin;
  buildDial();
  buildSeed();
  buildSize();
  buildVariants();
  buildMore();
  buildTabs();
  buildUndo();
  buildLink();
  buildSaved();
  buildCompare();
  buildDevelopers();
  buildSheet();
  buildOrder();
  buildPhoto();
  watchPresses();
  byId("example").addEventListener("change", ({ target: chosen }) => {
    if (!chosen.value) return;
    const number = chosen.value;
    loadRequest(EXAMPLES[Number(number)]);
    showEverything();
    chosen.value = number;
  });
  byId("add").addEventListener("click", () => openPicker(-1));
  byId("even").addEventListener("click", () => { state.colors = evenly(state.colors); showRows(); changed(); });
  byId("close-picker").addEventListener("click", () => byId("picker").close());
  byId("normalise").addEventListener("click", () => { state.colors = normalised(state.colors); showRows(); changed(); });
  byId("give").addEventListener("change", ({ target: chosen }) => { if (chosen.value) giveRest(Number(chosen.value)); });
  byId("turn").addEventListener("click", () => stageShows(staged === "live" ? "drawn" : "live"));
  byId("filter").addEventListener("input", showPalette);
  byId("filter").addEventListener("keydown", chooseByEnter);
  byId("hex-form").addEventListener("submit", (event) => { event.preventDefault(); chooseHex(); });
  byId("wheel").addEventListener("input", ({ target: wheel }) => { byId("hex").value = wheel.value.toUpperCase(); });
  byId("address").addEventListener("change", () => afterPress(() => { checkServer(); showCode(); }));
  byId("send").addEventListener("click", send);
  byId("cancel").addEventListener("click", cancel);
  byId("keep-seed").addEventListener("click", keepSeed);
  byId("take-recipe").addEventListener("click", takeShownRecipe);
  byId("copy").addEventListener("click", copyCode);
  for (const button of document.querySelectorAll("[data-language]")) {
    button.addEventListener("click", () => speak(button.dataset.language));
  }
  // A page that is left takes its prediction along: nobody will look at it.
  addEventListener("pagehide", () => {
    if (run && !run.isOver) navigator.sendBeacon(`${run.address}/predictions/${run.id}/cancel`);
  });
  speak(firstLanguage());
  openLink();
  watchLiveSize();
  openStrip();
  openSaved();
}

start();
