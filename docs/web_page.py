"""Put the web page together: one file that needs nothing else, made of the parts in
`plitka/server/page/parts/`.

A part is inserted where `page.html` says `<!-- insert: NAME -->`; `data` is what the code itself knows, the
palette and the limits of a request, as JavaScript constants.
"""

import json
import re
from pathlib import Path
from typing import Any, get_args

from request_blocks import DIFFUSION_ENGINES

from plitka.choices import ColorLock, Layout
from plitka.colors.palette import PALETTE
from plitka.request.overrides import DEFAULT_COLOR_GUIDANCE, DEFAULT_COLOR_LOCK
from plitka.request.profiles import PROFILES
from plitka.request.tile_request import DEFAULT_QUALITY, MAX_COLORS, MAX_SEED
from plitka.tile.colormap import JOINTS
from plitka.tile.granules import GRANULES_ACROSS
from plitka.tile.joints import BRICK_TILE, GRID_TILE, JOINT_WIDTH
from plitka.weights.manifest import engine_models

PARTS = Path(__file__).resolve().parents[1] / "plitka/server/page/parts"
INSERT = re.compile(r"^<!-- insert: (?P<name>[a-z.]+) -->$", re.MULTILINE)


def web_page() -> str:
    """The whole page. Raises FileNotFoundError for a part that `page.html` names and nobody wrote."""
    skeleton = (PARTS / "page.html").read_text(encoding="utf-8")
    return INSERT.sub(lambda match: _part(match["name"]), skeleton)


def page_data() -> dict[str, Any]:
    """What the page knows from the code: every palette colour, and what a request may say."""
    palette = [
        {
            "code": color.code,
            "en": color.prompt_word,
            "ru": color.russian,
            "aliases": list(color.aliases),
            "hex": color.hex,
        }
        for color in PALETTE.values()
    ]
    limits = {
        "colors": MAX_COLORS,
        # Text: a number of JavaScript would round it.
        "seed": str(MAX_SEED),
        "quality": DEFAULT_QUALITY,
        "profiles": [
            {"name": quality} | {engine: _steps(engine, quality) for engine in DIFFUSION_ENGINES}
            for quality in PROFILES
        ],
        "layouts": list(get_args(Layout)),
        "guidance": DEFAULT_COLOR_GUIDANCE,
        "locks": list(get_args(ColorLock)),
        "lock": DEFAULT_COLOR_LOCK,
        "granulesAcross": GRANULES_ACROSS,
        "brickTile": list(BRICK_TILE),
        "gridTile": list(GRID_TILE),
        "jointWidth": JOINT_WIDTH,
        # Colours of joints with the distance that each keeps from the colours of the mix, best first.
        "joints": [[f"#{bytes(rgb).hex().upper()}", distance] for rgb, distance in JOINTS],
    }
    return {"PALETTE": palette, "LIMITS": limits}


def _steps(engine: str, quality: str) -> str:
    profile = engine_models(engine).quality_profiles()[quality]
    return f"{profile.steps_preview} + {profile.steps_final}"


def _part(name: str) -> str:
    if name != "data":
        return (PARTS / name).read_text(encoding="utf-8").rstrip("\n")
    return "\n".join(f"const {key} = {_javascript(value)};" for key, value in page_data().items())


def _javascript(value: Any) -> str:
    """JSON with a line for every item, safe inside a script element."""
    if isinstance(value, list):
        rows = (f"  {_line(item)}," for item in value)
    else:
        rows = (f"  {_line(key)}: {_line(item)}," for key, item in value.items())
    opening, closing = "[]" if isinstance(value, list) else "{}"
    return "\n".join([opening, *rows, closing])


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).replace("</", "<\\/")
