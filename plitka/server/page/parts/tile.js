// The colour map as the browser draws it: granules poured in layers and stopped at the joints, as the server
// does it, with another source of chance. The server's own map is the exact one.

// Layers from the bottom: distance between neighbours, smallest and largest radius, in granules' pitches.
const FLOOR = [1.2, 1.3, 1.4];
const LAYERS = [[0.93, 0.4, 0.62], [1.4, 0.2, 0.36], [1.02, 0.42, 0.6]];
const CORNERS = [4, 4, 5, 5, 5, 6, 6, 7];
const REACH = 0.75;

// Numbers from 0 to 1 from a seed (mulberry32).
function chance(seed) {
  let state = Number(BigInt(seed) % 4294967291n) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function shuffle(list, random) {
  for (let i = list.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1));
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}

// The joints of a layout at a laying angle in degrees, or null: axes, tile and a crossing near the centre.
function jointsOf(layout, angle, random) {
  if (layout === "surface") return null;
  const turn = (angle * Math.PI) / 180;
  const brick = layout === "brick";
  return {
    along: [Math.cos(turn), -Math.sin(turn)],
    across: [Math.sin(turn), Math.cos(turn)],
    tile: brick ? LIMITS.brickTile : LIMITS.gridTile,
    stagger: brick ? 0.5 : 0,
    phase: [random() * 0.2 - 0.1, random() * 0.2 - 0.1],
  };
}

function toTile(joints, [x, y]) {
  const [u, v] = [x - 0.5, y - 0.5];
  return [u * joints.along[0] + v * joints.along[1], u * joints.across[0] + v * joints.across[1]];
}

function toPicture(joints, [p, q]) {
  return [
    p * joints.along[0] + q * joints.across[0] + 0.5,
    p * joints.along[1] + q * joints.across[1] + 0.5,
  ];
}

function stoppedAtJoints(joints, centre, corners) {
  const [length, height] = joints.tile;
  const [p, q] = toTile(joints, centre);
  const row = Math.floor((q - joints.phase[1]) / height);
  const start = joints.phase[0] + (((row % 2) + 2) % 2) * joints.stagger * length;
  const column = Math.floor((p - start) / length);
  const low = [start + column * length + LIMITS.jointWidth / 2, joints.phase[1] + row * height + LIMITS.jointWidth / 2];
  const high = [low[0] + length - LIMITS.jointWidth, low[1] + height - LIMITS.jointWidth];
  return corners.map((corner) => {
    const at = toTile(joints, corner);
    return toPicture(joints, at.map((value, i) => Math.min(Math.max(value, low[i]), high[i])));
  });
}

// Every joint that can touch the picture, as corners in picture coordinates.
function jointRectangles(joints) {
  const [length, height] = joints.tile;
  const half = LIMITS.jointWidth / 2;
  const rectangles = [];
  const box = (a, b, c, d) => rectangles.push([[a, b], [c, b], [c, d], [a, d]].map((point) => toPicture(joints, point)));
  for (let row = Math.floor((-REACH - joints.phase[1]) / height); row <= Math.ceil(REACH / height); row += 1) {
    const bottom = joints.phase[1] + row * height;
    box(-REACH, bottom - half, REACH, bottom + half);
    const start = joints.phase[0] + (((row % 2) + 2) % 2) * joints.stagger * length;
    for (let column = Math.floor((-REACH - start) / length); column <= Math.ceil((REACH - start) / length); column += 1) {
      const left = start + column * length;
      box(left - half, bottom, left + half, bottom + height);
    }
  }
  return rectangles;
}

// Centres on a jittered triangular lattice in random order, each with a radius.
function scattered([spacing, low, high], jitter, random) {
  const width = 1 / LIMITS.granulesAcross;
  const step = spacing * width;
  const columns = Math.ceil(1 / step) + 3;
  const margin = width * Math.max(1, high / 2);
  const shift = [random() + 0.5, random() + 0.5];
  const found = [];
  for (let row = 0; row < Math.ceil(columns / 0.87); row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const x = (column + 0.5 * (row % 2) + (random() - 0.5) * jitter - shift[0]) * step;
      const y = (row * 0.87 + (random() - 0.5) * jitter - shift[1]) * step;
      const radius = (low + (high - low) * random()) * width;
      if (Math.min(x, y) > -margin && Math.max(x, y) < 1 + margin) found.push({ centre: [x, y], radius });
    }
  }
  return shuffle(found, random);
}

function outline({ centre, radius }, isFloor, random) {
  const corners = isFloor ? 7 : CORNERS[Math.floor(random() * CORNERS.length)];
  const flatness = isFloor ? 1 : 0.55 + 0.45 * random();
  const turn = random() * 2 * Math.PI;
  const scale = radius / Math.sqrt(flatness);
  return Array.from({ length: corners }, (_, i) => {
    const angle = ((i + (random() - 0.5) * (isFloor ? 0.34 : 0.85)) * 2 * Math.PI) / corners;
    const [x, y] = [Math.cos(angle) * scale, Math.sin(angle) * flatness * scale];
    return [centre[0] + Math.cos(turn) * x - Math.sin(turn) * y, centre[1] + Math.sin(turn) * x + Math.cos(turn) * y];
  });
}

// Granule id per pixel (0 for a joint), granules bottom first; their areas; and a random order of them.
function pourTile(layout, angle, seed, size) {
  const random = chance(seed);
  const joints = jointsOf(layout, angle, random);
  const ids = new Uint16Array(size * size);
  let count = 0;
  [FLOOR, ...LAYERS].forEach((layer, depth) => {
    for (const granule of scattered(layer, depth ? 0.9 : 0.3, random)) {
      const corners = outline(granule, !depth, random);
      count += 1;
      fillConvex(ids, size, joints ? stoppedAtJoints(joints, granule.centre, corners) : corners, count);
    }
  });
  if (joints) for (const rectangle of jointRectangles(joints)) fillConvex(ids, size, rectangle, 0);
  const areas = new Uint32Array(count + 1);
  for (const id of ids) areas[id] += 1;
  const order = shuffle(Array.from({ length: count }, (_, i) => i + 1), random);
  return { ids, areas, order, size };
}

// Fill a convex polygon in unit coordinates with a value.
function fillConvex(ids, size, corners, value) {
  const ys = corners.map((corner) => corner[1] * size);
  const first = Math.max(0, Math.ceil(Math.min(...ys) - 0.5));
  const last = Math.min(size - 1, Math.floor(Math.max(...ys) - 0.5));
  for (let y = first; y <= last; y += 1) {
    let [low, high] = [Infinity, -Infinity];
    for (let i = 0, j = corners.length - 1; i < corners.length; j = i, i += 1) {
      if (ys[i] <= y + 0.5 !== ys[j] <= y + 0.5) {
        const part = (y + 0.5 - ys[i]) / (ys[j] - ys[i]);
        const x = (corners[i][0] + part * (corners[j][0] - corners[i][0])) * size;
        low = Math.min(low, x);
        high = Math.max(high, x);
      }
    }
    const [from, to] = [Math.max(0, Math.ceil(low - 0.5)), Math.min(size - 1, Math.floor(high - 0.5))];
    if (from <= to) ids.fill(value, y * size + from, y * size + to + 1);
  }
}

// Index into the mix for every granule: colours follow each other along the random order, each as long as its
// share of the visible area lasts. A moved slider so changes few granules.
function granuleColors(tile, shares) {
  const whole = tile.ids.length - tile.areas[0];
  const chosen = new Uint8Array(tile.areas.length);
  let [color, end, used] = [0, shares[0] * whole, 0];
  for (const granule of tile.order) {
    while (color < shares.length - 1 && used + tile.areas[granule] / 2 > end) {
      color += 1;
      end += shares[color] * whole;
    }
    chosen[granule] = color;
    used += tile.areas[granule];
  }
  return chosen;
}

function paintTile(canvas, tile, shares, hexes) {
  const pixels = hexes.map(packed);
  const joint = packed(jointColor(hexes));
  const image = new ImageData(tile.size, tile.size);
  const words = new Uint32Array(image.data.buffer);
  const colors = granuleColors(tile, shares);
  tile.ids.forEach((id, i) => { words[i] = id ? pixels[colors[id]] : joint; });
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// The colour of the joints: the first that is far enough from every colour of the mix.
function jointColor(hexes) {
  const squared = (one, other) => sum([0, 1, 2].map((i) => (channels(one)[i] - channels(other)[i]) ** 2));
  return LIMITS.joints.find(([joint, distance]) => hexes.every((hex) => squared(joint, hex) >= distance ** 2))[0];
}

function channels(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

// An opaque pixel in the byte order of ImageData on little-endian machines.
function packed(hex) {
  const [red, green, blue] = channels(hex);
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}
