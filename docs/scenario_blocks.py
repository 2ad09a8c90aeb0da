"""The block of the standard requests: each as JSON to copy, with its picture and what was measured in it."""

import functools
from collections.abc import Mapping
from pathlib import Path

from language import Say, references
from markdown_text import block, table

from plitka.engine.render import RenderEngine
from plitka.fidelity.measure import Fidelity
from plitka.generation import generate
from plitka.request.tile_request import parse_request

FOLDER = Path(__file__).resolve().parent.parent / "references" / "scenarios"
PICTURE_WIDTH = 400
# By the name of the request's file: the heading, and what is to be seen.
SCENARIOS: Mapping[str, tuple[str, str]] = {
    "1-one-colour": ("One colour", "One colour needs no share at all; 100 may be left out."),
    "2-two-colours": ("Two colours", "At 0° the picture is one tile without joints."),
    "3-three-colours": ("Three colours", "The prompt of a diffusion model names the colours in this order."),
    "4-four-colours": (
        "Four colours",
        "Up to eight colours make a mix. `high` gives a diffusion model more steps; `render` has none.",
    ),
    "5-fractions": (
        "Shares as fractions",
        "Shares of which none is above 1 are fractions, any others are per cent.",
    ),
    "6-angle-45": (
        "Laid at 45°, soft edges",
        "At any angle but 0 the tiles lie as bricks. At 45° and 135° a ControlNet for soft edges guides a "
        "diffusion model.",
    ),
    "7-angle-90": ("Laid at 90°, canny", "At 90° a ControlNet for canny edges guides the model."),
    "8-without-controlnet": (
        "Overrides, without ControlNet",
        "`use_controlnet` wins over the angle. Guidance and steps are for a diffusion model, and `render` "
        "draws the joints in any case.",
    ),
}


def scenarios(say: Say) -> str:
    """Every standard request under its own heading."""
    return "\n\n".join(
        _scenario(name, say(title), say(remark), say) for name, (title, remark) in SCENARIOS.items()
    )


def _scenario(name: str, title: str, remark: str, say: Say) -> str:
    text = (FOLDER / f"{name}.json").read_text(encoding="utf-8").strip()
    picture = f'<img src="{references(say)}/scenarios/{name}.jpg" width="{PICTURE_WIDTH}" alt="{title}">'
    rows = (
        (
            color.id,
            say(f"{100 * color.requested:g} %"),
            say(f"{100 * color.measured:.2f} %"),
            say(f"{color.delta_e:.1f}"),
        )
        for color in _measured(text).colors
    )
    shares = table((*map(say, ("colour", "requested", "measured")), "ΔE00"), rows)
    return "\n\n".join((f"## {title}", remark, block(text, "json"), picture, shares))


@functools.cache
def _measured(text: str) -> Fidelity:
    """What the `render` engine's final picture of a request measures."""
    results = {result.name: result for result in generate(parse_request(text), RenderEngine())}
    picture = results["final"].colors
    assert picture is not None
    return picture.measured.fidelity
