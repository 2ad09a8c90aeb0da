"""Simulated photographs for `match.py`: renders of random mixes, in varied batches, by a varied camera."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from plitka.colors.mix import Mix, MixColor, palette_mix_color
from plitka.colors.palette import PALETTE, Lab
from plitka.tile.plan import make_plan
from plitka.tile.swatch import draw_swatch

SIZE = 1024
# Batches: deviation of L*, of chroma (a factor) and of hue (degrees).
BATCH = (2.0, 0.06, 2.0)
# No colour of a simulated mix has less.
LEAST_SHARE = 0.04
Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Camera:
    """How far cameras differ: exposure and the gains of red and blue (factors of sRGB code), gamma."""

    exposure: float
    gains: float
    gamma: float


USUAL = Camera(0.05, 0.02, 0.03)
CAST = Camera(0.0, 0.10, 0.10)


@dataclass(frozen=True)
class Case:
    """A simulated tile, its mix in palette colours, and its shares."""

    name: str
    image: Image
    shares: dict[str, float]


def single_colors() -> Iterator[tuple[str, Mix]]:
    for color in PALETTE.values():
        yield color.code.lower(), (palette_mix_color(color),)


def random_mixes(number: int) -> Iterator[tuple[str, Mix]]:
    """Mixes of two to four palette colours, shares uniform on the simplex above the least."""
    for index in range(number):
        rng = np.random.default_rng([20, index])
        count = int(rng.integers(2, 5))
        codes = rng.choice(list(PALETTE), count, replace=False)
        shares = LEAST_SHARE + (1 - count * LEAST_SHARE) * rng.dirichlet(np.ones(count))
        yield (
            f"mix{index:03}",
            tuple(
                palette_mix_color(PALETTE[code], float(share))
                for code, share in zip(codes, shares, strict=True)
            ),
        )


def tile_of(name: str, mix: Mix, seed: int) -> Case:
    """Draw a tile of granules that are not quite the palette's."""
    rng = np.random.default_rng([21, seed])
    plan = make_plan(tuple(_batch(color, rng) for color in mix), 0, "surface", seed)
    shares = dict(zip((color.id for color in mix), map(float, plan.shares(SIZE)), strict=True))
    return Case(name, draw_swatch(plan, SIZE), shares)


def _batch(color: MixColor, rng: np.random.Generator) -> MixColor:
    lightness, chroma, hue = np.array(BATCH) * rng.standard_normal(3)
    turn = np.deg2rad(hue)
    a, b = color.lab[1:]
    factor = 1 + chroma
    lab: Lab = (
        float(np.clip(color.lab[0] + lightness, 4, 96)),
        float(factor * (a * np.cos(turn) - b * np.sin(turn))),
        float(factor * (a * np.sin(turn) + b * np.cos(turn))),
    )
    shift = lab[0] - color.lab[0]
    low, high = (float(np.clip(bound + shift, 1, 99)) for bound in color.lightness_range)
    # An id of its own, since the palette's names stand for the palette's figures.
    return replace(color, lab=lab, lightness_range=(low, high))


def photographed(image: Image, camera: Camera, seed: int) -> Image:
    """The picture of a tile as a camera gives it: gains, gamma, blur, another size, JPEG."""
    rng = np.random.default_rng([22, seed])
    exposure = 1 + camera.exposure * rng.uniform(-1, 1)
    gains = exposure * (1 + camera.gains * rng.uniform(-1, 1, 3))
    gamma = 1 + camera.gamma * rng.uniform(-1, 1)
    value = np.clip((image.astype(np.float32) / 255) ** gamma * gains.astype(np.float32), 0, 1)
    blurred = cv2.GaussianBlur(value, (0, 0), float(rng.uniform(0.2, 1.0)))
    factor = float(rng.uniform(0.6, 1.5))
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    resized = cv2.resize(blurred, None, fx=factor, fy=factor, interpolation=interpolation)
    file = io.BytesIO()
    PIL.Image.fromarray(np.rint(np.clip(resized, 0, 1) * 255).astype(np.uint8)).save(
        file, "JPEG", quality=int(rng.integers(75, 96))
    )
    return np.asarray(PIL.Image.open(file).convert("RGB"))
