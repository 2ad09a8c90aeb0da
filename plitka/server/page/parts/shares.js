// Shares of a mix in whole units of a tenth of a per cent, so that their sum is 100 % and never nearly 100 %.

const WHOLE = 1000;
const LEAST = 1;

// The units of a mix after one colour is set to `wanted`: locked colours stay, the others keep their ratios.
function rebalanced(colors, index, wanted) {
  const others = colors.map((color, i) => i).filter((i) => i !== index && !colors[i].locked);
  const units = colors.map((color) => color.units);
  if (!others.length) return units;
  units[index] = Math.min(Math.max(Math.round(wanted), LEAST), mostUnits(colors, index));
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

// `total` divided into whole units by weight, at least LEAST each, by largest remainder.
function divided(total, weights) {
  const spare = total - weights.length * LEAST;
  const over = weights.map((weight) => Math.max(weight - LEAST, 0));
  const all = sum(over);
  const exact = over.map((weight) => (all ? (spare * weight) / all : spare / weights.length));
  const units = exact.map((value) => Math.floor(value) + LEAST);
  const byRemainder = exact.map((value, i) => i).sort((a, b) => (exact[b] % 1) - (exact[a] % 1) || a - b);
  for (let left = total - sum(units), i = 0; left > 0; left -= 1, i += 1) units[byRemainder[i]] += 1;
  return units;
}

// A colour more: it takes an even part of what is not locked. Where that is too little, all locks are opened.
function withColor(colors, id) {
  const loose = colors.filter((color) => !color.locked);
  const room = sum(loose.map((color) => color.units));
  if (room < (loose.length + 1) * LEAST) return withColor(unlocked(colors), id);
  const added = [...colors, { id, units: 0, locked: false }];
  return withUnits(added, rebalanced(added, colors.length, room / (loose.length + 1)));
}

// A colour less: what it had goes to the others.
function withoutColor(colors, index) {
  let rest = colors.filter((color, i) => i !== index);
  if (rest.every((color) => color.locked)) rest = unlocked(rest);
  const loose = rest.filter((color) => !color.locked);
  const room = WHOLE - sum(rest.filter((color) => color.locked).map((color) => color.units));
  const units = divided(room, loose.map((color) => color.units));
  return rest.map((color) => (color.locked ? color : { ...color, units: units[loose.indexOf(color)] }));
}

function evenly(colors) {
  return withUnits(unlocked(colors), divided(WHOLE, colors.map(() => LEAST)));
}

function unlocked(colors) {
  return colors.map((color) => ({ ...color, locked: false }));
}

function withUnits(colors, units) {
  return colors.map((color, i) => ({ ...color, units: units[i] }));
}

function percent(color) {
  return color.units / 10;
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
