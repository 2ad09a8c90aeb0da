// Joints between the tiles of the live picture: where they run, as `plitka.tile.joints` says it, and how a tile ends
// at them.

// The joints of a layout at a laying angle in degrees, or null: axes, tile and a crossing near the centre.
function jointsOf(layout, angle, seed) {
  if (layout === "surface") return null;
  const roll = dice(seed, STREAMS.joints);
  const turn = (angle * Math.PI) / 180;
  const brick = layout === "brick";
  return {
    along: [Math.cos(turn), -Math.sin(turn)],
    across: [Math.sin(turn), Math.cos(turn)],
    tile: brick ? LIMITS.brickTile : LIMITS.gridTile,
    stagger: brick ? 0.5 : 0,
    phase: [uniform(roll) * 0.2 - 0.1, uniform(roll) * 0.2 - 0.1],
  };
}

function toTile(joints, x, y) {
  const [u, v] = [x - 0.5, y - 0.5];
  return [u * joints.along[0] + v * joints.along[1], u * joints.across[0] + v * joints.across[1]];
}

function toPicture(joints, p, q) {
  return [p * joints.along[0] + q * joints.across[0] + 0.5, p * joints.along[1] + q * joints.across[1] + 0.5];
}

// The tile around a place in tile coordinates: its number and where the middles of its joints run.
function tileAround(joints, p, q) {
  const [length, height] = joints.tile;
  const row = Math.floor((q - joints.phase[1]) / height);
  const start = joints.phase[0] + (((row % 2) + 2) % 2) * joints.stagger * length;
  const column = Math.floor((p - start) / length);
  const [left, top] = [start + column * length, joints.phase[1] + row * height];
  return { number: `${row},${column}`, left, top, right: left + length, bottom: top + height };
}

// Distance of each pixel to the next joint, as a part of the picture's side; below 0 on a joint.
function* jointDistances(joints, n) {
  const found = new Float32Array(n * n);
  yield* byRows(n, (y) => distancesInRow(joints, n, y, found));
  return found;
}

function distancesInRow({ along, across, tile: [length, height], stagger, phase }, n, y, found) {
  const v = (y + 0.5) / n - 0.5;
  for (let x = 0, i = y * n; x < n; x += 1, i += 1) {
    const u = (x + 0.5) / n - 0.5;
    const courses = (u * across[0] + v * across[1] - phase[1]) / height;
    const row = Math.floor(courses);
    const tiles = (u * along[0] + v * along[1] - phase[0]) / length - (row & 1) * stagger;
    const down = courses - row;
    const right = tiles - Math.floor(tiles);
    found[i] = Math.min(height * Math.min(down, 1 - down), length * Math.min(right, 1 - right)) - LIMITS.jointWidth / 2;
  }
}

// Give joints their light, and crumbs of the granules beside them; in place. A crumb is a pixel seen elsewhere.
function* fillGaps(view, distances, seed) {
  const { n, base } = view;
  const planes = ["owner", "base", "gloss", "pale", "veil"];
  const before = Object.fromEntries(planes.map((plane) => [plane, view[plane].slice()]));
  const window = Math.max(1, Math.round((2 * RIMS.CRUMB_REACH * n / LIMITS.granulesAcross - 1) / 2));
  const roll = dice(seed, STREAMS.gaps);
  const bottom = yield* noise(roll, [[RIMS.BUMPS, 1]], n);
  const [right, down] = [yield* noise(roll, [[RIMS.CRUMB_BUMPS, 1]], n), yield* noise(roll, [[RIMS.CRUMB_BUMPS, 1]], n)];
  const reach = (RIMS.CRUMB_REACH * n) / LIMITS.granulesAcross;
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
