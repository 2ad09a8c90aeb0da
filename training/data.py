"""Training pictures: tiles of random mixes, drawn once, kept on disk, and cropped for every step.

A tile is a plan drawn three ways. `crumb` is the swatch: pressed rubber crumb, which only the adapters learn.
`pebbles` and `terrazzo` are what the base model learns: the same granules polished smooth, and flat chips
in pale cement.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.choices import EDGE_KINDS
from plitka.colors.mix import Mix, MixColor, hex_mix_color, palette_mix_color
from plitka.colors.palette import PALETTE, delta_e00, hex_to_lab, resolve
from plitka.fidelity.measure import lab_to_hex
from plitka.tile.control_image import draw_control
from plitka.tile.plan import JOINT, JOINT_COLOR_INDEX, TilePlan, make_plan
from plitka.tile.swatch import draw_swatch

Style = Literal["crumb", "pebbles", "terrazzo"]
STYLES: tuple[Style, ...] = get_args(Style)
Image = NDArray[np.uint8]

# What is stored of a tile, and its channels.
PLANES: dict[str, tuple[int, ...]] = {
    "crumb": (3,),
    "pebbles": (3,),
    "terrazzo": (3,),
    "colors": (),
    "edges": (3,),
}
# Pixels on a side of a stored tile; the views it is cut from.
TILE = 512
VIEWS = (512, 1024)
MAX_COLORS = 8
# Part of the colours that are no palette colour, and how far those stray from one, in units of Lab.
HEX_PART = 0.15
HEX_SPREAD = 8.0
# A prompt word farther than this from its colour (CIEDE2000) would teach the word wrongly.
FAITHFUL_DELTA_E = 12.0
LAYOUT_PARTS = {"surface": 0.55, "brick": 0.3, "grid": 0.15}
CEMENT = np.array([214, 208, 198], np.float32)
_LABEL_STEP = np.uint32(2654435761)


@dataclass(frozen=True)
class Tile:
    """What is known of a stored tile. `view` is the size of the picture that it is cut from, `top` and
    `left` where, in pixels; `shares` are those of the whole mix."""

    colors: tuple[str, ...]
    words: tuple[str, ...]
    shares: tuple[float, ...]
    layout: str
    angle: float
    seed: int
    view: int
    top: int
    left: int

    @property
    def mix(self) -> Mix:
        """The mix that the tile was drawn from."""
        return mix_of(self.colors, self.shares)

    @property
    def is_faithful(self) -> bool:
        """Whether every colour looks like its prompt word."""
        return all(
            not color.startswith("#") or delta_e00(hex_to_lab(color), resolve(word).lab) < FAITHFUL_DELTA_E
            for color, word in zip(self.colors, self.words, strict=True)
        )


def mix_of(colors: Sequence[str], shares: Sequence[float]) -> Mix:
    """A mix of palette codes and hex colours."""
    return tuple(
        hex_mix_color(color, share) if color.startswith("#") else palette_mix_color(PALETTE[color], share)
        for color, share in zip(colors, shares, strict=True)
    )


def random_mix(rng: np.random.Generator) -> Mix:
    """One to eight colours, fewer more often, with whole percentages from 1 to 100."""
    weights = np.array([0.22, 0.28, 0.2, 0.12, 0.07, 0.05, 0.03, 0.03])
    count = int(rng.choice(MAX_COLORS, p=weights)) + 1
    codes = rng.choice(list(PALETTE), count, replace=False)
    colors = [_random_hex(rng, code) if rng.random() < HEX_PART else str(code) for code in codes]
    return mix_of(colors, (_random_percentages(rng, count) / 100).tolist())


def _random_percentages(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    shares = rng.dirichlet(np.full(count, rng.choice([0.6, 1.5, 5.0])))
    percent = np.floor(shares * (100 - count)).astype(int) + 1
    percent[rng.integers(count)] += 100 - percent.sum()
    return percent.astype(np.float64)


def _random_hex(rng: np.random.Generator, code: str) -> str:
    lightness, a, b = np.array(PALETTE[code].lab) + rng.normal(0, HEX_SPREAD, 3)
    return lab_to_hex((lightness, a, b))


def draw_style(plan: TilePlan, style: Style, size: int) -> Image:
    """(size, size, 3) uint8 sRGB picture of a plan in one of the three styles."""
    if style == "terrazzo":
        return _draw_terrazzo(plan, size)
    swatch = draw_swatch(plan, size)
    return swatch if style == "crumb" else polish(swatch, size)


def polish(swatch: Image, size: int) -> Image:
    """Take grain, facets and sharp corners off a swatch: what is left looks like pebbles."""
    smooth = cv2.medianBlur(swatch, 9 if size >= VIEWS[1] else 5)
    return cv2.GaussianBlur(smooth, (0, 0), 1.2 * size / VIEWS[1] + 0.3)


def _draw_terrazzo(plan: TilePlan, size: int) -> Image:
    labels = plan.labels(size)
    table = np.array([_rgb(color) for color in plan.mix] + [CEMENT * 0.45], np.float32)
    index = plan.color_indices(size).copy()
    index[index == JOINT_COLOR_INDEX] = len(plan.mix)
    # A lightness of its own for each chip, from a hash of its label.
    tone = (labels.astype(np.uint32) * _LABEL_STEP >> np.uint32(24)).astype(np.float32) / 255 - 0.5
    picture = table[index] * (1 + 0.16 * tone[..., None])
    chip = labels.astype(np.float32)
    edge = (cv2.dilate(chip, np.ones((3, 3))) != cv2.erode(chip, np.ones((3, 3)))) & (labels != JOINT)
    picture[edge] = CEMENT
    return cv2.GaussianBlur(np.clip(picture, 0, 255).astype(np.uint8), (0, 0), 0.6)


def _rgb(color: MixColor) -> NDArray[np.float32]:
    return np.array([int(color.hex[i : i + 2], 16) for i in (1, 3, 5)], np.float32)


def random_tile(seed: int, number: int) -> tuple[Tile, dict[str, Image]]:
    """Tile `number` of the data set `seed`, with its planes: the three styles, `colors` and `edges`.

    `colors` (TILE, TILE) uint8 is an index into the mix, 255 on joints; `edges` (TILE, TILE, 3) uint8 has
    one channel for each of EDGE_KINDS.
    """
    rng = np.random.default_rng([seed, number])
    mix = random_mix(rng)
    layout = str(rng.choice(list(LAYOUT_PARTS), p=list(LAYOUT_PARTS.values())))
    angle = float(rng.choice([0.0, 45.0, 90.0, 135.0, rng.uniform(0, 180)], p=[0.1, 0.1, 0.1, 0.1, 0.6]))
    plan_seed = int(rng.integers(2**31))
    plan = make_plan(mix, angle, layout, plan_seed)
    view = VIEWS[number % 2]
    top, left = (int(8 * rng.integers((view - TILE) // 8 + 1)) for _ in range(2))
    tile = Tile(
        tuple(color.id for color in mix),
        tuple(color.prompt_word for color in mix),
        tuple(color.share for color in mix),
        *(layout, angle, plan_seed, view, top, left),
    )
    views: dict[str, Image] = {style: draw_style(plan, style, view) for style in STYLES}
    views["colors"] = plan.color_indices(view)
    views["edges"] = np.stack([draw_control(plan, kind, view)[..., 0] for kind in EDGE_KINDS], -1)
    window = slice(top, top + TILE), slice(left, left + TILE)
    return tile, {name: plane[window] for name, plane in views.items()}


class TileStore:
    """A folder of tiles: one memory-mapped array a plane, and a line of JSON a tile.

    Tiles are added in order, so that drawing can be broken off and resumed, and training can start on the
    first of them.
    """

    def __init__(self, folder: Path, count: int) -> None:
        """Open or create a store for `count` tiles. Raises ValueError if it was made for another count."""
        folder.mkdir(parents=True, exist_ok=True)
        self._index = folder / "tiles.jsonl"
        self.capacity = count
        self.planes = {
            name: _open_plane(folder / f"{name}.npy", (count, TILE, TILE, *channels))
            for name, channels in PLANES.items()
        }
        self.tiles: list[Tile] = []
        self.reload()

    def reload(self) -> None:
        """Take in the tiles that another process has added."""
        lines = self._index.read_text(encoding="utf-8").splitlines() if self._index.exists() else []
        self.tiles += [_tile_of(json.loads(line)) for line in lines[len(self.tiles) :]]

    def fill(self, seed: int, workers: int = 1) -> Iterator[int]:
        """Draw the missing tiles in `workers` processes; yields each one's number."""
        missing = range(len(self.tiles), self.capacity)
        with Pool(workers, cv2.setNumThreads, (1,)) as pool:
            for number, (tile, planes) in zip(
                missing, pool.imap(partial(random_tile, seed), missing), strict=True
            ):
                for name, plane in planes.items():
                    self.planes[name][number] = plane
                with self._index.open("a", encoding="utf-8") as index:
                    index.write(json.dumps(tile.__dict__) + "\n")
                self.tiles.append(tile)
                yield number


def _open_plane(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    if not path.exists():
        return np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    plane: NDArray[np.uint8] = np.lib.format.open_memmap(path, "r+")
    if plane.shape != shape:
        raise ValueError(f"{path}: it holds {plane.shape}, not {shape}; remove it to draw it anew")
    return plane


def _tile_of(fields: dict[str, Any]) -> Tile:
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()
    }
    return Tile(**values)


def crop_shares(colors: NDArray[np.uint8], count: int) -> NDArray[np.float64]:
    """(count,) measured shares of a piece of a `colors` plane, joints left out."""
    counts = np.bincount(colors.ravel(), minlength=JOINT_COLOR_INDEX + 1)[:count]
    return counts / max(1, counts.sum())


def main() -> None:
    """Draw a data set."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    for number in TileStore(arguments.folder, arguments.count).fill(arguments.seed, arguments.workers):
        if number % 50 == 49:
            print(f"{number + 1} of {arguments.count} tiles", flush=True)


if __name__ == "__main__":
    main()
