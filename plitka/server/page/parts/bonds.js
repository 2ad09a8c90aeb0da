// Layouts with joints, as in `plitka.request.bonds` and `plitka.tile.joints`: outlines of tiles, how they repeat, and
// after which width and height. Lengths are in millimetres.

// Of a layout with joints, one tile of each orientation, two vectors that repeat them, and where on a joint the
// picture's middle is.
function bondOf(layout, [length, height]) {
  const middle = (LIMITS.middle[layout] || 0) * length;
  return { outlines: outlinesOf(layout, length, height), lattice: latticeOf(layout, length, height), middle };
}

// The same with lengths in parts of `side`.
function bondOn(layout, tile, side) {
  const { outlines, lattice, middle } = bondOf(layout, tile);
  const parts = (points) => points.map(([x, y]) => [x / side, y / side]);
  return { outlines: outlines.map(parts), lattice: parts(lattice), middle: middle / side };
}

function outlinesOf(layout, length, height) {
  const [half, quarter] = [length / 2, height / 4];
  if (layout === "hexagon") return [[[half, quarter], [half, 3 * quarter], [0, height], [-half, 3 * quarter], [-half, quarter], [0, 0]]];
  if (layout === "puzzle") return [puzzleTile(length, height)];
  const lying = rectangle(0, 0, length, height);
  return layout === "herringbone" ? [lying, rectangle(length, height - length, height, length)] : [lying];
}

function latticeOf(layout, length, height) {
  if (layout === "brick") return [[length, 0], [length / 2, height]];
  if (layout === "hexagon") return [[length, 0], [length / 2, (height * 3) / 4]];
  if (layout === "herringbone") return [[height, height], [length, -length]];
  return [[length, 0], [0, height]];
}

function rectangle(left, bottom, width, height) {
  return [[0, 0], [width, 0], [width, height], [0, height]].map(([x, y]) => [left + x, bottom + y]);
}

function puzzleTile(length, height) {
  const lower = knobbedEdge(length);
  const left = knobbedEdge(height).map(([x, y]) => [y, x]);
  const upper = lower.map(([x, y]) => [x, y + height]).reverse();
  const right = left.map(([x, y]) => [x + length, y]);
  return [lower, right, upper, left.reverse()].flatMap((edge) => edge.slice(0, -1));
}

// An edge along the first axis, its knobs along the second.
function knobbedEdge(length) {
  const { PUZZLE_CORNER, KNOB_MM, KNOB_HEIGHT, KNOB_HEAD, KNOB_POINTS } = KNOBS;
  const straight = PUZZLE_CORNER * length;
  const knobs = Math.max(1, Math.round((length - 2 * straight) / KNOB_MM));
  const unit = (length - 2 * straight) / knobs;
  const curve = Array.from({ length: knobs * KNOB_POINTS + 1 }, (_, i) => {
    const at = i / KNOB_POINTS;
    const along = at + KNOB_HEAD * Math.sin(4 * Math.PI * at);
    return [along * unit + straight, ((KNOB_HEIGHT * (1 - Math.cos(2 * Math.PI * at))) / 2) * unit];
  });
  return [[0, 0], ...curve, [length, 0]];
}

// The smallest width and height after which joints at this angle repeat; null where they do not within 40 tiles.
function periodOf(layout, [length, height], degrees) {
  const [[p1, q1], [p2, q2]] = latticeOf(layout, length, height);
  const turn = (degrees * Math.PI) / 180;
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
  const least = [Infinity, Infinity];
  for (let i = -LIMITS.farthest; i <= LIMITS.farthest; i += 1) {
    for (let j = -LIMITS.farthest; j <= LIMITS.farthest; j += 1) {
      const [p, q] = [i * p1 + j * p2, i * q1 + j * q2];
      const [x, y] = [p * cos + q * sin, q * cos - p * sin];
      if (x > 1e-9 && Math.abs(y) < LIMITS.tolerance) least[0] = Math.min(least[0], x);
      if (y > 1e-9 && Math.abs(x) < LIMITS.tolerance) least[1] = Math.min(least[1], y);
    }
  }
  return least.every(Number.isFinite) ? least : null;
}

// Whether a width or height is a multiple of a period.
function fitsPeriod(extent, period) {
  const times = Math.round(extent / period);
  return times >= 1 && Math.abs(extent - times * period) <= LIMITS.tolerance;
}
