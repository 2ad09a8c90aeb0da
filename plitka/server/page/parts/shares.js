// Shares of a mix in units of a tenth of a per cent. Sliders move whole units, so that their sum is 100 % and never
// nearly 100 %; a number that was typed is kept as it is, and no other share moves for it.

const WHOLE = 1000;
const LEAST = 1;

// The units of a mix after a slider sets one colour to `wanted`: locked colours stay, the others keep their ratios.
function rebalanced(colors, index, wanted) {
  const others = colors.map((color, i) => i).filter((i) => i !== index && !colors[i].locked);
  const units = colors.map((color) => color.units);
  const most = mostUnits(colors, index);
  if (!others.length || most < LEAST) return units;
  units[index] = Math.min(Math.max(Math.round(wanted), LEAST), most);
  const left = WHOLE - units[index] - lockedUnits(colors, index);
  const shared = divided(left, others.map((i) => colors[i].units));
  others.forEach((i, position) => { units[i] = shared[position]; });
  return units;
}

// The most that one colour can have: the others keep what is locked, and at least LEAST each.
function mostUnits(colors, index) {
  const loose = colors.filter((color, i) => i !== index && !color.locked);
  return WHOLE - lockedUnits(colors, index) - loose.length * LEAST;
}

function lockedUnits(colors, index) {
  return sum(colors.filter((color, i) => i !== index && color.locked).map((color) => color.units));
}

// `total` divided into whole units by weight, at least LEAST each, by largest remainder. What a total has beyond
// whole units goes to the largest.
function divided(total, weights) {
  const whole = Math.floor(rounded(total));
  const spare = whole - weights.length * LEAST;
  const over = weights.map((weight) => Math.max(weight - LEAST, 0));
  const all = sum(over);
  const exact = over.map((weight) => (all ? (spare * weight) / all : spare / weights.length));
  const units = exact.map((value) => Math.floor(value) + LEAST);
  const byRemainder = exact.map((value, i) => i).sort((a, b) => (exact[b] % 1) - (exact[a] % 1) || a - b);
  for (let left = whole - sum(units), i = 0; left > 0; left -= 1, i += 1) units[byRemainder[i]] += 1;
  const largest = units.indexOf(Math.max(...units));
  units[largest] = rounded(units[largest] + total - whole);
  return units;
}

// What is missing of 100 %, below 0 where there is too much; 0 where the server counts the sum as 100 %.
function missingUnits(colors) {
  const missing = rounded(WHOLE - sum(colors.map((color) => color.units)));
  return Math.abs(missing) <= LIMITS.sumTolerance * 10 ? 0 : missing;
}

// One share as it was typed, per cent, to the last digit; every other stays.
function withTyped(colors, index, share) {
  return colors.map((color, i) => (i === index ? { ...color, units: rounded(share * 10), typed: share } : color));
}

function isTyped(color) {
  return typeof color.typed === "number";
}

// A colour more: it takes what is missing of 100 %, else an even part of the shares that are neither locked nor typed,
// else an even part beyond 100 %.
function withColor(colors, id) {
  const missing = missingUnits(colors);
  const loose = colors.filter((color) => !color.locked && !isTyped(color));
  const room = sum(loose.map((color) => color.units));
  if (missing >= LEAST) return [...colors, newColor(id, missing)];
  const isRoom = missing === 0 && room >= (loose.length + 1) * LEAST;
  if (!isRoom) return [...colors, newColor(id, Math.round(WHOLE / (colors.length + 1)))];
  const [own, ...shared] = divided(room, [room / loose.length, ...loose.map((color) => color.units)]);
  const given = colors.map((color) => (loose.includes(color) ? { ...color, units: shared[loose.indexOf(color)] } : color));
  return [...given, newColor(id, own)];
}

function newColor(id, units) {
  return { id, units, locked: false, typed: false };
}

// A colour less: what it had goes to those that are neither locked nor typed; a colour alone is the whole tile.
function withoutColor(colors, index) {
  const rest = colors.filter((color, i) => i !== index);
  if (rest.length === 1) return [newColor(rest[0].id, WHOLE)];
  const loose = rest.filter((color) => !color.locked && !isTyped(color));
  const room = WHOLE - sum(rest.filter((color) => !loose.includes(color)).map((color) => color.units));
  if (!loose.length || room < loose.length * LEAST || missingUnits(colors) !== 0) return rest;
  const units = divided(room, loose.map((color) => color.units));
  return rest.map((color) => (loose.includes(color) ? { ...color, units: units[loose.indexOf(color)] } : color));
}

function evenly(colors) {
  return moved(unlocked(colors), divided(WHOLE, colors.map(() => LEAST)));
}

// All shares by one factor, so that they sum to 100 %; locked ones stay where the others have room.
function normalised(colors) {
  const loose = colors.filter((color) => !color.locked);
  const room = WHOLE - sum(colors.filter((color) => color.locked).map((color) => color.units));
  if (!loose.length || room < loose.length * LEAST) return normalised(unlocked(colors));
  const units = divided(room, loose.map((color) => color.units));
  return moved(colors, colors.map((color) => (color.locked ? color.units : units[loose.indexOf(color)])));
}

function unlocked(colors) {
  return colors.map((color) => ({ ...color, locked: false }));
}

// The shares that a slider or a button set: nobody typed them.
function moved(colors, units) {
  return colors.map((color, i) => ({ ...color, units: units[i], typed: color.units === units[i] ? color.typed : false }));
}

function percent(color) {
  return isTyped(color) ? color.typed : Math.round(color.units * 1e5) / 1e6;
}

function rounded(units) {
  return Math.round(units * 1e5) / 1e5;
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
