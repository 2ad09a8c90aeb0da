// How light falls on the heap of the live picture, as in `plitka.tile.light`: brightness and gloss of every pixel, from
// height and slope alone.

// The noise of a tile's surface, for its size and seed; the same whatever lies on it.
function* surfaceOf(seed, n, pitches) {
  const roll = dice(seed, STREAMS.surface);
  const tear = HEAP.TEARS.map(([bumps, reach]) => [bumps, (reach * n) / pitches]);
  const ofPicture = (octaves) => octaves.map(([count, deviation]) => [bumpsOn(pitches, count), deviation]);
  const bumps = (octaves) => noise(roll, ofPicture(octaves), n);
  return {
    tears: [yield* bumps(tear), yield* bumps(tear)],
    grain: yield* bumps(LIGHT.GRAIN),
    waves: [yield* bumps(LIGHT.WAVES), yield* bumps(LIGHT.WAVES)],
    patches: yield* bumps(LIGHT.PATCHES),
    veil: yield* noise(roll, ofPicture(LIGHT.VEIL_PATCHES), n >> 1),
  };
}

// Of n x n pixels: `base`, the level of light from 0 to 255 on dark granules without gloss; `gloss`, what a granule
// that shines adds to that, and `pale`, what a white one adds; `veil`, 256 x the step of white light. `height` is that
// of the pressed heap. `owner` is the granule that is seen, 0 on joints; the view has crumbs of granules there too.
function* lightOn(heap, facets, map, owner, surface, distances, n) {
  const { height, steep, away } = yield* slopes(facets, map, owner, surface, n, heap.pitches);
  yield* press(height, n);
  const rim = new Float32Array(distances ? n * n : 0);
  yield* byRows(distances ? n : 0, (y) => {
    for (let i = y * n; i < (y + 1) * n; i += 1) {
      rim[i] = Math.max(1 - (distances[i] < 0 ? 0 : distances[i]) * (heap.pitches / RIMS.BEVEL), 0) ** 2;
      height[i] -= RIMS.BEVEL_DEPTH * rim[i];
    }
  });
  const dark = yield* occlusion(height, n, LIGHT.OCCLUSION, heap.pitches);
  yield* addPockets(dark, height, n, heap.pitches);
  const contact = yield* occlusion(height, n, LIGHT.CONTACTS, heap.pitches);
  yield* addCreases(contact, owner, n);
  const [base, gloss, pale] = [new Float32Array(n * n), new Float32Array(n * n), new Float32Array(n * n)];
  const own = yield* ownLight(heap, facets);
  const scale = 255 / (PAINT.BRIGHTEST - PAINT.DARKEST);
  yield* byRows(n, (y) => {
    for (let i = y * n; i < (y + 1) * n; i += 1) {
      const granule = owner[i];
      const torn = LIGHT.LEVEL_ROUGHNESS + LIGHT.TORN_ROUGHNESS * (Math.min(steep[i], 2) - 1);
      const rough = own.roughness[granule] * torn * surface.grain[i];
      let light = own.facet[map[i]] - 0.5 * LIGHT.STEEPNESS * Math.log(steep[i]) - dark[i] - contact[i] + rough - PAINT.DARKEST;
      if (distances) light += RIMS.LIT_EDGE * rim[i];
      base[i] = light * scale;
      const patch = Math.min(Math.max(surface.patches[i] + 0.1, 0), 1.2);
      if (!granule) continue;
      // What sees a part of the sky sees other granules elsewhere, which send back a part of the same light.
      const filled = Math.log(1 - LIGHT.REFLECTED * (1 - Math.exp(-Math.max(dark[i], 0))));
      pale[i] = -(filled + LIGHT.PALE_CONTACT * contact[i]) * scale;
      if (!patch) continue;
      const shade = LIGHT.GLOSS_SHADE * Math.max(dark[i] + contact[i], 0);
      gloss[i] = Math.exp(-LIGHT.NARROW * away[i] - shade) * patch * own.gloss[granule] * scale;
    }
  });
  const veil = yield* veilSteps(gloss, owner, surface.veil, scale, n);
  const view = { n, owner: owner.slice(), height, base, gloss, pale, veil };
  if (distances) yield* fillGaps(view, distances, heap);
  return view;
}

// 256 x the step of white light of each pixel, the same for four; 0 on joints.
function* veilSteps(gloss, owner, patches, scale, n) {
  const veil = new Uint16Array(n * n);
  const half = n >> 1;
  const weight = LIGHT.VEIL_OF_GLOSS / (4 * scale);
  yield* byRows(n, (y) => {
    const row = Math.min(y >> 1, half - 1);
    for (let x = 0, i = y * n; x < n; x += 1, i += 1) {
      if (!owner[i]) continue;
      const column = Math.min(x >> 1, half - 1);
      const from = 2 * (row * n + column);
      const white = weight * (gloss[from] + gloss[from + 1] + gloss[from + n] + gloss[from + n + 1]) + patches[row * half + column];
      veil[i] = Math.floor(Math.min(Math.max(white + PAINT.VEILS / 2, 0), PAINT.VEILS - 1)) << 8;
    }
  });
  return veil;
}

// Height, 1 + the square of the slope, and the square of how far the waves of the surface look away from above.
function* slopes({ a, b, c }, map, owner, { waves: [right, down] }, n, pitches) {
  const [height, steep, away] = [new Float32Array(n * n), new Float32Array(n * n), new Float32Array(n * n)];
  const step = pitches / n;
  yield* byRows(n, (row) => {
    const y = (row + 0.5) * step;
    for (let column = 0, i = row * n; column < n; column += 1, i += 1) {
      const x = (column + 0.5) * step;
      const facet = map[i];
      let [p, q] = [0, 0];
      if (owner[i]) {
        p = a[facet] - HEAP.CURVATURE * x;
        q = b[facet] - HEAP.CURVATURE * y;
        height[i] = a[facet] * x + b[facet] * y + c[facet] - (HEAP.CURVATURE / 2) * (x * x + y * y);
      }
      steep[i] = 1 + p * p + q * q;
      away[i] = (p + right[i]) ** 2 + (q + down[i]) ** 2;
    }
  });
  return { height, steep, away };
}

// Heights after the press has come down on the heap.
function* press(height, n) {
  const limit = quantile(height, LIGHT.PRESSED_FROM);
  yield;
  yield* byRows(n, (y) => {
    for (let i = y * n; i < (y + 1) * n; i += 1) {
      if (height[i] > limit) height[i] = limit + LIGHT.PRESSED * (height[i] - limit);
    }
  });
}

// The value below which a part of a plane lies, from a sample.
function quantile(plane, part) {
  const sample = new Float32Array(Math.ceil(plane.length / 61)).map((_, i) => plane[61 * i]).sort();
  return sample[Math.floor(part * (sample.length - 1))];
}

// Light that surroundings take: by how much their mean height, in several widths, is above a pixel's.
function* occlusion(height, n, surroundings, pitches) {
  const dark = new Float32Array(n * n);
  for (const [width, weight] of surroundings) {
    const around = yield* meanAround(height, n, Math.max(1, Math.round(((width * n) / pitches - 1) / 2)));
    yield* byRows(n, (y) => {
      for (let i = y * n; i < (y + 1) * n; i += 1) {
        const above = around[i] - height[i];
        dark[i] += above > 0 ? weight * above : weight * LIGHT.OPENNESS * above;
      }
    });
  }
  return dark;
}

// Light that does not get into pockets: by how much a square as wide as they are, let down on the heap, stays above.
function* addPockets(dark, height, n, pitches) {
  const reach = Math.max(1, Math.round(((LIGHT.POCKETS * n) / pitches - 1) / 2));
  const rim = yield* mostAround(yield* mostAround(height, n, reach, 1), n, reach, -1);
  yield* byRows(n, (y) => {
    for (let i = y * n; i < (y + 1) * n; i += 1) {
      dark[i] += LIGHT.POCKETS_WEIGHT * Math.max(rim[i] - height[i] - LIGHT.POCKETS_FROM, 0);
    }
  });
}

// The most, or for a sign of -1 the least, of a square of pixels around each, `reach` to each side.
function* mostAround(plane, n, reach, sign) {
  const [wide, made] = [new Float32Array(n * n), new Float32Array(n * n)];
  yield* byRows(n, (y) => {
    for (let x = 0; x < n; x += 1) {
      let most = -Infinity;
      for (let i = Math.max(x - reach, 0); i <= Math.min(x + reach, n - 1); i += 1) most = Math.max(most, sign * plane[y * n + i]);
      wide[y * n + x] = most;
    }
  });
  yield* byRows(n, (y) => {
    const row = made.subarray(y * n, (y + 1) * n).fill(-Infinity);
    for (let j = Math.max(y - reach, 0); j <= Math.min(y + reach, n - 1); j += 1) {
      for (let x = 0; x < n; x += 1) row[x] = Math.max(row[x], wide[j * n + x]);
    }
    for (let x = 0; x < n; x += 1) row[x] *= sign;
  });
  return made;
}

// The mean of a square of pixels around each, `reach` to each side; beyond the border the last one counts again.
function* meanAround(plane, n, reach) {
  const [wide, made] = [new Float32Array(n * n), new Float32Array(n * n)];
  const last = n - 1;
  yield* byRows(n, (y) => {
    const row = plane.subarray(y * n, (y + 1) * n);
    let total = row[0] * reach;
    for (let x = 0; x < reach; x += 1) total += row[Math.min(x, last)];
    for (let x = 0; x < n; x += 1) {
      total += row[Math.min(x + reach, last)];
      wide[y * n + x] = total;
      total -= row[Math.max(x - reach, 0)];
    }
  });
  const totals = new Float64Array(n);
  const add = (y, sign) => {
    const from = Math.min(Math.max(y, 0), last) * n;
    for (let x = 0; x < n; x += 1) totals[x] += sign * wide[from + x];
  };
  for (let y = -reach; y < reach; y += 1) add(y, 1);
  const part = 1 / (2 * reach + 1) ** 2;
  yield* byRows(n, (y) => {
    add(y + reach, 1);
    for (let x = 0; x < n; x += 1) made[y * n + x] = totals[x] * part;
    add(y - reach, -1);
  });
  return made;
}

// Light missing beside an edge, on the granule that lies lower; granules are numbered from the bottom up.
function* addCreases(dark, owner, n) {
  const crease = new Float32Array(n * n);
  const far = Math.max(1, n / 700 | 0);
  yield* byRows(n, (y) => {
    if (y < far || y >= n - far) return;
    for (let i = y * n + far; i < (y + 1) * n - far; i += 1) {
      const own = owner[i];
      const [up, down] = [i - far * n, i + far * n];
      if (owner[i - far] > own || owner[i + far] > own || owner[up] > own || owner[down] > own
        || owner[up - far] > own || owner[up + far] > own || owner[down - far] > own || owner[down + far] > own) crease[i] = 1;
    }
  });
  const soft = yield* meanAround(crease, n, 1);
  for (let i = 0; i < dark.length; i += 1) dark[i] += LIGHT.CREASE * soft[i];
}

// How much lighter each facet is by itself, with its granule, its hollow and its tile, as a logarithm; and of each
// granule, how rough it is and how it shines.
function* ownLight(heap, { owner, tiles }) {
  const roll = dice(heap.seed, STREAMS.light);
  const granule = normals(roll, tiles.length, LIGHT.GRANULE_VARIATION);
  const factors = (spread, mean) => normals(roll, tiles.length, spread).map((value) => mean * Math.exp(value));
  const [roughness, gloss] = [factors(LIGHT.ROUGHNESS_SPREAD, LIGHT.ROUGHNESS), factors(LIGHT.GLOSS_SPREAD, 1)];
  const facet = normals(roll, owner.length, LIGHT.FACET_VARIATION);
  const tile = new Map([[0, 0]]);
  const side = bumpsOn(heap.pitches, LIGHT.HOLLOWS_SIZE);
  const bumps = LIGHT.HOLLOWS.map(([count, deviation]) => [bumpsOn(heap.pitches, count), deviation]);
  const hollows = yield* noise(roll, bumps, side);
  const inside = (place) => Math.min(Math.max(Math.floor((place * side) / heap.pitches), 0), side - 1);
  tiles.forEach((number, i) => {
    if (!tile.has(number)) tile.set(number, LIGHT.TILE_VARIATION * normal(roll));
    granule[i] += tile.get(number);
    if (i) granule[i] += hollows[inside(heap.granules[i - 1].y) * side + inside(heap.granules[i - 1].x)];
  });
  for (let i = 0; i < facet.length; i += 1) facet[i] += granule[owner[i]];
  return { facet, roughness, gloss };
}
