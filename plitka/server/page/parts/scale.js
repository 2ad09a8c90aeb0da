// What a picture shows, in millimetres and pixels: completed and checked as `plitka.request.scale` does it, so that the
// page says beside a field what the server would refuse.

// The fields of a request that say it, by their names there; null, or an empty list, stands for the usual.
const SCALE_FIELDS = {
  granule_mm: null, width_mm: null, height_mm: null, tile_mm: null, joint_mm: null, seamless: null, width: null, height: null,
};
const MOST_SIDE_FACTOR = 2;

function usualTile(layout) {
  return LIMITS.tiles[layout] || null;
}

// The scale of a recipe; `width` and `height` are pixels, `tile_mm` is null without joints.
function scaleOf(recipe = state) {
  const layout = layoutDrawn(recipe);
  const isJointed = layout !== "surface";
  const granule = recipe.granule_mm || LIMITS.granule;
  const { width, height } = pixelsOf(recipe);
  const upright = height / width;
  const usual = granule * (isJointed ? LIMITS.jointedGranules : LIMITS.surfaceGranules);
  const wide = recipe.width_mm || (recipe.height_mm ? recipe.height_mm / upright : usual);
  return {
    layout, granule_mm: granule, width_mm: wide, height_mm: recipe.height_mm || wide * upright,
    tile_mm: isJointed ? recipe.tile_mm || usualTile(layout) : null,
    joint_mm: isJointed ? recipe.joint_mm || LIMITS.joint : 0,
    seamless: Boolean(recipe.seamless), width, height,
  };
}

const inSteps = (pixels) => Math.max(1, Math.round(pixels / LIMITS.sideStep)) * LIMITS.sideStep;

// Width and height in pixels of what is asked for, with those that the page asks for where nobody did.
function pixelsOf(recipe) {
  const upright = recipe.width_mm && recipe.height_mm ? recipe.height_mm / recipe.width_mm : 1;
  const asked = askedPixels(recipe);
  if (asked.width && asked.height) return asked;
  if (asked.width || asked.height) {
    const width = asked.width || inSteps(asked.height / upright);
    return { width, height: asked.height || inSteps(width * upright) };
  }
  return usualPixels(upright);
}

function usualPixels(upright) {
  const longer = LENS.FINAL / Math.max(1, upright);
  return { width: inSteps(longer), height: inSteps(longer * upright) };
}

// Pixels are square: where the usual number, rounded to whole steps, would make them a little higher than wide, the
// longer side gets as many more as it takes.
function askedPixels({ width = null, height = null, width_mm: wide, height_mm: high }) {
  if (width || height || !wide || !high) return { width, height };
  const upright = high / wide;
  const usual = usualPixels(upright);
  if (isSquare(upright, usual)) return { width, height };
  for (let side = LENS.FINAL; side < MOST_SIDE_FACTOR * LENS.FINAL; side += LIMITS.sideStep) {
    const [one, other] = upright > 1 ? [inSteps(side / upright), side] : [side, inSteps(side * upright)];
    if (isSquare(upright, { width: one, height: other })) return upright > 1 ? { width, height: side } : { width: side, height };
  }
  return { width, height };
}

function isSquare(upright, { width, height }) {
  return Math.abs((upright * width) / height - 1) <= LIMITS.square;
}

// What of the values, each allowed by itself, does not fit the others, as [field, key, values].
function scaleProblems(recipe = state) {
  const scale = scaleOf(recipe);
  return [...extentProblems(scale), ...tileProblems(scale), ...(scale.seamless && scale.tile_mm ? periodProblems(scale, recipe.angle) : [])];
}

function extentProblems(scale) {
  const least = LIMITS.leastGranules * scale.granule_mm;
  const values = { least: shownMm(least), granule: shownMm(scale.granule_mm) };
  const small = ["width_mm", "height_mm"].filter((name) => scale[name] < least).map((name) => [name, "tooFewGranules", values]);
  const sides = [scale.width, scale.height];
  const [low, high] = LIMITS.sides;
  const granules = (scale.width_mm * scale.height_mm) / scale.granule_mm ** 2;
  if (Math.max(...sides) > LIMITS.largeSide && Math.max(...sides) <= high && granules > LIMITS.mostGranules) {
    const most = shownMm(Math.floor(scale.width_mm * Math.sqrt(LIMITS.mostGranules / granules)));
    small.push(["width_mm", "tooManyGranules", { most, side: LIMITS.largeSide }]);
  }
  if (sides.some((side) => side < low || side > high)) return [...small, ["pixels", "badSides", { low, high }]];
  if (isSquare(scale.height_mm / scale.width_mm, scale)) return small;
  return [...small, ["height_mm", "notSquare", { fits: shownMm((scale.width_mm * scale.height) / scale.width) }]];
}

function tileProblems({ layout, tile_mm: tile, joint_mm: joint }) {
  if (!tile) return [];
  const narrow = Math.min(...tile);
  const wide = joint > narrow / 2 ? [["joint_mm", "jointTooWide", { most: shownMm(narrow / 2) }]] : [];
  return layout === "herringbone" && tile[0] < tile[1] ? [...wide, ["tile_mm", "herringboneAcross", {}]] : wide;
}

function periodProblems({ layout, tile_mm: tile, width_mm: wide, height_mm: high }, angle) {
  const period = periodOf(layout, tile, angle);
  if (!period) return [["seamless", "noPeriod", {}]];
  if (fitsPeriod(wide, period[0]) && fitsPeriod(high, period[1])) return [];
  return [["seamless", "notWholePeriods", { across: shownMm(period[0]), down: shownMm(period[1]) }]];
}

// Millimetres as they are read: no digits that nobody needs.
function shownMm(value) {
  return value.toLocaleString(language, { maximumFractionDigits: 2, useGrouping: false });
}

// "100 × 100 mm", in metres where that is shorter.
function extentText({ width_mm: wide, height_mm: high }) {
  const inMetres = Math.min(wide, high) >= 1000;
  const [one, other] = [wide, high].map((value) => shownMm(inMetres ? value / 1000 : Math.round(10 * value) / 10));
  return text(inMetres ? "extentMetres" : "extentMm", { width: one, height: other });
}

// Fields of the request.
function scaleRequest(recipe) {
  const { width, height } = askedPixels(recipe);
  const isJointed = layoutDrawn(recipe) !== "surface";
  const given = { ...recipe, width, height, ...(isJointed ? {} : { tile_mm: null, joint_mm: null }) };
  const fields = Object.keys(SCALE_FIELDS).filter((name) => given[name]).map((name) => [name, given[name]]);
  return recipe.maps && recipe.maps.length ? [...fields, ["maps", recipe.maps]] : fields;
}
