// The tile of the live picture: granules poured and lit once, then coloured as often as the mix changes.

// A tile of size x size pixels, `n` on a side before the lens. `labels`: the granule at the middle of each pixel,
// 0 on joints; `areas`: how many pixels each has; `view`: the light, null if there is no memory for it; `focus`: how
// sharp each pixel is. Areas are counted within the `frame`, the part that is shown.
function* pourTile(heap, joints, surface, size, frame = { left: 0, top: 0, width: size, height: size }) {
  const n = fineSize(size);
  const facets = yield* paintFacets(heap, n);
  const map = yield* tearEdges(facets.top, n, surface.tears);
  const tiles = joints ? yield* tileMap(joints, n) : null;
  const distances = tiles ? yield* jointDistances(tiles, n) : null;
  facets.tiles = new Uint16Array(heap.granules.length + 1);
  const owner = new Uint16Array(n * n);
  yield* byRows(n, (y) => {
    for (let i = y * n; i < (y + 1) * n; i += 1) facets.tiles[owner[i] = tiles && !tiles[i] ? 0 : facets.owner[map[i]]] = tiles ? tiles[i] : 0;
  });
  const labels = new Uint16Array(size * size);
  const areas = new Uint32Array(heap.granules.length + 1);
  const at = Int32Array.from({ length: size }, (_, i) => Math.floor(((i + 0.5) * n) / size));
  yield* byRows(size, (y) => {
    const isShown = y >= frame.top && y < frame.top + frame.height;
    for (let x = 0; x < size; x += 1) {
      const granule = labels[y * size + x] = owner[at[y] * n + at[x]];
      if (isShown && x >= frame.left && x < frame.left + frame.width) areas[granule] += 1;
    }
  });
  let [view, focus] = [null, null];
  const roll = dice(heap.seed, STREAMS.grain);
  try {
    const { height, ...lit } = yield* lightOn(heap, facets, map, owner, surface, distances, n);
    focus = yield* focusOf(height, n, size, at, roll);
    view = lit;
  } catch (trouble) {
    console.warn("no light", trouble);
  }
  const grain = new Float32Array(size * size);
  yield* byRows(size, (y) => grain.set(normals(roll, size, LENS.GRAIN), y * size));
  return { size, frame, n, heap, labels, areas, view, focus, grain, contrast: 1, lens: lensTaps(size, n, heap.pitches) };
}

function fineSize(size) {
  return Math.round(size * PAINT.OVERSAMPLING);
}

// Index into the mix for every granule: colours follow each other along the random order, each as long as its
// share of the visible area lasts. A moved slider so changes few granules.
function granuleColors(areas, order, shares) {
  const whole = sum([...areas]) - areas[0];
  const chosen = new Uint8Array(areas.length);
  let [color, end, used] = [0, shares[0] * whole, 0];
  for (const granule of order) {
    while (color < shares.length - 1 && used + areas[granule] / 2 > end) {
      color += 1;
      end += shares[color] * whole;
    }
    chosen[granule] = color;
    used += areas[granule];
  }
  return chosen;
}

// The picture of a tile, an ImageData, whose granules have the colours `chosen` of a mix; colours that are not mixed lie
// among their own kind only.
function* paintedTile(tile, mix, chosen, areMixed = true) {
  const colors = mix.map(({ id }) => rubberOf(id));
  const index = yield* paintIndex(tile, colors, chosen);
  const light = levelsOn(index, tile.n, colors.length);
  const among = areMixed ? amongNeighbours(colors, mix.map(({ share }) => share)) : colors;
  const shades = among.map((color, i) => shadesOf(color, light[i]));
  yield;
  const aims = colors.map(({ lab }) => [...lab]);
  const shown = yield* shownColors(tile, chosen);
  const neutrals = areMixed && tile.contrast === 1 ? neutralsOf(colors) : [];
  // Granules too small to be drawn have no means of their own in the picture.
  for (let round = 0; tile.contrast === 1 && round < PAINT.ROUNDS; round += 1) {
    const ramps = yield* rampsOf(shades, aims, colors.map(() => Array(PAINT.BATCHES).fill([0, 0])));
    const seen = yield* meansSeen(tile, index, ramps, shown, colors, neutrals);
    colors.forEach(({ lab }, i) => {
      const isMost = mix[i].share > 0.5;
      const mended = areMixed && !isMost ? 1 - neutrality(colors[i]) : 1;
      const missing = lab.map((value, channel) => value - seen[i][channel]);
      const tint = Math.max(Math.hypot(missing[1], missing[2]), 1e-6);
      const kept = Math.max(mended, 1 - PAINT.EDGES_MAY_TINT / tint);
      missing[1] *= kept;
      missing[2] *= kept;
      const allowed = PAINT.MAY_BE_OFF[isMost ? 0 : 1] * (1 + PAINT.BY_CHROMA * Math.hypot(lab[1], lab[2]));
      const part = Math.max(1 - allowed / Math.max(Math.hypot(...missing), 1e-6), 0);
      missing.forEach((value, channel) => { aims[i][channel] += part * value; });
    });
  }
  const ramps = yield* rampsOf(shades, aims, colors.map(tintsOf));
  if (tile.contrast < 1) fade(ramps, index, 256 * PAINT.VARIANTS * colors.length, tile.contrast);
  const planes = yield* keptNeutral(yield* exposed(tile, index, ramps, 0, tile.size), shown, tile.size, neutrals);
  yield* sharpened(planes, tile, tile.focus);
  return yield* developed(planes, tile);
}

// The index into the mix of each pixel.
function* shownColors({ size, labels }, chosen) {
  const shown = new Uint8Array(labels.length);
  yield* byRows(size, (y) => {
    for (let i = y * size; i < (y + 1) * size; i += 1) shown[i] = labels[i] ? chosen[labels[i]] : ON_JOINT;
  });
  return shown;
}

// Of each pixel before the lens, 256 x its paint + its level of light; a paint is a batch of a colour under
// one of the veils, or joint.
function* paintIndex({ n, heap, view }, colors, chosen) {
  const paint = Uint16Array.from(chosen, (color, granule) => (PAINT.VARIANTS * color + PAINT.VEILS * heap.batches[granule]) << 8);
  paint[0] = (PAINT.VARIANTS * colors.length) << 8;
  const ofGranules = (values) => Float32Array.from(chosen, (color) => values[color]);
  const [shine, paleness] = [ofGranules(colors.map(shineOf)), ofGranules(colors.map(palenessOf))];
  const index = new Uint16Array(n * n);
  const { owner, base, gloss, pale, veil } = view;
  yield* byRows(n, (y) => {
    for (let i = y * n; i < (y + 1) * n; i += 1) {
      const granule = owner[i];
      const level = base[i] + shine[granule] * gloss[i] + paleness[granule] * pale[i];
      index[i] = (paint[granule] + veil[i]) | (level < 0 ? 0 : level > 255 ? 255 : level);
    }
  });
  return index;
}

// Bring the pixels of granules, those below `end`, nearer to their mean in linear light, in place; joints stay as dark as they are.
function fade(ramps, index, end, contrast) {
  const counts = new Float64Array(end);
  for (let i = 0; i < index.length; i += 1) if (index[i] < end) counts[index[i]] += 1;
  const parts = (pixel) => [pixel & 255, (pixel >> 8) & 255, pixel >> 16];
  const totals = [0, 0, 0];
  counts.forEach((count, i) => { if (count) parts(ramps[i]).forEach((value, channel) => { totals[channel] += count * LINEAR[value]; }); });
  const mean = totals.map((total) => total / Math.max(sum([...counts]), 1));
  for (let i = 0; i < end; i += 1) {
    const [red, green, blue] = parts(ramps[i]).map((value, channel) => encoded(mean[channel] + contrast * (LINEAR[value] - mean[channel])));
    ramps[i] = red | (green << 8) | (blue << 16);
  }
}

// How often each level of light falls on each colour; one with few pixels is lit as all are.
function levelsOn(index, n, colors) {
  const counts = new Float64Array(256 * (colors + 1));
  const step = PAINT.SAMPLED;
  for (let y = step >> 1; y < n; y += step) {
    for (let i = y * n + (step >> 1); i < (y + 1) * n; i += step) {
      counts[256 * Math.floor((index[i] >> 8) / PAINT.VARIANTS) + (index[i] & 255)] += 1;
    }
  }
  const own = Array.from({ length: colors }, (_, i) => counts.subarray(256 * i, 256 * (i + 1)));
  const all = Float64Array.from({ length: 256 }, (_, level) => sum(own.map((count) => count[level])));
  const counted = sum([...all]);
  return own.map((count) => {
    const borrowed = Math.max(PAINT.PRIOR_PIXELS - sum([...count]), 0) / counted;
    return count.map((value, level) => value + borrowed * all[level]);
  });
}

// The pixel of every index.
function* rampsOf(shades, aims, tints) {
  const ramps = new Uint32Array(256 * (PAINT.VARIANTS * shades.length + 1));
  for (let i = 0; i < shades.length; i += 1) {
    fillRamp(ramps, 256 * PAINT.VARIANTS * i, shadesAround(shades[i], aims[i]), tints[i], VEILED);
    yield;
  }
  fillRamp(ramps, 256 * PAINT.VARIANTS * shades.length, jointShades(), [[0, 0]], [1]);
  return ramps;
}

// The mean of each colour's pixels behind the lens, which mixes colours at their edges; seen on a band.
function* meansSeen(tile, index, ramps, shown, colors, neutrals) {
  const { size } = tile;
  const rows = Math.floor(size / PAINT.BAND_PART);
  const from = (size - rows) >> 1;
  const own = shown.subarray(from * size, (from + rows) * size);
  const planes = yield* keptNeutral(yield* exposed(tile, index, ramps, from, from + rows), own, size, neutrals);
  const [red, green, blue] = yield* sharpened(planes, tile, null);
  const byte = (value) => Math.min(Math.max(Math.round(value), 0), 255);
  const [totals, lab] = [new Float64Array(4 * colors.length), [0, 0, 0]];
  yield* byRows(rows, (y) => {
    for (let x = 0, i = y * size; x < size; x += 1, i += 1) {
      if (own[i] === ON_JOINT) continue;
      putLabOfBytes(byte(red[i]), byte(green[i]), byte(blue[i]), lab, 0);
      const at = 4 * own[i];
      for (let channel = 0; channel < 3; channel += 1) totals[at + channel] += lab[channel];
      totals[at + 3] += 1;
    }
  });
  return colors.map((color, i) => color.lab.map((mean, channel) => {
    const count = totals[4 * i + 3];
    return mean + (totals[4 * i + channel] - count * mean) / (count + PAINT.STEADY);
  }));
}

function* developed([red, green, blue], { size, grain }) {
  const image = new ImageData(size, size);
  const { data } = image;
  yield* byRows(size, (y) => {
    for (let i = y * size, at = 4 * i; i < (y + 1) * size; i += 1, at += 4) {
      data[at] = red[i] + grain[i];
      data[at + 1] = green[i] + grain[i];
      data[at + 2] = blue[i] + grain[i];
      data[at + 3] = 255;
    }
  });
  return image;
}

// The flat colour map of a tile, an ImageData.
function mapOfTile({ size, labels }, mix, chosen) {
  const hexes = mix.map(({ id }) => hexOf(id));
  const joint = channels(jointColor(hexes));
  const colors = hexes.map(channels);
  const image = new ImageData(size, size);
  labels.forEach((granule, i) => image.data.set([...(granule ? colors[chosen[granule]] : joint), 255], 4 * i));
  return image;
}

// The colour of the joints: the first that is far enough from every colour of the mix.
function jointColor(hexes) {
  const squared = (one, other) => sum([0, 1, 2].map((i) => (channels(one)[i] - channels(other)[i]) ** 2));
  return LIMITS.joints.find(([joint, distance]) => hexes.every((hex) => squared(joint, hex) >= distance ** 2))[0];
}
