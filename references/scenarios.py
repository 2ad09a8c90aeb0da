"""The pictures of the eight standard requests, which lie one file each in `scenarios/`."""

from pathlib import Path

from PIL import Image

from plitka.request.profiles import FINAL_SIZE
from plitka.request.tile_request import parse_request
from plitka.tile.plan import plan_for
from plitka.tile.swatch import draw_swatch

FOLDER = Path(__file__).resolve().parent / "scenarios"
PICTURE_SIZE = 400


def scenario_names() -> list[str]:
    """The scenarios in order."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def draw_scenario(name: str) -> Image.Image:
    """The final picture of a scenario as `render` draws it, made smaller."""
    request = parse_request((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    picture = Image.fromarray(draw_swatch(plan_for(request), FINAL_SIZE))
    return picture.resize((PICTURE_SIZE, PICTURE_SIZE), Image.Resampling.LANCZOS)
