"""What pictures of each layout, grading and extent look like, for the page on scale."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import cv2
import numpy as np
from PIL import Image

from plitka.colors.lab import from_light, to_light
from plitka.request.tile_request import parse_request
from plitka.tile.plan import plan_for
from plitka.tile.swatch import draw_swatch

COLORS = [
    {"name": "terracotta", "proportion": 60},
    {"name": "beige", "proportion": 30},
    {"name": "black", "proportion": 10},
]
JOINTED = ("grid", "brick", "herringbone", "hexagon", "puzzle")
# Pixels of each picture on its longer side.
SIDE = 360
SEAMLESS = "seamless"


def scale_requests() -> Mapping[str, dict[str, Any]]:
    """The request of every picture, by its name."""

    def of(**keys: Any) -> dict[str, Any]:
        return {"colors": COLORS, "seed": 4, **keys}

    layouts = {name: of(angle=30, overrides={"layout": name}) for name in JOINTED}
    gradings = {name: of(granule_mm=name, width_mm=100) for name in ("fine", "medium", "coarse")}
    extents = {
        f"{side}mm": of(angle=45, width_mm=side, overrides={"layout": "herringbone"})
        for side in (100, 500, 2000)
    }
    period = {"width_mm": 160, "height_mm": 138.5641, "width": 1024, "overrides": {"layout": "hexagon"}}
    return {"surface": of(), **layouts, **gradings, **extents, SEAMLESS: of(seamless=True, **period)}


def draw_scale_pictures() -> Iterator[tuple[str, Image.Image]]:
    """Yield every name and its picture."""
    for name in scale_requests():
        yield name, draw_scale_picture(name)


def draw_scale_picture(name: str) -> Image.Image:
    """The picture of that name: the seamless one is laid two by two."""
    plan = plan_for(parse_request(json.dumps(scale_requests()[name])))
    drawn = draw_swatch(plan, plan.scale.width)
    if name == SEAMLESS:
        drawn = np.tile(drawn, (2, 2, 1))
    rows, columns = (round(side * SIDE / max(drawn.shape)) for side in drawn.shape[:2])
    # Smaller in linear light, as an eye sees it from afar.
    light = cv2.resize(to_light(drawn), (columns, rows), interpolation=cv2.INTER_AREA)
    return Image.fromarray(from_light(light, np.uint8))
