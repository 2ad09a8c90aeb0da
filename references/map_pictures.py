"""Pictures of the maps of one tile, and the tile lit by a lamp from its maps alone."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from plitka.choices import MAP_NAMES
from plitka.request.profiles import FINAL_SIZE
from plitka.request.tile_request import parse_request
from plitka.tile.albedo import draw_albedo
from plitka.tile.maps import PlanMaps
from plitka.tile.plan import plan_for
from plitka.tile.swatch import draw_swatch

REQUEST = {
    "colors": [
        {"name": "red", "proportion": 50},
        {"name": "blue", "proportion": 30},
        {"name": "pearl", "proportion": 20},
    ],
    "angle": 30,
    "width_mm": 94,
    "seed": 2,
}
# A part of the final picture with joints that meet, pixels.
LEFT, TOP, SIDE = 330, 350, 280
NAMES = ("picture", *MAP_NAMES, "base_colour", "lamp_left", "lamp_right")
# Directions to the lamps (right, up, out of the picture), their strength and that of the sky.
LAMPS = {"lamp_left": (-0.7, 0.4, 0.6), "lamp_right": (0.8, -0.2, 0.45)}
LAMP, SKY = 0.9, 0.45
# Light that rubber reflects like a mirror, looked at from above.
MIRRORED = 0.04

Floats = NDArray[np.float64]


def draw_map_pictures() -> Iterator[tuple[str, Image.Image]]:
    """Yield every one of `NAMES` and its picture, SIDE pixels a side; heights without their lower 8 bits."""
    plan = plan_for(parse_request(REQUEST))
    maps = PlanMaps(plan, FINAL_SIZE)
    pictures: dict[str, NDArray[Any]] = {name: maps.draw(name).image for name in MAP_NAMES}
    pictures["height"] = (pictures["height"] >> 8).astype(np.uint8)
    pictures |= {"picture": draw_swatch(plan, FINAL_SIZE), "base_colour": draw_albedo(maps)}
    parts = {name: picture[TOP : TOP + SIDE, LEFT : LEFT + SIDE] for name, picture in pictures.items()}
    parts |= {name: lit(parts, direction) for name, direction in LAMPS.items()}
    for name in NAMES:
        yield name, Image.fromarray(parts[name]).convert("RGB")


def lit(maps: dict[str, NDArray[np.uint8]], lamp: tuple[float, float, float]) -> NDArray[np.uint8]:
    """(n, n, 3) uint8 sRGB: base colour, normals, occlusion and roughness under a lamp and an even sky.

    A microfacet model as in glTF (GGX; Walter et al. 2007), looked at from above, without cast shadows.
    """
    normal = maps["normal"] / 127.5 - 1
    to_lamp, from_above = _unit(np.array(lamp)), np.array([0.0, 0, 1])
    towards = np.clip(normal @ to_lamp, 0, 1)
    width = (maps["roughness"] / 255) ** 4
    half = np.clip(normal @ _unit(to_lamp + from_above), 0, 1)
    glint = MIRRORED / 4 * width / (half**2 * (width - 1) + 1) ** 2
    open_sky = maps["ao"] / 255
    color = maps["base_colour"] / 255
    linear = np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)
    light = (SKY * open_sky + LAMP * towards * (0.5 + 0.5 * open_sky))[..., None] * linear
    shown = np.clip(light + (LAMP * towards * glint)[..., None], 0, 1)
    return np.rint(
        255 * np.where(shown <= 0.0031308, 12.92 * shown, 1.055 * shown ** (1 / 2.4) - 0.055)
    ).astype(np.uint8)


def _unit(direction: Floats) -> Floats:
    return direction / np.linalg.norm(direction)
