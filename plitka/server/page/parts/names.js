// Colours by their names: the palette's own, and names in common use that lead to the palette's nearest.

const folded = (name) => name.toLowerCase().replaceAll("ё", "е").replace(/[\s_–—-]/g, "");
const namesOf = (color) => [color.code, color.en, color.ru, ...color.aliases];
// Codes of the nearest colours, nearest first, by names that are in no palette.
const OUTSIDE_NAMES = new Map(OUTSIDE.flatMap(([codes, names]) => names.split(" ").map((name) => [name, codes.split(" ")])));
// A colour outside the palette that the server takes by its name: RAL, CSS.
const namedId = (name) => (Object.hasOwn(NAMED, folded(name)) ? colorId(NAMED[folded(name)]) : null);
// So many letters already tell a name by its start. Of the letters of a misspelled one, these parts may be other ones;
// fewer for a name outside of the palette, since there are so many.
const [LEAST_LETTERS, ALIKE, ALIKE_OUTSIDE] = [4, 1 / 3, 1 / 4];
const MOST_ALIKE = 4;

function colorsNamed(typed) {
  const wanted = folded(typed);
  return PALETTE.filter((color) => namesOf(color).some((name) => folded(name).includes(wanted)));
}

// Up to four colours of the palette for a name that none of them has, best first. `key` says what they are:
// "nearest" to a colour outside of the palette, or "noMatchAlike" where the names are spelled nearly so.
function similarColors(typed) {
  const wanted = folded(typed);
  const outside = OUTSIDE_NAMES.get(wanted) || (wanted.length >= LEAST_LETTERS && startedBy(wanted));
  if (outside) return { key: "nearest", colors: outside.map((code) => BY_CODE.get(code)) };
  const near = PALETTE.map((color) => [farFrom(wanted, namesOf(color).map(folded)), color]).sort(([one], [other]) => one - other);
  const [far, name] = [...OUTSIDE_NAMES.keys()].map((one) => [farFrom(wanted, [one]), one]).reduce((best, one) => (one[0] < best[0] ? one : best));
  if (far <= ALIKE_OUTSIDE && far < near[0][0]) return { key: "nearest", colors: OUTSIDE_NAMES.get(name).map((code) => BY_CODE.get(code)) };
  const colors = near.filter(([distance]) => distance <= ALIKE).slice(0, MOST_ALIKE).map(([, color]) => color);
  return { key: colors.length ? "noMatchAlike" : "noMatch", colors };
}

function startedBy(wanted) {
  const name = [...OUTSIDE_NAMES.keys()].filter((one) => one.startsWith(wanted)).sort((one, other) => one.length - other.length)[0];
  return OUTSIDE_NAMES.get(name);
}

// The part of a name's letters that are other ones, for the likest of several.
function farFrom(wanted, names) {
  return Math.min(...names.map((name) => edits(wanted, name) / Math.max(name.length, 3)));
}

// Letters to put in, take out or change to make one word of another (Levenshtein).
function edits(one, other) {
  let row = Array.from({ length: other.length + 1 }, (_, i) => i);
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      next.push(Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (one[i - 1] !== other[j - 1])));
    }
    row = next;
  }
  return row[other.length];
}
