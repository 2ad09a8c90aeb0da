"""Pictures with captions for the adapter trainer, and the check that the captions tell the truth.

A folder holds pictures, and their captions either in `metadata.jsonl` (a line of JSON a picture:
`file_name`, `text`, and for a piece of a larger picture `original_size` [height, width] and `crop_top_left`
[y, x]) or in a `.txt` file beside each picture.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from plitka.colors.mix import Mix, palette_mix_color
from plitka.colors.palette import resolve
from plitka.errors import UnknownColorError
from plitka.fidelity.measure import measure

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
METADATA = "metadata.jsonl"
# Percentage points by which a caption may differ from its picture. Photographs of single granule colours,
# lit and shaded, are measured about three points off.
TOLERANCE = 12.0
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%\s*([^,%]+?)\s*(?=,|$)")


@dataclass(frozen=True)
class Picture:
    """A picture and its caption; `original_size` (height, width) and `corner` (y, x) say what it is cut from,
    None that it is whole."""

    path: Path
    caption: str
    original_size: tuple[int, int] | None = None
    corner: tuple[int, int] = (0, 0)

    def pixels(self, resolution: int) -> NDArray[np.uint8]:
        """(resolution, resolution, 3) uint8 sRGB: the middle square, resized if need be."""
        image = Image.open(self.path).convert("RGB")
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
        if side != resolution:
            image = image.resize((resolution, resolution), Image.Resampling.LANCZOS)
        return np.asarray(image)


@dataclass(frozen=True)
class Disagreement:
    """A caption that its picture contradicts."""

    picture: Path
    message: str


class CaptionError(ValueError):
    """Captions disagree with their pictures; `disagreements` lists them."""

    def __init__(self, disagreements: Sequence[Disagreement]) -> None:
        self.disagreements = tuple(disagreements)
        lines = "\n".join(f"  {found.picture.name}: {found.message}" for found in disagreements)
        super().__init__(f"{len(disagreements)} captions disagree with their pictures:\n{lines}")


def read_pictures(folder: Path) -> list[Picture]:
    """The pictures of a folder. Raises ValueError if there are none or a caption is missing."""
    metadata = folder / METADATA
    if metadata.is_file():
        pictures = [_of_line(folder, json.loads(line)) for line in metadata.read_text("utf-8").splitlines()]
    else:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        silent = [path.name for path in paths if not path.with_suffix(".txt").is_file()]
        if silent:
            raise ValueError(f"{folder}: no captions (.txt) for {', '.join(silent)}")
        pictures = [
            Picture(path, path.with_suffix(".txt").read_text(encoding="utf-8").strip()) for path in paths
        ]
    if not pictures:
        raise ValueError(f"{folder}: there are no pictures in it ({', '.join(SUFFIXES)})")
    return pictures


def _of_line(folder: Path, line: dict[str, Any]) -> Picture:
    picture = Picture(folder / line["file_name"], line["text"])
    if "original_size" in line:
        height, width = line["original_size"]
        top, left = line.get("crop_top_left", (0, 0))
        picture = replace(picture, original_size=(height, width), corner=(top, left))
    return picture


def mix_of_caption(caption: str) -> Mix:
    """The mix that a caption states. Raises ValueError for shares of unknown colours, or none."""
    try:
        parts = [(resolve(word), float(percent)) for percent, word in _SHARE.findall(caption)]
    except UnknownColorError as error:
        raise ValueError(f"{error} of the palette") from error
    total = sum(percent for _, percent in parts)
    if not total:
        raise ValueError("the caption states no shares such as '60% red'")
    return tuple(palette_mix_color(color, percent / total) for color, percent in parts)


def check_captions(pictures: Sequence[Picture], tolerance: float = TOLERANCE) -> list[Disagreement]:
    """Compare the shares that every caption states with those measured in its picture."""
    found = []
    for picture in pictures:
        try:
            mix = mix_of_caption(picture.caption)
        except ValueError as error:
            found.append(Disagreement(picture.path, str(error)))
            continue
        fidelity = measure(np.asarray(Image.open(picture.path).convert("RGB")), mix)
        if fidelity.worst_error_pp > tolerance:
            shares = ", ".join(
                f"{color.id} {100 * color.requested:.0f} % stated, {100 * color.measured:.0f} % measured"
                for color in fidelity.colors
            )
            found.append(Disagreement(picture.path, shares))
    return found
