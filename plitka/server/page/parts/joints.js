// Joints between the tiles of the live picture: what no tile covers, as in `plitka.tile.joints`. Lengths are parts of
// the picture's side; tile coordinates are turned by the laying angle.

// Steps of a distance to a neighbour and to a diagonal one, as OpenCV counts them.
const [STRAIGHT, DIAGONAL] = [0.955, 1.3693];

// Tiles of which so many lie side by side are too small to be seen.
const MOST_TILES = 200;

// The outlines of the tiles of a scale at a laying angle in degrees, without their joints, on a map of n x n pixels; null
// for a surface. What is shown of it may be less high or less wide than the square of the picture's longer side.
function jointsOf(scale, angle, seed, n) {
  const side = Math.max(scale.width_mm, scale.height_mm);
  if (!scale.tile_mm || side / Math.min(...scale.tile_mm) > MOST_TILES) return null;
  const bond = bondOn(scale.layout, scale.tile_mm, side);
  const reach = (0.2 * Math.min(scale.width_mm, scale.height_mm)) / side;
  const roll = dice(seed, STREAMS.joints);
  const turn = (angle * Math.PI) / 180;
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
  const phase = [(uniform(roll) - 0.5) * reach - bond.middle, (uniform(roll) - 0.5) * reach];
  // A joint of less than a pixel would be there in places only.
  const inset = Math.max(scale.joint_mm / side, 1 / n) / 2;
  const shrunk = bond.outlines.map((outline) => shrunkOutline(outline, inset));
  const tiles = [];
  const [[p1, q1], [p2, q2]] = bond.lattice;
  const far = 1.5 + Math.max(...bond.outlines.flat(2).map(Math.abs));
  const area = Math.abs(p1 * q2 - p2 * q1);
  const most = (p, q) => Math.ceil((far * Math.hypot(p, q)) / area) + 1;
  const [ones, twos] = [most(p2, q2), most(p1, q1)];
  for (let one = -ones; one <= ones; one += 1) {
    for (let two = -twos; two <= twos; two += 1) {
      for (const outline of shrunk) {
        const points = outline.flatMap(([p, q]) => {
          const [along, across] = [p + phase[0] + one * p1 + two * p2, q + phase[1] + one * q1 + two * q2];
          return [along * cos + across * sin + 0.5, across * cos - along * sin + 0.5];
        });
        if (reachesIn(points)) tiles.push(points);
      }
    }
  }
  return { tiles };
}

function reachesIn(points) {
  const [low, high] = [[Infinity, Infinity], [-Infinity, -Infinity]];
  points.forEach((value, i) => {
    low[i & 1] = Math.min(low[i & 1], value);
    high[i & 1] = Math.max(high[i & 1], value);
  });
  return Math.max(...low) < 1 && Math.min(...high) > 0;
}

// An outline whose edges are moved inwards.
function shrunkOutline(outline, inset) {
  const next = (i) => outline[(i + 1) % outline.length];
  const area = sum(outline.map(([x, y], i) => x * next(i)[1] - next(i)[0] * y));
  const normals = outline.map(([x, y], i) => {
    const [dx, dy] = [next(i)[0] - x, next(i)[1] - y];
    const length = Math.hypot(dx, dy) * Math.sign(area);
    return [-dy / length, dx / length];
  });
  return outline.map(([x, y], i) => {
    const before = normals[(i + normals.length - 1) % normals.length];
    const [u, v] = [normals[i][0] + before[0], normals[i][1] + before[1]];
    const far = (2 * inset) / (u * u + v * v);
    return [x + far * u, y + far * v];
  });
}

// Of n x n pixels, the number of the tile, from 1; 0 on joints.
function* tileMap({ tiles }, n) {
  const map = new Uint16Array(n * n);
  for (let tile = 0; tile < tiles.length; tile += 1) {
    fillOutline(map, n, tiles[tile], tile + 1);
    yield;
  }
  return map;
}

// Fill an outline, convex or not: pixels whose middles are inside.
function fillOutline(map, n, points, value) {
  const heights = points.filter((_, i) => i & 1);
  const last = Math.min(n - 1, Math.floor(Math.max(...heights) * n - 0.5));
  for (let y = Math.max(0, Math.ceil(Math.min(...heights) * n - 0.5)); y <= last; y += 1) {
    const at = (y + 0.5) / n;
    const crossings = [];
    for (let i = 0, j = points.length - 2; i < points.length; j = i, i += 2) {
      if (points[i + 1] <= at === points[j + 1] <= at) continue;
      crossings.push(points[i] + ((at - points[i + 1]) / (points[j + 1] - points[i + 1])) * (points[j] - points[i]));
    }
    crossings.sort((one, other) => one - other);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const from = Math.min(Math.max(Math.ceil(crossings[i] * n - 0.5), 0), n);
      const to = Math.min(Math.max(Math.floor(crossings[i + 1] * n - 0.5) + 1, 0), n);
      if (to > from) map.fill(value, y * n + from, y * n + to);
    }
  }
}

// Distance of each pixel to the next joint, as a part of the picture's side; below 0 on a joint.
function* jointDistances(tiles, n) {
  const found = new Float32Array(n * n);
  for (let i = 0; i < found.length; i += 1) found[i] = tiles[i] ? n : 0;
  const nearer = (i, from, step) => { if (found[from] + step < found[i]) found[i] = found[from] + step; };
  const sweep = (y, x, back) => {
    const i = y * n + x;
    const [left, right] = [x > 0, x < n - 1];
    if (back > 0 ? left : right) nearer(i, i - back, STRAIGHT);
    if (back > 0 ? y === 0 : y === n - 1) return;
    const above = i - back * n;
    nearer(i, above, STRAIGHT);
    if (left) nearer(i, above - 1, DIAGONAL);
    if (right) nearer(i, above + 1, DIAGONAL);
  };
  yield* byRows(n, (y) => { for (let x = 0; x < n; x += 1) sweep(y, x, 1); });
  yield* byRows(n, (row) => { for (let x = n - 1; x >= 0; x -= 1) sweep(n - 1 - row, x, -1); });
  for (let i = 0; i < found.length; i += 1) found[i] = tiles[i] ? found[i] / n : -1;
  return found;
}

// Give joints their light, and crumbs of the granules beside them; in place. A crumb is a pixel seen elsewhere.
function* fillGaps(view, distances, { seed, pitches }) {
  const { n, base } = view;
  const planes = ["owner", "base", "gloss", "pale", "veil"];
  const before = Object.fromEntries(planes.map((plane) => [plane, view[plane].slice()]));
  const window = Math.max(1, Math.round((2 * RIMS.CRUMB_REACH * n / pitches - 1) / 2));
  const roll = dice(seed, STREAMS.gaps);
  const bumps = (count) => noise(roll, [[bumpsOn(pitches, count), 1]], n);
  const bottom = yield* bumps(RIMS.BUMPS);
  const [right, down] = [yield* bumps(RIMS.CRUMB_BUMPS), yield* bumps(RIMS.CRUMB_BUMPS)];
  const reach = (RIMS.CRUMB_REACH * n) / pitches;
  yield* byRows(n, (y) => {
    for (let x = 0, i = y * n; x < n; x += 1, i += 1) {
      if (distances[i] >= 0) continue;
      const inside = Math.max(2 * partInJoints(distances, n, x, y, window) - 1, 0);
      base[i] = Math.min(Math.max(RIMS.GAP_RIM - RIMS.GAP_DEPTH * inside + RIMS.GAP_UNEVENNESS * bottom[i], 0), 255);
      const strength = Math.hypot(right[i], down[i]) + 1e-6;
      const far = (reach * Math.min(Math.max(strength - RIMS.CRUMBS_FROM, 0), 2)) / strength;
      const [u, v] = [x + far * right[i], y + far * down[i]].map((at) => Math.min(Math.max(Math.round(at), 0), n - 1));
      const from = v * n + u;
      if (!before.owner[from]) continue;
      for (const plane of planes) view[plane][i] = before[plane][from];
    }
  });
}

// The part of a pixel's surroundings that is joint.
function partInJoints(distances, n, x, y, reach) {
  let [inside, all] = [0, 0];
  for (let v = Math.max(y - reach, 0); v <= Math.min(y + reach, n - 1); v += 1) {
    for (let u = Math.max(x - reach, 0); u <= Math.min(x + reach, n - 1); u += 1) {
      inside += distances[v * n + u] < 0;
      all += 1;
    }
  }
  return inside / all;
}
