// Greys stay grey beside vivid colours, as in `plitka.tile.neutral`: at the edges of neutral granules the colour that
// the lens has spread over them is taken back.

// In place of an index into the mix.
const ON_JOINT = 255;

function neutrality({ lab }) {
  const chroma = Math.hypot(lab[1], lab[2]);
  return Math.min(Math.max((NEUTRAL.VIVID_FROM - chroma) / (NEUTRAL.VIVID_FROM - NEUTRAL.NEUTRAL_TO), 0), 1);
}

// Of each colour of a mix that is neutral, the part of another colour that is left at its edges, and by how much red and
// blue of its own are above its luma; null for one that is not.
function neutralsOf(colors) {
  if (colors.length < 2) return [];
  const found = colors.map((color) => {
    const part = neutrality(color);
    if (!part) return null;
    const pixel = pixelOf(...color.lab);
    const [red, green, blue] = [pixel & 255, (pixel >> 8) & 255, pixel >> 16];
    const luma = lumaOf(red, green, blue);
    return { left: 1 - (1 - NEUTRAL.SPREAD_LEFT) * part, red: red - luma, blue: blue - luma };
  });
  return found.some(Boolean) ? found : [];
}

function lumaOf(red, green, blue) {
  return 0.299 * red + 0.587 * green + 0.114 * blue;
}

// Change rows of a picture in place; `shown` has the index into the mix of each of their pixels.
function* keptNeutral(planes, shown, size, neutrals) {
  if (!neutrals.length) return planes;
  const [reds, greens, blues] = planes;
  const rows = shown.length / size;
  yield* byRows(rows, (y) => {
    for (let x = 0, i = y * size; x < size; x += 1, i += 1) {
      const own = shown[i] === ON_JOINT ? null : neutrals[shown[i]];
      if (!own || !isAtEdge(shown, size, rows, x, y)) continue;
      const luma = lumaOf(reds[i], greens[i], blues[i]);
      const red = own.red + own.left * (reds[i] - luma - own.red);
      const blue = own.blue + own.left * (blues[i] - luma - own.blue);
      reds[i] = luma + red;
      greens[i] = luma - (0.299 * red + 0.114 * blue) / 0.587;
      blues[i] = luma + blue;
    }
  });
  return planes;
}

// Whether the surroundings of a pixel show another colour.
function isAtEdge(shown, size, rows, x, y) {
  const [top, bottom] = [Math.max(y - NEUTRAL.REACH, 0), Math.min(y + NEUTRAL.REACH, rows - 1)];
  const [left, right] = [Math.max(x - NEUTRAL.REACH, 0), Math.min(x + NEUTRAL.REACH, size - 1)];
  const own = shown[y * size + x];
  for (let row = top; row <= bottom; row += 1) {
    for (let at = row * size + left; at <= row * size + right; at += 1) if (shown[at] !== own) return true;
  }
  return false;
}
