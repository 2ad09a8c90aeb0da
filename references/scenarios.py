"""The eight standard requests, one file each in `scenarios/`, and their pictures."""

import functools
from pathlib import Path

from PIL import Image

from plitka.fidelity import Fidelity, measure
from plitka.plan import plan_for
from plitka.profiles import FINAL_SIZE
from plitka.request import TileRequest, parse_request
from plitka.swatch import draw_swatch

FOLDER = Path(__file__).resolve().parent / "scenarios"
PICTURE_SIZE = 400


def scenario_names() -> list[str]:
    """The scenarios in order."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def read_scenario(name: str) -> TileRequest:
    """A scenario's request."""
    return parse_request((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@functools.cache
def draw_scenario(name: str) -> tuple[Image.Image, Fidelity]:
    """The final picture of a scenario, drawn by `render` and made smaller, and what was measured in it."""
    request = read_scenario(name)
    plan = plan_for(request)
    final = draw_swatch(plan, FINAL_SIZE)
    size = (PICTURE_SIZE, PICTURE_SIZE)
    picture = Image.fromarray(final).resize(size, Image.Resampling.LANCZOS)
    return picture, measure(final, request.mix, plan)
