// The live picture: drawn again after every change, in slices so short that typing and sliding never wait for it.
// What lies where is poured once and kept; another mix only colours it. A small picture comes first where the
// whole one would take long.

const SLICE_MS = 8;
// Pixels of the picture that comes first, and the largest that can be coloured as quickly as a slider moves.
const DRAFT_PIXELS = 240;
const QUICK_PIXELS = 512;

const live = {
  // Number of the latest change, and of that which is shown.
  wanted: 0,
  shown: 0,
  isDrawing: false,
  // Pixels on a side that were asked for last.
  pixels: 0,
  heap: null,
  surface: null,
  draft: null,
  whole: null,
};

function drawLive() {
  live.wanted += 1;
  live.pixels = livePixels();
  const scale = scaleOf();
  const { layout } = scale;
  const where = layout === "surface" ? text(layout) : text("layoutAt", { layout: text(layout), angle: number(layingAngle(), 0) });
  byId("live").setAttribute("aria-label", text("liveLabel", { mix: mixText(), layout: where, size: extentText(scale) }));
  if (!live.isDrawing) keepDrawing();
}

async function keepDrawing() {
  live.isDrawing = true;
  while (live.shown !== live.wanted) {
    const version = live.wanted;
    try {
      await drawOnce(() => version !== live.wanted);
    } catch (trouble) {
      console.warn("live picture", trouble);
    }
    live.shown = version;
  }
  live.isDrawing = false;
}

// What is shown first is finished whatever happens meanwhile, or a moving slider would never show anything.
async function drawOnce(isOutdated) {
  const size = live.pixels;
  const wanted = { size, scale: scaleOf(), angle: layingAngle(), seed: state.random ? "42" : state.seed };
  // Shares that do not sum to 100 % yet are drawn by their ratios.
  const whole = sum(state.colors.map((color) => color.units));
  const mix = state.colors.map(({ id, units }) => ({ id, share: whole ? units / whole : 1 / state.colors.length }));
  const isPoured = live.whole !== null && live.whole.key === keyOf(wanted);
  const isFirst = isPoured && size <= QUICK_PIXELS;
  if (!isFirst) {
    live.draft = await keptOrPoured(live.draft, { ...wanted, size: Math.min(size, DRAFT_PIXELS) });
    await show(live.draft, mix, isPoured ? live.whole.areas : live.draft.areas, () => false);
    if (isOutdated() || size <= DRAFT_PIXELS) return;
  }
  if (!isPoured) {
    const poured = await keptOrPoured(live.whole, wanted, isOutdated);
    if (!poured || (live.draft.view && !poured.view)) return;
    live.whole = poured;
  }
  await show(live.whole, mix, live.whole.areas, isFirst ? () => false : isOutdated);
}

// Pixels on the longer side: those of the screen, as far as the server's final picture has them.
function livePixels() {
  const wide = byId("live").clientWidth * devicePixelRatio;
  return 2 * Math.round(Math.min(Math.max(wide, DRAFT_PIXELS / 2), LENS.FINAL) / 2);
}

function keyOf({ size, scale, angle, seed }) {
  const { layout, granule_mm, width_mm, height_mm, tile_mm, joint_mm } = scale;
  return [size, seed, layout, layout === "surface" ? 0 : angle, granule_mm, width_mm, height_mm, tile_mm, joint_mm].join();
}

// Of a square of size x size pixels, what the picture shows: as much of it on both sides of its middle.
function frameOf({ width_mm: wide, height_mm: high }, size) {
  const [width, height] = [wide, high].map((side) => 2 * Math.max(1, Math.round((size * side) / Math.max(wide, high) / 2)));
  return { left: (size - width) / 2, top: (size - height) / 2, width, height };
}

// The tile that is wanted: the one that was kept, or a new one; null if it is outdated before it is poured.
async function keptOrPoured(kept, wanted, isOutdated = () => false) {
  const { size, scale, angle, seed } = wanted;
  const key = keyOf(wanted);
  if (kept && kept.key === key) return kept;
  const { drawn: pitches, contrast } = pitchesOf(scale);
  if (!live.heap || live.heap.seed !== seed || live.heap.pitches !== pitches) {
    live.heap = await inSlices(pourHeap(seed, pitches), () => false);
  }
  const [n, frame] = [fineSize(size), frameOf(scale, size)];
  const surface = await inSlices(surfaceFor(live.heap, n, size <= DRAFT_PIXELS), isOutdated);
  const tile = surface && await inSlices(pourTile(live.heap, jointsOf(scale, angle, seed, n), surface, size, frame), isOutdated);
  return tile && { ...tile, key, contrast };
}

// The small picture's surface is kept for when its joints turn; a large one would fill too much memory.
function* surfaceFor({ seed, pitches }, n, isKept) {
  const key = [seed, pitches, n].join();
  if (isKept && live.surface && live.surface.key === key) return live.surface;
  const surface = { ...(yield* surfaceOf(seed, n, pitches)), key };
  if (isKept) live.surface = surface;
  return surface;
}

async function show(tile, mix, areas, isOutdated) {
  const chosen = granuleColors(areas, tile.heap.order, mix.map((color) => color.share));
  const image = tile.view ? await inSlices(paintedTile(tile, mix, chosen), isOutdated) : mapOfTile(tile, mix, chosen);
  if (!image) return;
  const canvas = byId("live");
  const { left, top, width, height } = tile.frame;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(image, -left, -top);
}

// What a generator returns, run in slices with the page's own work between them; null if it is outdated.
async function inSlices(work, isOutdated) {
  let end = performance.now() + SLICE_MS;
  for (let step = work.next(); ; step = work.next()) {
    if (step.done) return step.value;
    if (performance.now() < end) continue;
    await nextTurn();
    if (isOutdated()) return null;
    end = performance.now() + SLICE_MS;
  }
}

// Unlike a timer, a message comes as soon as nothing else is due.
function nextTurn() {
  return new Promise((go) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => { port1.close(); go(); };
    port2.postMessage(null);
  });
}

function watchLiveSize() {
  const look = () => { if (livePixels() !== live.pixels) drawLive(); };
  new ResizeObserver(look).observe(byId("live"));
  // On another screen the canvas is as wide as before, with more pixels or fewer.
  const watchRatio = () => {
    const same = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
    same.addEventListener("change", () => { look(); watchRatio(); }, { once: true });
  };
  watchRatio();
}
