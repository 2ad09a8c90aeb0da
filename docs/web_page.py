"""Put the web page together: one file that needs nothing else, of the parts in `plitka/server/page/parts/`.

A part is inserted where `page.html` says `<!-- insert: NAME -->`; `data` is what the code itself knows, the
palette, the limits of a request and the figures of the rubber, as JavaScript constants.
"""

import dataclasses
import re
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import numpy as np
from request_blocks import DIFFUSION_ENGINES

from plitka.choices import CONTROL_KINDS, FAST, MAP_NAMES, ColorLock, Layout
from plitka.colors.mix import MIN_SHARE, ROUNDING
from plitka.colors.palette import PALETTE
from plitka.order import material
from plitka.order.amounts import SHARE_PARTS
from plitka.order.report import BINDER, CSV_HEADER, GRANULES, TO_ORDER
from plitka.output.sheet_words import WORDS
from plitka.request import order
from plitka.request.bonds import DEFAULT_TILE_MM, FARTHEST, TOLERANCE
from plitka.request.controlnets import MAX_CONTROLNETS, SCALE
from plitka.request.fields import EXTENT_MM, GRANULE_MM, JOINT_MM, MAX_COLORS, MAX_SEED, TILE_MM, VARIANTS
from plitka.request.logo import MAX_LOGO_BYTES
from plitka.request.overrides import DEFAULT_COLOR_GUIDANCE, DEFAULT_COLOR_LOCK, MAX_PROMPT_CHARACTERS
from plitka.request.profiles import PROFILES
from plitka.request.prompt_templates import DEFAULT_TEMPLATE, TEMPLATES
from plitka.request.proportions import SUM_TOLERANCE
from plitka.request.scale import (
    DEFAULT_GRANULE_MM,
    DEFAULT_JOINT_MM,
    DEFAULT_SIDE,
    GRADING_MM,
    JOINTED_GRANULES,
    LARGE_SIDE,
    LEAST_GRANULES,
    MOST_GRANULES,
    SIDE_STEP,
    SIDES,
    SQUARE,
    SURFACE_GRANULES,
)
from plitka.request.sheet import MAX_SHEET_TEXT
from plitka.request.tile_request import DEFAULT_QUALITY
from plitka.server.page_palette import (
    ADAPTERS,
    CONTROLNETS,
    QUALITIES,
    javascript,
    named_constants,
    palette_constants,
)
from plitka.tile import (
    camera,
    canvas,
    chance,
    granules,
    joints,
    lens,
    light,
    neutral,
    occlusion,
    relief,
    rims,
    shading,
    swatch,
)
from plitka.tile.canvas import GRANULES_ACROSS
from plitka.tile.colormap import JOINTS
from plitka.tile.joints import MIDDLE
from plitka.tile.shards import shard_library
from plitka.weights.manifest import engine_models

PARTS = Path(__file__).resolve().parents[1] / "plitka/server/page/parts"
# Of the library's shapes, as many as an eye does not know again, and their unit, a part of the mean radius.
SHARDS = 64
SHARD_UNIT = 0.01
# What the live picture takes from the code that draws rubber: of each module, figures by their names there.
RUBBER: dict[str, dict[ModuleType, str]] = {
    "HEAP": {granules: "LAYERS UNEVENNESS MARGIN", relief: "TEARS CURVATURE"},
    "LIGHT": {
        light: """STEEPNESS ROUGHNESS LEVEL_ROUGHNESS TORN_ROUGHNESS PRESSED_FROM PRESSED NARROW GLOSS_SHADE
            VEIL_OF_GLOSS""",
        occlusion: """OCCLUSION CONTACTS OPENNESS POCKETS POCKETS_FROM POCKETS_WEIGHT CREASE REFLECTED
            PALE_CONTACT""",
        chance: """GRANULE_VARIATION FACET_VARIATION HOLLOWS HOLLOWS_SIZE TILE_VARIATION ROUGHNESS_SPREAD
            GRAIN WAVES PATCHES GLOSS_SPREAD VEIL_PATCHES""",
    },
    "RIMS": {
        rims: """BEVEL BEVEL_DEPTH LIT_EDGE GAP_RIM GAP_DEPTH GAP_UNEVENNESS BUMPS CRUMB_BUMPS CRUMB_REACH
            CRUMBS_FROM"""
    },
    "TONE": {
        shading: """PERCENTILES TONE_CURVE BEYOND BOUNCES BOUNCES_POWER NEUTRAL_BOUNCES NEUTRAL_TO VIVID_FROM
            BOUNCES_ABOVE LIT GLOSS_PART VEIL_STEP LEAST_CHANNEL NEIGHBOURS_TAKE DARKEST BATCH_TINTS VIVID
            JOINT_LIGHTNESS LUMINANCE"""
    },
    "PAINT": {
        swatch: """GLOSS MATT_FROM VIVID_GLOSS VIVID PALE DARKEST BRIGHTEST SAMPLED PRIOR_PIXELS BAND_PART
            STEADY ROUNDS MAY_BE_OFF BY_CHROMA EDGES_MAY_TINT BATCHES VEILS VARIANTS""",
        canvas: "OVERSAMPLING",
    },
    "NEUTRAL": {neutral: "SPREAD_LEFT NEUTRAL_TO VIVID_FROM REACH"},
    "LENS": {
        camera: "BLUR SHARPENING SHARPENED_OVER GRAIN",
        lens: "SHARPENED_FROM FOCUSED_ON DEPTH_OF_FIELD TILTS TILT LEAST_FOCUS MOST_FOCUS",
    },
    "KNOBS": {joints: "PUZZLE_CORNER KNOB_MM KNOB_HEIGHT KNOB_HEAD KNOB_POINTS"},
}
INSERT = re.compile(r"^<!-- insert: (?P<name>[a-z.]+) -->$", re.MULTILINE)


def web_page() -> str:
    """The whole page. Raises FileNotFoundError for a part that `page.html` names and nobody wrote."""
    skeleton = (PARTS / "page.html").read_text(encoding="utf-8")
    return INSERT.sub(lambda match: _part(match["name"]), skeleton)


def page_data() -> dict[str, Any]:
    """What the page knows from the code: every palette colour, and what a request may say."""
    # What is printed is what the server's PDF has.
    sheet = {"text": MAX_SHEET_TEXT, "logo": MAX_LOGO_BYTES}
    rubber = {
        name: {figure: value for module, names in parts.items() for figure, value in _figures(module, names)}
        for name, parts in RUBBER.items()
    }
    rubber["LENS"]["FINAL"] = DEFAULT_SIDE
    colors = palette_constants(PALETTE)
    return {
        "PALETTE": colors["PALETTE"],
        # The operator's, put in where the page is served.
        ADAPTERS: [],
        QUALITIES: [],
        # All that there are, where it is not known which the engine has.
        CONTROLNETS: list(CONTROL_KINDS),
        "LIMITS": _limits(),
        "ORDER": _order(),
        "OUTSIDE": colors["OUTSIDE"],
        "NAMED": named_constants(),
        "SHEET": sheet,
        "SHEET_WORDS": {language: dict(said) for language, said in WORDS.items()},
        **rubber,
        "SHARD_UNIT": SHARD_UNIT,
        "SHARDS": _shards(),
    }


def _limits() -> dict[str, Any]:
    return {
        "colors": MAX_COLORS,
        "sumTolerance": SUM_TOLERANCE,
        # Text: a number of JavaScript would round it.
        "seed": str(MAX_SEED),
        "variants": [VARIANTS.low, VARIANTS.high],
        "quality": DEFAULT_QUALITY,
        "profiles": [
            {"name": quality} | {engine: _steps(engine, quality) for engine in DIFFUSION_ENGINES}
            for quality in PROFILES
        ]
        # Its steps are the few-step model's.
        + [{"name": FAST}],
        "layouts": list(get_args(Layout)),
        "controlKinds": list(CONTROL_KINDS),
        "controlnets": MAX_CONTROLNETS,
        "controlnetScale": [SCALE.low, SCALE.high],
        "guidance": DEFAULT_COLOR_GUIDANCE,
        "locks": list(get_args(ColorLock)),
        "lock": DEFAULT_COLOR_LOCK,
        "templates": {name: template.text for name, template in TEMPLATES.items()},
        "template": DEFAULT_TEMPLATE,
        "words": MAX_PROMPT_CHARACTERS,
        "granulesAcross": GRANULES_ACROSS,
        "surfaceGranules": SURFACE_GRANULES,
        **_scale_limits(),
        # Colours of joints with the distance that each keeps from the colours of the mix, best first.
        "joints": [[f"#{bytes(rgb).hex().upper()}", distance] for rgb, distance in JOINTS],
    }


def _order() -> dict[str, Any]:
    """What an order is computed with where nothing else is known, and what may be typed."""
    ranges = {
        "area": order.AREA_M2,
        "thickness": order.THICKNESS_MM,
        "waste": order.WASTE_PERCENT,
        "binder": order.BINDER_PERCENT,
    }
    return {
        "density": material.DEFAULT_DENSITY_KG_M3,
        "laid": material.DEFAULT_LAID_KG_M3,
        "bag": material.DEFAULT_BAG_KG,
        "thickness": order.SHOWN_THICKNESS_MM,
        "waste": order.DEFAULT_WASTE_PERCENT,
        "binder": order.DEFAULT_BINDER_PERCENT,
        "ranges": {name: [allowed.low, allowed.high] for name, allowed in ranges.items()},
        "shareParts": SHARE_PARTS,
        "leastShare": MIN_SHARE,
        "rounding": ROUNDING,
        "header": CSV_HEADER,
        "kinds": [GRANULES, TO_ORDER, BINDER],
    }


def _scale_limits() -> dict[str, Any]:
    """What a request may say about sizes, and what it leaves open."""
    ranges = {
        "granule_mm": GRANULE_MM,
        "width_mm": EXTENT_MM,
        "height_mm": EXTENT_MM,
        "tile_mm": TILE_MM,
        "joint_mm": JOINT_MM,
    }
    return {
        "ranges": {name: [allowed.low, allowed.high] for name, allowed in ranges.items()},
        "gradings": dict(GRADING_MM),
        "granule": DEFAULT_GRANULE_MM,
        "jointedGranules": JOINTED_GRANULES,
        "leastGranules": LEAST_GRANULES,
        "tiles": {layout: list(tile) for layout, tile in DEFAULT_TILE_MM.items()},
        "joint": DEFAULT_JOINT_MM,
        "middle": dict(MIDDLE),
        "farthest": FARTHEST,
        "tolerance": TOLERANCE,
        "sides": list(SIDES),
        "sideStep": SIDE_STEP,
        "largeSide": LARGE_SIDE,
        "mostGranules": MOST_GRANULES,
        "square": SQUARE,
        "maps": list(MAP_NAMES),
    }


def _figures(module: ModuleType, names: str) -> list[tuple[str, Any]]:
    """Names and values of a module's constants. Raises AttributeError for one that it does not have."""
    return [(name, _plain(getattr(module, name))) for name in names.split()]


def _plain(value: Any) -> Any:
    """Arrays, tuples and data classes as lists, and NumPy's numbers as JSON has them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return list(dataclasses.astuple(value))
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    return round(float(value), 6) if isinstance(value, np.floating) else value


def _shards() -> list[list[list[int]]]:
    """Shapes of granules: of each its facets, of each facet its plane (a, b, c), then x, y of its corners."""
    library = shard_library()

    def facet(shape: int, which: int) -> list[int]:
        corners = dict.fromkeys(map(tuple, library.facets[shape, which].tolist()))
        flat = np.concatenate([library.planes[shape, which], np.ravel(list(corners))])
        return [int(value) for value in np.rint(flat / SHARD_UNIT)]

    return [[facet(shape, which) for which in range(library.counts[shape])] for shape in range(SHARDS)]


def _steps(engine: str, quality: str) -> str:
    profile = engine_models(engine).quality_profiles()[quality]
    return f"{profile.steps_preview} + {profile.steps_final}"


def _part(name: str) -> str:
    if name != "data":
        return (PARTS / name).read_text(encoding="utf-8").rstrip("\n")
    return "\n".join(f"const {key} = {javascript(value)};" for key, value in page_data().items())
