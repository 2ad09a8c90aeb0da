// A recipe from a photograph: the server finds the mix, and the four corners say where the tile is.

// Longer sides are scaled down: the granules are found on fewer pixels, and less is sent.
const PHOTO_SIDE = 3000;
// Corners as parts of the picture before any are found, and steps of the arrow keys.
const PHOTO_INSET = 0.1;
const [PHOTO_STEP, PHOTO_SMALL_STEP] = [0.01, 0.001];
const PHOTO_PAUSE = 500;

// `url` is the picture as it is sent; `corners` are parts of its sides, `given` if a person put them there; `ids` are
// the colours that are chosen of those found; `asked` counts the questions, and answers to earlier ones come too late.
const photo = { url: "", size: [0, 0], corners: [], given: false, found: null, ids: [], asked: 0, trouble: null, timer: 0 };

function buildPhoto() {
  byId("from-photo").addEventListener("click", openPhoto);
  byId("close-photo").addEventListener("click", () => byId("photo").close());
  for (const id of ["photo-file", "photo-take"]) byId(id).addEventListener("change", ({ target: field }) => takePhoto(field));
  byId("photo-use").addEventListener("click", usePhoto);
  byId("photo-find").addEventListener("click", () => { photo.given = false; askForMix(); });
  // A mouse has no camera behind it.
  byId("photo-camera").hidden = !matchMedia("(pointer: coarse)").matches;
  byId("photo-corners").replaceChildren(...[0, 1, 2, 3].map(cornerHandle));
  addEventListener("resize", showCorners);
}

function openPhoto() {
  byId("photo").showModal();
  showPhoto();
  byId("photo-title").focus();
}

async function takePhoto(field) {
  const [file] = field.files;
  field.value = "";
  if (!file) return;
  try {
    showPicture(await createImageBitmap(file));
  } catch {
    photo.trouble = { key: "photoUnreadable", values: { name: clipped(file.name) }, detail: "" };
    showPhoto();
    return;
  }
  Object.assign(photo, { given: false, found: null, corners: [] });
  await askForMix();
}

// The browser turns the picture as its EXIF says, makes sRGB of it, and leaves out where it was taken.
function showPicture(bitmap) {
  const scale = Math.min(1, PHOTO_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = byId("photo-picture");
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  photo.url = canvas.toDataURL("image/jpeg", 0.95);
  photo.size = [canvas.width, canvas.height];
}

async function askForMix() {
  clearTimeout(photo.timer);
  photo.asked += 1;
  const mine = photo.asked;
  photo.trouble = null;
  photo.isAsking = true;
  showPhoto();
  let [found, trouble] = [null, null];
  try {
    found = await fetchMatch();
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    trouble = error;
  }
  if (mine !== photo.asked) return;
  Object.assign(photo, { isAsking: false, trouble, found, ids: found ? found.colors.map(({ id }) => id) : [] });
  if (found && !photo.given) photo.corners = (found.corners || []).map(([x, y]) => [x / photo.size[0], y / photo.size[1]]);
  showPhoto();
}

async function fetchMatch() {
  const corners = photo.corners.map(([x, y]) => [x * photo.size[0], y * photo.size[1]]);
  const response = await ask(`${serverAddress()}/match`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ photo: photo.url, ...(photo.given ? { corners } : {}) }),
  });
  if ([404, 405].includes(response.status)) throw new Trouble("photoNotHere");
  if (response.status === 422) throw Object.assign(await refusal(response), { key: "photoFailed" });
  if (!response.ok) throw await refusal(response);
  return parsed(await broken(response.text()));
}

// The colours of the recipe: a name chosen twice is one colour, and tenths of a per cent sum to the whole.
function photoColors() {
  const shares = new Map();
  photo.found.colors.forEach(({ share }, i) => shares.set(photo.ids[i], (shares.get(photo.ids[i]) || 0) + share));
  const ids = [...shares.keys()].slice(0, LIMITS.colors);
  if (ids.length === 1) return [newColor(ids[0], WHOLE)];
  const units = divided(WHOLE, ids.map((id) => Math.max(shares.get(id) * WHOLE, LEAST)));
  return ids.map((id, i) => newColor(id, units[i]));
}

function usePhoto() {
  const colors = photoColors();
  byId("photo").close();
  takeRecipe({ ...recipeNow(), colors });
  stageShows("live");
  say(text("photoUsed", { mix: mixText() }));
  byId("from-photo").focus();
}

function showPhoto() {
  const { found, trouble } = photo;
  byId("photo-stage").hidden = !photo.url;
  byId("photo-find").hidden = !photo.given;
  byId("photo-use").hidden = !found;
  byId("photo-status").textContent = photo.isAsking ? text("photoLooking") : found ? text("photoFound", { mix: mixText(photoColors()) }) : "";
  const place = byId("photo-error");
  place.hidden = !trouble;
  if (trouble) place.replaceChildren(element("strong", { text: text(trouble.key, trouble.values) }), element("p", { text: trouble.detail }));
  byId("photo-colors").replaceChildren(...(found ? found.colors.map(foundColor) : []));
  byId("photo-words").replaceChildren(...(found ? photoWords(found) : []).map((words) => element("li", { text: words })));
  showCorners();
}

function foundColor(color, index) {
  const { share, low, high, hex } = color;
  const shown = (part) => percentText(Math.round(part * 1000) / 10);
  const names = namesFor(color);
  const buttons = names.map((id) => element("button", {
    type: "button", class: "quiet", "aria-pressed": String(photo.ids[index] === id), text: colorName(id),
    "aria-label": id === color.id ? colorName(id) : text("photoInstead", { color: colorName(id), found: colorName(color.id) }),
    onclick: () => chooseName(index, id),
  }));
  return element("li", {},
    swatch(hex),
    element("b", { text: colorName(photo.ids[index]) }),
    element("span", { class: "photo-share", text: text("photoShare", { share: shown(share), low: shown(low), high: shown(high) }) }),
    element("span", { class: "photo-names" }, buttons[0], ...(buttons.length > 1 ? [element("span", { class: "note", text: text("photoOr") })] : []), ...buttons.slice(1)));
}

// What a colour may be called: as it was found, what looks like it, and names of the other likely sets.
function namesFor(color) {
  const index = photo.found.colors.indexOf(color);
  const sets = photo.found.sets.map(({ colors }) => colors[index]);
  const near = color.outside ? color.nearest.map(({ id }) => id) : [];
  return [...new Set([color.id, ...sets, ...color.alike, ...near])];
}

function chooseName(index, id) {
  photo.ids[index] = id;
  showPhoto();
  const chosen = byId("photo-colors").children[index].querySelector("[aria-pressed=true]");
  chosen.focus();
}

// What is to be known of the answer, in plain words.
function photoWords({ colors, corners, uneven }) {
  const lines = colors.flatMap(({ id, outside, alike, nearest }) => [
    ...(outside ? [text("photoOutside", { color: id, near: colorName(nearest[0].id) })] : []),
    ...(alike.length ? [text("photoAlike", { color: colorName(id), others: alike.map((other) => colorName(other)).join(", ") })] : []),
    ...(nearest.some((near) => near.id === id && near.known_batch) ? [text("photoBatch", { color: colorName(id) })] : []),
  ]);
  return [...lines, ...(uneven ? [text("photoUneven")] : []), ...(corners ? [] : [text("photoMiddle")])];
}

function cornerHandle(index) {
  const handle = element("button", { type: "button", class: "corner" });
  const put = ({ clientX, clientY }) => {
    const place = byId("photo-picture").getBoundingClientRect();
    moveCorner(index, (clientX - place.left) / place.width, (clientY - place.top) / place.height);
  };
  handle.addEventListener("pointerdown", (event) => {
    handle.setPointerCapture(event.pointerId);
    handle.addEventListener("pointermove", put);
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) handle.addEventListener(end, () => handle.removeEventListener("pointermove", put));
  handle.addEventListener("keydown", (event) => {
    const [right, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] || [0, 0];
    if (!right && !down) return;
    event.preventDefault();
    const step = event.shiftKey ? PHOTO_SMALL_STEP : PHOTO_STEP;
    const [x, y] = cornersShown()[index];
    moveCorner(index, x + right * step, y + down * step);
  });
  return handle;
}

// The server is asked again when the corner rests.
function moveCorner(index, x, y) {
  photo.corners = cornersShown();
  photo.corners[index] = [x, y].map((part) => Math.min(Math.max(part, 0), 1));
  photo.given = true;
  byId("photo-find").hidden = false;
  showCorners();
  clearTimeout(photo.timer);
  photo.timer = setTimeout(askForMix, PHOTO_PAUSE);
}

function cornersShown() {
  const [near, far] = [PHOTO_INSET, 1 - PHOTO_INSET];
  return photo.corners.length ? [...photo.corners] : [[near, near], [far, near], [far, far], [near, far]];
}

function showCorners() {
  if (!photo.url || !byId("photo").open) return;
  const { clientWidth: width, clientHeight: height } = byId("photo-picture");
  const corners = cornersShown();
  byId("photo-stage").classList.toggle("given", photo.given);
  const drawing = byId("photo-stage").querySelector("svg");
  Object.assign(drawing.style, { width: `${width}px`, height: `${height}px` });
  const points = corners.map((corner) => corner.join(",")).join(" ");
  for (const polygon of drawing.querySelectorAll("polygon")) polygon.setAttribute("points", points);
  corners.forEach(([x, y], index) => {
    const handle = byId("photo-corners").children[index];
    Object.assign(handle.style, { left: `${x * width}px`, top: `${y * height}px` });
    const [fromLeft, fromTop] = [x, y].map((part) => percentText(part * 100, 1));
    handle.setAttribute("aria-label", text("photoCorner", { corner: text(`photoCorner${index}`), x: fromLeft, y: fromTop }));
  });
}
