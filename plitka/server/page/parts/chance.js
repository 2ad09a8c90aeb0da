// Chance from a seed, and noise made of it: the same on every machine.

const TWO_32 = 2 ** 32;
// Mean and deviation of the sum of four bytes, which is nearly normal.
const [BYTES_MEAN, BYTES_DEVIATION] = [510, 147.8];
// OpenCV's cubic convolution.
const CUBIC = -0.75;
const ROWS_AT_ONCE = 16;

// Whole numbers below 2^32 from a seed (mulberry32); streams of one seed have nothing to do with each other.
function dice(seed, stream) {
  let state = Math.imul(Number(BigInt(seed) % 4294967291n) ^ Math.imul(stream + 1, 0x9e3779b9), 0x85ebca6b) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

function uniform(roll) {
  return roll() / TWO_32;
}

function normal(roll) {
  const bits = roll();
  return ((bits & 255) + ((bits >>> 8) & 255) + ((bits >>> 16) & 255) + (bits >>> 24) - BYTES_MEAN) / BYTES_DEVIATION;
}

function normals(roll, count, deviation) {
  const made = new Float32Array(count);
  for (let i = 0; i < count; i += 1) made[i] = deviation * normal(roll);
  return made;
}

function shuffle(list, roll) {
  for (let i = list.length - 1; i > 0; i -= 1) {
    const j = Math.floor(uniform(roll) * (i + 1));
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}

// Long work is written as generators that yield every few milliseconds, so that whoever runs them can let the page
// breathe.
function* byRows(rows, work) {
  for (let y = 0; y < rows; y += 1) {
    work(y);
    if (y % ROWS_AT_ONCE === ROWS_AT_ONCE - 1) yield;
  }
}

// A square of normal noise: bumps across it and deviation of each octave.
function* noise(roll, octaves, size) {
  let [plane, side] = [new Float32Array(1), 1];
  for (const [bumps, deviation] of [...octaves].sort((one, other) => one[0] - other[0])) {
    plane = yield* resized(plane, side, bumps);
    side = bumps;
    yield* byRows(side, (y) => {
      for (let i = y * side; i < (y + 1) * side; i += 1) plane[i] += deviation * normal(roll);
    });
  }
  return yield* resized(plane, side, size);
}

// A square of numbers in another size, by cubic interpolation.
function* resized(plane, from, to) {
  if (from === 1) return new Float32Array(to * to).fill(plane[0]);
  const { at, weights } = cubicTaps(from, to);
  const wide = new Float32Array(from * to);
  yield* byRows(from, (y) => stretchRow(plane.subarray(y * from, (y + 1) * from), wide.subarray(y * to, (y + 1) * to), at, weights));
  const made = new Float32Array(to * to);
  yield* byRows(to, (y) => {
    const rows = [0, 1, 2, 3].map((tap) => wide.subarray(at[4 * y + tap] * to, (at[4 * y + tap] + 1) * to));
    mixRows(rows, weights.subarray(4 * y, 4 * y + 4), made.subarray(y * to, (y + 1) * to));
  });
  return made;
}

// Of each place, the four neighbours and their weights; beyond the border the last one counts again.
function cubicTaps(from, to) {
  const [at, weights] = [new Int32Array(4 * to), new Float32Array(4 * to)];
  for (let i = 0; i < to; i += 1) {
    const place = ((i + 0.5) * from) / to - 0.5;
    const first = Math.floor(place);
    const part = place - first;
    const outer = (x) => CUBIC * (x ** 3 - 5 * x ** 2 + 8 * x - 4);
    const inner = (x) => (CUBIC + 2) * x ** 3 - (CUBIC + 3) * x ** 2 + 1;
    weights.set([outer(part + 1), inner(part), inner(1 - part), outer(2 - part)], 4 * i);
    for (let tap = 0; tap < 4; tap += 1) at[4 * i + tap] = Math.min(Math.max(first - 1 + tap, 0), from - 1);
  }
  return { at, weights };
}

function stretchRow(row, made, at, weights) {
  for (let x = 0, i = 0; x < made.length; x += 1, i += 4) {
    made[x] = weights[i] * row[at[i]] + weights[i + 1] * row[at[i + 1]] + weights[i + 2] * row[at[i + 2]] + weights[i + 3] * row[at[i + 3]];
  }
}

function mixRows([r0, r1, r2, r3], [w0, w1, w2, w3], made) {
  for (let x = 0; x < made.length; x += 1) made[x] = w0 * r0[x] + w1 * r1[x] + w2 * r2[x] + w3 * r3[x];
}
