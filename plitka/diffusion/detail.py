"""Detail passes: a picture larger than its model knows, drawn as overlapping tiles of the model's own size.

All tiles start from one picture of the plan and from cuts of one field of noise, so that they agree where
they overlap, whatever the order in which they are drawn. There they blend into each other, half-way between
their edges. A picture that goes on over its edges has tiles that do.

The tiles follow from the size alone, never from the memory. What a VAE's encoder draws by chance is no part
of the field: it begins anew in every tile, so that another split would give another picture.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

# Parts of a tile's side: the least that neighbours overlap, and how wide they blend. What lies outside is
# thrown away: models draw the edges of pictures differently.
_OVERLAP = 3 / 16
_BLEND = 1 / 8
# Sides and places of tiles are multiples of so many pixels: a latent pixel.
_STEP = 8
# Detail is what differs from surroundings of this deviation, in pixels.
_DETAIL = 3.0

_Floats = NDArray[np.float32]


class Span(NamedTuple):
    """Where a tile lies along one side of the picture: first pixel, length, and the middles of its seams.

    The seams are in pixels from its first one; None where it has none.
    """

    first: int
    length: int
    before: float | None
    after: float | None

    def weights(self, blend: float) -> _Floats:
        """(length,) how much of the picture this tile is, 0 to 1; with all tiles, 1 everywhere."""
        place = np.arange(self.length) + 0.5
        weight = np.ones(self.length)
        if self.before is not None:
            weight *= _rise((place - self.before) / blend + 0.5)
        if self.after is not None:
            weight *= 1 - _rise((place - self.after) / blend + 0.5)
        return weight.astype(np.float32)


@dataclass(frozen=True)
class Tiles:
    """The tiles of a picture.

    Attributes:
        width: Of the picture, pixels.
        height: Of the picture, pixels.
        spans: From left to right and from top to bottom.
        blend: Width of a seam, pixels.
    """

    width: int
    height: int
    spans: tuple[tuple[Span, ...], tuple[Span, ...]]
    blend: float

    def __iter__(self) -> Iterator[tuple[Span, Span]]:
        """Column and row of each tile, row by row."""
        return ((across, down) for down in self.spans[1] for across in self.spans[0])

    def __len__(self) -> int:
        return len(self.spans[0]) * len(self.spans[1])


def tiles_of(width: int, height: int, native: int, wraps: bool) -> Tiles | None:
    """The tiles of a picture for a model that knows `native` pixels a side; None for one that it draws whole.

    All in pixels. `wraps` is whether the picture goes on over its edges.
    """
    if max(width, height) <= native:
        return None
    spans = tuple(_spans(side, native, wraps) for side in (width, height))
    return Tiles(width, height, (spans[0], spans[1]), native * _BLEND)


def _spans(side: int, native: int, wraps: bool) -> tuple[Span, ...]:
    length, overlap = min(native, side), native * _OVERLAP
    around: list[int | None]
    if wraps:
        count = max(2, math.ceil(side / (native - overlap)))
        firsts = [_in_steps(side * index / count) for index in range(count)]
        around = [firsts[-1] - side, *firsts, firsts[0] + side]
    else:
        count = 1 if side <= native else math.ceil((side - overlap) / (native - overlap))
        firsts = [_in_steps((side - length) * index / max(count - 1, 1)) for index in range(count)]
        around = [None, *firsts, None]
    spans = []
    for before, first, after in zip(around, firsts, around[2:], strict=False):
        # The middle between this tile's edge and its neighbour's.
        left = None if before is None else (before + length - first) / 2
        right = None if after is None else (after - first + length) / 2
        spans.append(Span(first, length, left, right))
    return tuple(spans)


def _in_steps(pixels: float) -> int:
    return round(pixels / _STEP) * _STEP


def _rise(place: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """From 0 at 0 smoothly to 1 at 1."""
    part = np.clip(place, 0, 1)
    return part * part * (3 - 2 * part)


def cut_inputs(inputs: dict[str, Any], tile: tuple[Span, Span]) -> dict[str, Any]:
    """A pipeline's arguments for a tile: its part of every picture among them."""

    def cut(value: Any) -> Any:
        if isinstance(value, list):
            return [cut(one) for one in value]
        if not isinstance(value, Image.Image):
            return value
        pixels = np.asarray(value)
        rows, columns = (
            _around(span, side) for span, side in zip(reversed(tile), pixels.shape, strict=False)
        )
        return Image.fromarray(np.ascontiguousarray(pixels[rows][:, columns]))

    return {name: cut(value) for name, value in inputs.items()}


def _around(span: Span, side: int) -> NDArray[np.intp]:
    return np.arange(span.first, span.first + span.length) % side


class NoiseField:
    """Normal noise for the latents of a whole picture: the first for its start, then one for each step."""

    def __init__(self, seed: int, channels: int, rows: int, columns: int) -> None:
        self._generator = torch.Generator("cpu").manual_seed(seed)
        self._shape = (1, channels, rows, columns)
        self._fields: list[torch.Tensor] = []

    def cut(self, number: int, tile: tuple[Span, Span], scale: int) -> torch.Tensor:
        """(1, channels, rows, columns) float32: a tile's part of a field; a latent pixel is `scale` wide."""
        while len(self._fields) <= number:
            self._fields.append(torch.randn(self._shape, generator=self._generator))
        columns, rows = (
            torch.arange(span.first // scale, (span.first + span.length) // scale) % side
            for span, side in zip(tile, self._shape[:1:-1], strict=True)
        )
        return self._fields[number][:, :, rows][..., columns]


@contextmanager
def noise_from(scheduler: Any, field: NoiseField, tile: tuple[Span, Span], scale: int) -> Iterator[None]:
    """While the block runs, the sampler adds noise from the field in place of its own."""
    add_noise, step = scheduler.add_noise, scheduler.step
    taken = 0

    def add(samples: torch.Tensor, noise: torch.Tensor, timesteps: Any) -> torch.Tensor:
        return add_noise(samples, field.cut(0, tile, scale).to(samples), timesteps)

    @functools.wraps(step)
    def noisy_step(*given: Any, **named: Any) -> Any:
        nonlocal taken
        taken += 1
        return step(*given, **named, variance_noise=field.cut(taken, tile, scale))

    scheduler.add_noise = add
    if scheduler.config.get("algorithm_type", "").startswith("sde"):
        scheduler.step = noisy_step
    try:
        yield
    finally:
        scheduler.add_noise, scheduler.step = add_noise, step


class Mosaic:
    """The picture that the tiles make."""

    def __init__(self, tiles: Tiles) -> None:
        self._tiles = tiles
        self._sum = np.zeros((tiles.height, tiles.width, 3), np.float32)

    def add(self, tile: tuple[Span, Span], image: NDArray[np.uint8]) -> None:
        """Add a tile, (rows, columns, 3) uint8."""
        across, down = (span.weights(self._tiles.blend) for span in tile)
        weight = (down[:, None] * across)[..., None]
        columns = _around(tile[0], self._tiles.width)
        rows = _around(tile[1], self._tiles.height)
        self._sum[rows[:, None], columns] += weight * image

    def picture(self) -> NDArray[np.uint8]:
        """(height, width, 3) uint8."""
        return np.rint(self._sum).astype(np.uint8)


def seam_contrast(image: NDArray[np.uint8], plan: NDArray[np.uint8], tiles: Tiles) -> float:
    """`seam_contrast` of `plitka.engine.protocol.Detail` for a picture, given its plan's.

    Both (height, width, 3) uint8 sRGB.
    """
    seam = _seams(tiles)
    ratios = []
    for picture in (image, plan):
        light = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
        light -= cv2.GaussianBlur(light, (0, 0), _DETAIL)
        light *= light
        inside, outside = cv2.mean(light, seam)[0], cv2.mean(light, 1 - seam)[0]
        ratios.append(math.sqrt(inside / outside) if inside and outside else 1.0)
    return round(ratios[0] / ratios[1], 4)


def _seams(tiles: Tiles) -> NDArray[np.uint8]:
    """(height, width): 1 in the middle half of every seam."""
    seams = np.zeros((tiles.height, tiles.width), np.uint8)
    sides: Sequence[int] = (tiles.width, tiles.height)
    for axis, (spans, side) in enumerate(zip(tiles.spans, sides, strict=True)):
        for span in spans:
            if span.before is not None:
                middle = span.first + span.before
                near = np.arange(round(middle - tiles.blend / 4), round(middle + tiles.blend / 4)) % side
                seams[(slice(None), near) if axis == 0 else near] = 1
    return seams
