// What a camera does to the live picture, as in `plitka.tile.lens`: it averages areas, is a little soft, sharpens, and
// adds grain. Blur and grain of colour are left out: at the page's sizes they are below a pixel and a level.

// Of each pixel of a picture, the first pixel of the finer one that it sees, and the weights of that and the next.
function lensTaps(size, n, pitches) {
  const scale = n / size;
  const sharpness = sharpnessOf(size, pitches);
  const deviation = Math.hypot(LENS.BLUR * sharpness, Math.sqrt(1 / 12)) * scale;
  const reach = Math.max(1, Math.round(2.5 * deviation));
  const bell = gaussian(deviation, reach);
  const count = 2 * reach + 2;
  const [first, weights] = [new Int32Array(size), new Float32Array(size * count)];
  for (let i = 0; i < size; i += 1) {
    const place = (i + 0.5) * scale - 0.5;
    const low = Math.floor(place);
    // All places lie inside: what the lens would see beyond the border is moved to the border.
    first[i] = Math.min(Math.max(low - reach, 0), n - count);
    for (let tap = 0; tap < count; tap += 1) {
      const weight = (1 - place + low) * (bell[tap] || 0) + (place - low) * (bell[tap - 1] || 0);
      weights[i * count + Math.min(Math.max(low - reach + tap, 0), n - 1) - first[i]] += weight;
    }
  }
  return { first, weights, count, sharpness };
}

// Blur and sharpening compared with the server's final picture: less in a smaller one, and where granules are small.
function sharpnessOf(size, pitches) {
  const granule = (size * LIMITS.granulesAcross) / LIMITS.surfaceGranules / pitches;
  return (size / LENS.FINAL) * Math.min(Math.max((granule - 1) / (LENS.SHARPENED_FROM - 1), 0), 1);
}

function gaussian(deviation, reach) {
  const bell = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-0.5 * ((i - reach) / deviation) ** 2));
  return bell.map((value) => value / sum(bell));
}

// Rows `from` to `to` of the picture, red, green and blue each a plane of its own. `ramps` has the pixel of each
// `index` of the finer picture, n on a side.
function* exposed({ size, n, lens }, index, ramps, from, to) {
  const { first, count } = lens;
  const planes = [0, 1, 2].map(() => new Float32Array((to - from) * size));
  const fine = [0, 1, 2].map(() => new Float32Array(n));
  // Rows of the finer picture, squeezed to the picture's width: the latest, as many as a row of the picture sees.
  const kept = Array.from({ length: count }, () => [0, 1, 2].map(() => new Float32Array(size)));
  let next = first[from];
  for (let y = from; y < to; y += 1) {
    for (next = Math.max(next, first[y]); next < first[y] + count; next += 1) {
      unpackRow(index, next * n, ramps, fine);
      squeezeRow(fine, kept[next % count], lens);
    }
    for (let tap = 0; tap < count; tap += 1) {
      const rows = kept[(first[y] + tap) % count];
      for (let i = 0; i < 3; i += 1) addRow(rows[i], lens.weights[y * count + tap], planes[i], (y - from) * size);
    }
    if (y % ROWS_AT_ONCE === 0) yield;
  }
  return planes;
}

function unpackRow(index, at, ramps, [red, green, blue]) {
  for (let x = 0; x < red.length; x += 1) {
    const pixel = ramps[index[at + x]];
    red[x] = pixel & 255;
    green[x] = (pixel >> 8) & 255;
    blue[x] = pixel >> 16;
  }
}

function squeezeRow([red, green, blue], row, { first, weights, count }) {
  for (let x = 0, i = 0; x < first.length; x += 1) {
    let [r, g, b] = [0, 0, 0];
    for (let at = first[x]; at < first[x] + count; at += 1, i += 1) {
      const weight = weights[i];
      r += weight * red[at];
      g += weight * green[at];
      b += weight * blue[at];
    }
    row[0][x] = r;
    row[1][x] = g;
    row[2][x] = b;
  }
}

function addRow(row, weight, plane, at) {
  if (weight) for (let x = 0; x < row.length; x += 1) plane[at + x] += weight * row[x];
}

// How sharp each pixel is, 1 where the camera is in focus: what lies low is not, and no tile is quite level.
function* focusOf(height, n, size, at, roll) {
  const focus = yield* noise(roll, [[LENS.TILTS, LENS.TILT]], size);
  const level = quantile(height, LENS.FOCUSED_ON);
  yield* byRows(size, (y) => {
    for (let x = 0, i = y * size; x < size; x += 1, i += 1) {
      const above = LENS.DEPTH_OF_FIELD * (height[at[y] * n + at[x]] - level);
      focus[i] = Math.max(focus[i] + Math.min(above, LENS.MOST_FOCUS - 1) + 1, LENS.LEAST_FOCUS);
    }
  });
  return focus;
}

// Sharpen in place, all channels alike, by what is lighter than its surroundings; less where it is out of focus.
function* sharpened(planes, { size, lens: { sharpness } }, focus) {
  const [red, green, blue] = planes;
  const luma = new Float32Array(red.length);
  for (let i = 0; i < luma.length; i += 1) luma[i] = 0.299 * red[i] + 0.587 * green[i] + 0.114 * blue[i];
  const blur = LENS.BLUR * sharpness;
  const soft = yield* softened(luma, size, Math.sqrt(LENS.SHARPENED_OVER ** 2 - blur ** 2));
  const strength = LENS.SHARPENING * sharpness;
  for (let i = 0; i < luma.length; i += 1) {
    const more = (focus ? focus[i] : 1) * strength * (luma[i] - soft[i]);
    red[i] += more;
    green[i] += more;
    blue[i] += more;
  }
  yield;
  return planes;
}

function* softened(plane, size, deviation) {
  const reach = Math.max(1, Math.round(2.5 * deviation));
  const bell = gaussian(deviation, reach);
  const rows = plane.length / size;
  const [wide, made] = [new Float32Array(plane.length), new Float32Array(plane.length)];
  const padded = new Float32Array(size + 2 * reach);
  const inside = (at, count) => Math.min(Math.max(at, 0), count - 1);
  yield* byRows(rows, (y) => {
    padded.set(plane.subarray(y * size, (y + 1) * size), reach);
    padded.fill(plane[y * size], 0, reach);
    padded.fill(plane[(y + 1) * size - 1], size + reach);
    bell.forEach((weight, tap) => addRow(padded.subarray(tap, tap + size), weight, wide, y * size));
  });
  yield* byRows(rows, (y) => {
    bell.forEach((weight, tap) => {
      const from = inside(y + tap - reach, rows) * size;
      addRow(wide.subarray(from, from + size), weight, made, y * size);
    });
  });
  return made;
}
