// Two results side by side, or over each other with a divider that a slider moves.

const WAYS = ["beside", "over"];
let way = "beside";

// The two that were chosen; what is missing of two is taken from the newest.
function comparedResults() {
  const ready = strip.results.filter(({ thumb }) => thumb);
  const chosen = ready.filter(({ id }) => strip.compared.includes(id));
  return [...chosen, ...ready.filter((result) => !chosen.includes(result))].slice(0, 2).sort((one, other) => one.at - other.at);
}

async function openCompare() {
  const results = comparedResults();
  const pictures = await Promise.all(results.map(picturesOf));
  if (pictures.some((urls) => !urls.length)) {
    byId("strip-note").textContent = text("picturesGone");
    return;
  }
  results.forEach((result, i) => {
    const place = text(i ? "pictureRight" : "pictureLeft");
    Object.assign(byId(`plate-${i}`), { src: pictures[i][1], alt: text("pictureAlt", { picture: place, mix: mixText(result.colors) }) });
    byId(`plate-words-${i}`).replaceChildren(
      element("strong", { text: mixText(result.colors) }),
      element("small", { text: [timeText(result.at), layingText(result.recipe), ...(result.group ? [text("variantShort", result)] : [])].join(" · ") }),
    );
  });
  byId("divider").value = 50;
  showWay();
  byId("compare").showModal();
  byId("compare-title").focus();
}

function layingText({ layout, angle }) {
  return layout === "surface" ? text(layout) : `${number(angle, Number.isInteger(angle) ? 0 : 1)}°`;
}

function showWay() {
  segments(byId("ways"), "way", WAYS, way, (name) => text(`way_${name}`), (name) => { way = name; showWay(); focusWay(); });
  byId("plates").className = `plates ${way}`;
  byId("divider").hidden = byId("divide").hidden = way !== "over";
  moveDivider();
}

function focusWay() {
  byId("ways").querySelector(":checked").focus();
}

function moveDivider() {
  const part = Number(byId("divider").value);
  byId("plate-1").style.clipPath = way === "over" ? `inset(0 0 0 ${part}%)` : "";
  byId("divide").style.left = `${part}%`;
  byId("divider").setAttribute("aria-valuetext", text("dividerAt", { value: number(part, 0) }));
}

function buildCompare() {
  byId("compare-two").addEventListener("click", openCompare);
  byId("bring-back").addEventListener("click", bringBack);
  byId("close-compare").addEventListener("click", () => byId("compare").close());
  byId("divider").addEventListener("input", moveDivider);
  const plates = byId("plates");
  const drag = (event) => {
    const box = plates.getBoundingClientRect();
    byId("divider").value = (100 * (event.clientX - box.left)) / box.width;
    moveDivider();
  };
  plates.addEventListener("pointerdown", (event) => {
    if (way !== "over") return;
    event.preventDefault();
    plates.setPointerCapture(event.pointerId);
    drag(event);
  });
  plates.addEventListener("pointermove", (event) => { if (plates.hasPointerCapture(event.pointerId)) drag(event); });
}
