// The heap of granules of the live picture, poured as `plitka.tile.granules` and `plitka.tile.relief` pour it, with another
// source of chance: polyhedra in layers, seen from above.

const STREAMS = { heap: 0, joints: 1, surface: 2, light: 3, grain: 4, gaps: 5 };
const GRANULES_AT_ONCE = 256;
// OpenCV fills every pixel that a polygon's edge touches: half a pixel of the server's map more on each side.
const EDGE = 0.5 / (LENS.FINAL * PAINT.OVERSAMPLING);

// Granules from the bottom of the heap to its top, lengths in pitches, and a random order of their numbers. The
// first granule has number 1. `pitches` is how many the picture shows from side to side.
function* pourHeap(seed, pitches) {
  const roll = dice(seed, STREAMS.heap);
  const granules = [];
  for (const layer of HEAP.LAYERS) yield* scatter(granules, layer, roll, pitches);
  granules.sort((one, other) => one.level - other.level);
  yield;
  for (const granule of granules) {
    granule.shape = roll() % SHARDS.length;
    granule.turn = uniform(roll) * 2 * Math.PI;
  }
  yield;
  const order = shuffle(granules.map((_, i) => i + 1), roll);
  const batches = new Uint8Array(granules.length + 1).map(() => roll() % PAINT.BATCHES);
  return { seed, pitches, granules, order, batches };
}

// The most pitches of a heap: more would take too long to pour, and more granules than 16 bits count.
const MOST_PITCHES = 120;

// Pitches across the longer side of what a scale shows. Where there are too many, granules are drawn larger, with the
// part `contrast` of their contrast: from afar a surface is the more even, the smaller its granules are.
function pitchesOf({ granule_mm: granule, width_mm: wide, height_mm: high }) {
  const pitches = (LIMITS.granulesAcross * Math.max(wide, high)) / granule / LIMITS.surfaceGranules;
  const drawn = Math.min(pitches, MOST_PITCHES);
  return { drawn, contrast: drawn / pitches };
}

// How many bumps a picture of more pitches has, of a noise that is meant for a surface's.
function bumpsOn(pitches, bumps) {
  return Math.max(1, Math.round((bumps * pitches) / LIMITS.granulesAcross));
}

// Granules on a jittered triangular lattice.
function* scatter(granules, [spacing, jitter, radius, spread, level], roll, pitches) {
  const columns = Math.ceil((pitches + 2 * HEAP.MARGIN) / spacing) + 2;
  const start = [uniform(roll) * 0.5 + 0.5, uniform(roll) * 0.5 + 0.5];
  const place = (at, from) => (at + (uniform(roll) - 0.5) * jitter - from) * spacing - HEAP.MARGIN;
  const isNear = (at) => at > -HEAP.MARGIN && at < pitches + HEAP.MARGIN;
  yield* byRows(Math.ceil(columns / 0.866) + 1, (row) => {
    for (let column = 0; column < columns; column += 1) {
      const [x, y] = [place(column + 0.5 * (row % 2), start[0]), place(row * 0.866, start[1])];
      if (!isNear(x) || !isNear(y)) continue;
      granules.push({ x, y, radius: radius * Math.exp(spread * normal(roll)), level: level + HEAP.UNEVENNESS * normal(roll), shape: 0, turn: 0 });
    }
  });
}

// What lies on top at each of n x n pixels: `top`, the number of a facet, 0 for none; of each facet, the granule
// and the plane a x + b y + c of its height.
function* paintFacets(heap, n) {
  const top = new Uint32Array(n * n);
  const count = sum(heap.granules.map((granule) => SHARDS[granule.shape].length)) + 1;
  const [owner, a, b, c] = [new Uint16Array(count), new Float32Array(count), new Float32Array(count), new Float32Array(count)];
  let facet = 0;
  for (let g = 0; g < heap.granules.length; g += 1) {
    const granule = heap.granules[g];
    for (const shape of SHARDS[granule.shape]) {
      facet += 1;
      owner[facet] = g + 1;
      [a[facet], b[facet], c[facet]] = planeOf(shape, granule);
      fillConvex(top, n, placed(shape, granule, heap.pitches), facet);
    }
    if (g % GRANULES_AT_ONCE === 0) yield;
  }
  return { top, owner, a, b, c };
}

function planeOf([a, b, c], { x, y, radius, level, turn }) {
  const [cos, sin] = [Math.cos(turn) * SHARD_UNIT, Math.sin(turn) * SHARD_UNIT];
  const [across, down] = [cos * a - sin * b, sin * a + cos * b];
  const bend = HEAP.CURVATURE;
  const height = level + c * SHARD_UNIT * radius - across * x - down * y;
  return [across + bend * x, down + bend * y, height - (bend / 2) * (x * x + y * y)];
}

// Corners of a facet as parts of the picture's side: x, y, x, y, ...
function placed(shape, { x, y, radius, turn }, pitches) {
  const [cos, sin] = [Math.cos(turn) * radius * SHARD_UNIT, Math.sin(turn) * radius * SHARD_UNIT];
  const points = new Array(shape.length - 3);
  for (let i = 3; i < shape.length; i += 2) {
    points[i - 3] = (x + cos * shape[i] - sin * shape[i + 1]) / pitches;
    points[i - 2] = (y + sin * shape[i] + cos * shape[i + 1]) / pitches;
  }
  return points;
}

// Fill a convex polygon, given in parts of the picture's side, and its edge with a value.
function fillConvex(map, n, points, value) {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 1; i < points.length; i += 2) {
    low = Math.min(low, points[i]);
    high = Math.max(high, points[i]);
  }
  const last = Math.min(n - 1, Math.floor((high + EDGE) * n - 0.5));
  // At its highest and its lowest corner a polygon has no width.
  const [from, to] = [low + (high - low) / 100, high - (high - low) / 100];
  for (let y = Math.max(0, Math.ceil((low - EDGE) * n - 0.5)); y <= last; y += 1) {
    const at = Math.min(Math.max((y + 0.5) / n, from), to);
    let [left, right] = [Infinity, -Infinity];
    for (let i = 0, j = points.length - 2; i < points.length; j = i, i += 2) {
      if (points[i + 1] <= at === points[j + 1] <= at) continue;
      const x = points[i] + ((at - points[i + 1]) / (points[j + 1] - points[i + 1])) * (points[j] - points[i]);
      if (x < left) left = x;
      if (x > right) right = x;
    }
    const end = Math.min(n - 1, Math.floor((right + EDGE) * n - 0.5));
    for (let x = Math.max(0, Math.ceil((left - EDGE) * n - 0.5)), i = y * n + x; x <= end; x += 1, i += 1) map[i] = value;
  }
}

// Displace pixels by noise, since rubber is torn; pixels that no facet covers show their neighbour's.
function* tearEdges(top, n, [right, down]) {
  const torn = new Uint32Array(n * n);
  const inside = (at) => Math.min(Math.max(Math.round(at), 0), n - 1);
  yield* byRows(n, (y) => {
    for (let x = 0, i = y * n; x < n; x += 1, i += 1) {
      torn[i] = top[inside(y + down[i]) * n + inside(x + right[i])] || torn[i - 1] || torn[i - n] || 1;
    }
  });
  return torn;
}
