// Samples of the palette's granules as they look, poured by the page's own renderer: once, in spare time, and kept. Until
// they are there a colour is shown by its mean.

// Pixels of the tile that they are cut from, and of a sample; so many lie side by side in it, each among its own kind.
const SAMPLES = { tile: 600, size: 72, across: 3, at_once: 8, quality: 0.85, seed: "1" };

// Pictures by code; a promise while they are made.
const samples = { pictures: {}, making: null };

function wantSamples() {
  samples.making = samples.making || samplesKept().then((kept) => kept || pourSamples()).then((pictures) => {
    samples.pictures = pictures;
    for (const place of document.querySelectorAll("[data-sample]")) showSample(place);
  }).catch((trouble) => console.warn("samples", trouble));
  return samples.making;
}

function showSample(place) {
  const picture = samples.pictures[place.dataset.sample];
  place.style.backgroundImage = picture ? `url("${picture}")` : "";
}

// Another renderer or palette gives other samples.
function samplesId() {
  const facts = JSON.stringify([SAMPLES, PALETTE, HEAP, LIGHT, TONE, PAINT, LENS, SHARD_UNIT]);
  let hash = 0;
  for (let i = 0; i < facts.length; i += 1) hash = (Math.imul(hash, 31) + facts.charCodeAt(i)) | 0;
  return `granules ${hash}`;
}

async function samplesKept() {
  const kept = await keptOne("samples", samplesId()).catch(() => null);
  return kept && kept.pictures;
}

async function pourSamples() {
  const pictures = {};
  const pitches = LIMITS.granulesAcross;
  const heap = await inSpareTime(pourHeap(SAMPLES.seed, pitches));
  const surface = await inSpareTime(surfaceOf(SAMPLES.seed, fineSize(SAMPLES.tile), pitches));
  const tile = await inSpareTime(pourTile(heap, null, surface, SAMPLES.tile));
  if (!tile.view) throw new Error("no light");
  const plots = Uint8Array.from([{ x: 0, y: 0 }, ...heap.granules], (place) => plotOf(place, pitches));
  for (let from = 0; from < PALETTE.length; from += SAMPLES.at_once) {
    const colors = PALETTE.slice(from, from + SAMPLES.at_once);
    const chosen = plots.map((plot) => Math.min(plot, colors.length - 1));
    const mix = colors.map(({ code }) => ({ id: code, share: 1 / colors.length }));
    const image = await inSpareTime(paintedTile(tile, mix, chosen, false));
    colors.forEach(({ code }, plot) => { pictures[code] = cutSample(image, plot); });
  }
  await keep([["samples", { id: samplesId(), pictures }]]).catch(() => {});
  return pictures;
}

// The number of the plot that a granule lies in.
function plotOf({ x, y }, pitches) {
  const [column, row] = [x, y].map((at) => Math.min(Math.max(Math.floor((at / pitches) * SAMPLES.across), 0), SAMPLES.across - 1));
  return row * SAMPLES.across + column;
}

function cutSample(image, plot) {
  const side = SAMPLES.tile / SAMPLES.across;
  const margin = (side - SAMPLES.size) / 2;
  const canvas = element("canvas", { width: SAMPLES.size, height: SAMPLES.size });
  const [left, top] = [(plot % SAMPLES.across) * side + margin, Math.floor(plot / SAMPLES.across) * side + margin];
  canvas.getContext("2d").putImageData(image, -left, -top, left, top, SAMPLES.size, SAMPLES.size);
  return canvas.toDataURL("image/jpeg", SAMPLES.quality);
}

// What a generator returns, run where the live picture leaves time.
async function inSpareTime(work) {
  for (;;) {
    await nextTurn();
    if (live.isDrawing) {
      await new Promise((go) => setTimeout(go, 50));
      continue;
    }
    const end = performance.now() + SLICE_MS;
    for (let step = work.next(); ; step = work.next()) {
      if (step.done) return step.value;
      if (performance.now() >= end) break;
    }
  }
}
