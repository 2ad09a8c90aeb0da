// From light to colour in the live picture: `plitka.tile.shading`, with its constants. Colours are CIELAB (D65).

const WHITE = [0.950456, 1, 1.088754];
// To X, Y and Z as parts of white.
const TO_XYZ = [[0.412453, 0.35758, 0.180423], [0.212671, 0.71516, 0.072169], [0.019334, 0.119193, 0.950227]].map((row, i) => row.map((value) => value / WHITE[i]));
const TO_RGB = [[3.240479, -1.53715, -0.498535], [-0.969256, 1.875991, 0.041556], [0.055648, -0.204043, 1.057311]];
// The same by letters, from parts of white: a list in a list is slow to read, and ramps have many pixels.
const [[RX, RY, RZ], [GX, GY, GZ], [BX, BY, BZ]] = TO_RGB.map((row) => row.map((value, i) => value * WHITE[i]));
const ENCODED_STEPS = 4096;
// Steps of a colour's table of a* and b*: so many for one of L*.
const TABLE_STEPS = 4;
// The part of a* and b* that is left under each veil of white light.
const VEILED = Array.from({ length: PAINT.VEILS }, (_, veil) => 1 - TONE.VEIL_STEP * (veil - (PAINT.VEILS - 1) / 2));

// Linear light of an sRGB byte, and the sRGB byte of 0 to 1 in steps.
const LINEAR = Float64Array.from({ length: 256 }, (_, i) => (i <= 10 ? i / 255 / 12.92 : ((i / 255 + 0.055) / 1.055) ** 2.4));
const ENCODED = Uint8Array.from({ length: ENCODED_STEPS + 1 }, (_, i) => {
  const value = i / ENCODED_STEPS;
  return Math.round(255 * (value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055));
});

// Lab of linear light, and back, into three places of an array.
function putLab(red, green, blue, into, at) {
  const [x, y, z] = [rooted(TO_XYZ[0], red, green, blue), rooted(TO_XYZ[1], red, green, blue), rooted(TO_XYZ[2], red, green, blue)];
  into[at] = 116 * y - 16;
  into[at + 1] = 500 * (x - y);
  into[at + 2] = 200 * (y - z);
}

function rooted(row, red, green, blue) {
  const part = row[0] * red + row[1] * green + row[2] * blue;
  return part > 0.008856 ? Math.cbrt(part) : 7.787 * part + 16 / 116;
}

function putLinear(lightness, a, b, into, at) {
  const y = (lightness + 16) / 116;
  const [x1, y1, z1] = [cubed(y + a / 500), cubed(y), cubed(y - b / 200)];
  into[at] = RX * x1 + RY * y1 + RZ * z1;
  into[at + 1] = GX * x1 + GY * y1 + GZ * z1;
  into[at + 2] = BX * x1 + BY * y1 + BZ * z1;
}

function cubed(value) {
  return value > 0.206893 ? value * value * value : (value - 16 / 116) / 7.787;
}

function encoded(linear) {
  return linear <= 0 ? 0 : linear >= 1 ? 255 : ENCODED[(linear * ENCODED_STEPS + 0.5) | 0];
}

// The pixel of a Lab colour, red in the lowest byte.
function pixelOf(lightness, a, b) {
  const y = (lightness + 16) / 116;
  const [x1, y1, z1] = [cubed(y + a / 500), cubed(y), cubed(y - b / 200)];
  return encoded(RX * x1 + RY * y1 + RZ * z1) | (encoded(GX * x1 + GY * y1 + GZ * z1) << 8) | (encoded(BX * x1 + BY * y1 + BZ * z1) << 16);
}

function putLabOfBytes(red, green, blue, into, at) {
  putLab(LINEAR[red], LINEAR[green], LINEAR[blue], into, at);
}

const rubbers = new Map();

// A colour of the mix: mean, the 5th and 95th percentile of its L*, its linear light, and its a* and b* at every L* in
// steps. A hex colour has the percentiles of the palette's nearest, as far from its own mean.
function rubberOf(id) {
  if (!rubbers.has(id)) {
    const rubber = BY_CODE.has(id) ? { ...BY_CODE.get(id) } : rubberOfHex(id);
    const linear = [0, 0, 0];
    putLinear(...rubber.lab, linear, 0);
    rubber.linear = linear.map((value) => Math.max(value, TONE.LEAST_CHANNEL));
    rubbers.set(id, { ...rubber, table: chromaTable(rubber) });
  }
  return rubbers.get(id);
}

function rubberOfHex(hex) {
  const lab = [0, 0, 0];
  putLabOfBytes(...channels(hex), lab, 0);
  const far = (color) => sum(color.lab.map((value, i) => (value - lab[i]) ** 2));
  const nearest = PALETTE.reduce((best, color) => (far(color) < far(best) ? color : best));
  return { lab, lightness: nearest.lightness.map((bound) => Math.min(Math.max(lab[0] + bound - nearest.lab[0], 0), 100)) };
}

// How much a granule of the colour shines.
function shineOf({ lab: [lightness, a, b] }) {
  const matt = Math.min(1, lightness / PAINT.MATT_FROM);
  return PAINT.GLOSS * (1 - matt) * (Math.hypot(a, b) > PAINT.VIVID ? PAINT.VIVID_GLOSS : 1);
}

// How much of its gaps' light a granule of the colour makes: 0 to 1.
function palenessOf({ lab: [lightness] }) {
  const [dark, pale] = PAINT.PALE;
  return Math.min(Math.max((lightness - dark) / (pale - dark), 0), 1);
}

const brightnessOf = (linear) => sum(linear.map((value, i) => value * TONE.LUMINANCE[i]));

// The colours of a mix with the 5th percentile of L* that their neighbours make: shade is light that neighbours have
// reflected, and among other colours less of it has the granule's own.
function amongNeighbours(colors, shares) {
  const around = [0, 1, 2].map((i) => sum(colors.map(({ linear }, color) => shares[color] * linear[i])));
  return colors.map((color) => {
    const { linear, lightness: [low, high] } = color;
    const kept = brightnessOf(linear.map((value, i) => value * around[i])) / brightnessOf(linear.map((value) => value ** 2));
    const deeper = TONE.NEIGHBOURS_TAKE * Math.max(1 - kept, 0);
    return { ...color, lightness: [Math.max(low - deeper, Math.min(low, TONE.DARKEST)), high] };
  });
}

// The shades of a colour at the 256 levels of light, Lab one after the other, and how often each falls on it.
function shadesOf(color, light) {
  const all = sum([...light]);
  const [ranks, lightness] = lightnessLaw(color);
  const [frequency, shades] = [new Float64Array(256), new Float64Array(3 * 256)];
  let [below, next] = [0, 1];
  for (let level = 0; level < 256; level += 1) {
    frequency[level] = light[level] / all;
    const rank = below + frequency[level] / 2;
    below += frequency[level];
    while (next < ranks.length - 1 && ranks[next] < rank) next += 1;
    const part = (rank - ranks[next - 1]) / (ranks[next] - ranks[next - 1]);
    putShade(color, lightness[next - 1] + Math.min(part, 1) * (lightness[next] - lightness[next - 1]), shades, 3 * level);
  }
  return { frequency, shades };
}

function putShade({ table }, lightness, into, at) {
  const place = Math.min(lightness * TABLE_STEPS, 100 * TABLE_STEPS - 1);
  const low = Math.floor(place);
  into[at] = lightness;
  for (let i = 0; i < 2; i += 1) into[at + 1 + i] = table[2 * low + i] + (place - low) * (table[2 * low + 2 + i] - table[2 * low + i]);
}

// Shades moved so that their mean, weighted by how often they are seen, is `mean` as far as the gamut allows.
function shadesAround({ frequency, shades }, mean) {
  const [moved, shown] = [shades.slice(), [0, 0, 0]];
  const lab = [0, 0, 0];
  for (let round = 0; round < 3; round += 1) {
    shown.fill(0);
    for (let level = 0; level < 256; level += 1) {
      if (!frequency[level]) continue;
      const pixel = pixelOf(moved[3 * level], moved[3 * level + 1], moved[3 * level + 2]);
      putLabOfBytes(pixel & 255, (pixel >> 8) & 255, pixel >> 16, lab, 0);
      for (let i = 0; i < 3; i += 1) shown[i] += frequency[level] * lab[i];
    }
    for (let i = 0; i < moved.length; i += 1) moved[i] += mean[i % 3] - shown[i % 3];
  }
  return moved;
}

// Fill a ramp with shades, batch after batch and in each veil after veil: 256 pixels each.
// Batches of a colour differ a little in tint.
function fillRamp(ramp, at, shades, tints, veiled) {
  const length = 256 * veiled.length;
  tints.forEach(([a, b], batch) => {
    const start = at + length * batch;
    if (batch && a === tints[batch - 1][0] && b === tints[batch - 1][1]) {
      ramp.copyWithin(start, start - length, start);
      return;
    }
    veiled.forEach((part, veil) => {
      for (let level = 0; level < 256; level += 1) {
        ramp[start + 256 * veil + level] = pixelOf(shades[3 * level], part * shades[3 * level + 1] + a, part * shades[3 * level + 2] + b);
      }
    });
  });
}

function tintsOf({ lab }) {
  const [neutral, vivid] = TONE.BATCH_TINTS;
  const reach = neutral + (vivid - neutral) * Math.min(Math.hypot(lab[1], lab[2]) / TONE.VIVID, 1);
  return Array.from({ length: PAINT.BATCHES }, (_, batch) => {
    const turn = (2 * Math.PI * (batch + 0.5)) / PAINT.BATCHES;
    return [reach * Math.cos(turn), reach * Math.sin(turn)];
  });
}

function jointShades() {
  const [darkest, palest] = TONE.JOINT_LIGHTNESS;
  return Float64Array.from({ length: 3 * 256 }, (_, i) => (i % 3 ? 0 : darkest + ((palest - darkest) * i) / (3 * 255)));
}

// a* and b* of a colour at every L*: shade is saturated, what is brighter than a lit facet is white gloss.
function chromaTable({ lab, linear }) {
  const neutral = (TONE.VIVID_FROM - Math.hypot(lab[1], lab[2])) / (TONE.VIVID_FROM - TONE.NEUTRAL_TO);
  const forWhite = TONE.BOUNCES[1] * (1 + TONE.NEUTRAL_BOUNCES * Math.min(Math.max(neutral, 0), 1));
  const bounces = TONE.BOUNCES[0] + forWhite * brightnessOf(linear) ** TONE.BOUNCES_POWER;
  const lit = luminanceOf(Math.min(lab[0] * TONE.LIT, 99));
  const [table, found] = [new Float64Array(2 * (100 * TABLE_STEPS + 1)), [0, 0, 0]];
  for (let step = 0; step <= 100 * TABLE_STEPS; step += 1) {
    const lightness = step / TABLE_STEPS;
    const shade = Math.min(Math.max(1 - lightness / Math.max(lab[0], 1), TONE.BOUNCES_ABOVE), 1);
    const saturated = linear.map((value) => value ** (1 + bounces * shade));
    const luminance = luminanceOf(lightness);
    const gloss = Math.max(luminance - lit, 0) * TONE.GLOSS_PART;
    const part = (luminance - gloss) / brightnessOf(saturated);
    putLab(...saturated.map((value) => Math.min(value * part + gloss, 1)), found, 0);
    table.set([found[1], found[2]], 2 * step);
  }
  return table;
}

// Ranks of light, 0 to 1, and L* of the colour at them.
function lightnessLaw({ lab, lightness: [low, high] }) {
  const reach = Math.max(high - low, 1);
  const way = TONE.TONE_CURVE.map(([whole, mean, own]) => whole + (mean * (lab[0] - low)) / reach + (own * lab[0]) / 100);
  // The law of the darkest is not exact for black: none of them is lighter than what is in more light.
  for (let i = TONE.PERCENTILES.indexOf(0.05) - 1; i >= 0; i -= 1) way[i] = Math.min(way[i], way[i + 1]);
  const ends = [...way, way[way.length - 1] + TONE.BEYOND];
  let highest = 0;
  const rising = ends.map((part) => {
    highest = Math.max(highest, Math.min(Math.max(low + reach * part, 0.5), 99.5));
    return highest;
  });
  return [[...TONE.PERCENTILES, 1], rising];
}

function luminanceOf(lightness) {
  return lightness > 8 ? ((lightness + 16) / 116) ** 3 : lightness / 903.3;
}

function channels(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}
