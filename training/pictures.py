"""Pictures with captions for the adapter trainer.

A folder holds pictures, and their captions either in `metadata.jsonl` (a line of JSON a picture:
`file_name`, `text`, and for a piece of a larger picture `original_size` [height, width] and `crop_top_left`
[y, x]) or in a `.txt` file beside each picture.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from plitka.match.photo import read_photograph

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
METADATA = "metadata.jsonl"
CAPTION_SUFFIX = ".txt"


@dataclass(frozen=True)
class Picture:
    """A picture and its caption.

    Attributes:
        path: Its file.
        caption: What it shows, in words.
        original_size: (height, width) in pixels of what it is cut from; None if it is whole.
        corner: (y, x) of it there.
        name: What its owner calls it, where that is not the file's name.
    """

    path: Path
    caption: str
    original_size: tuple[int, int] | None = None
    corner: tuple[int, int] = (0, 0)
    name: str = ""

    @property
    def title(self) -> str:
        """What messages call it."""
        return self.name or self.path.name

    def pixels(self, resolution: int) -> NDArray[np.uint8]:
        """(resolution, resolution, 3) uint8 sRGB: the middle square, resized if need be.

        Raises PhotographError for a file that is no photograph.
        """
        image = Image.fromarray(read_photograph(self.path))
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
        if side != resolution:
            image = image.resize((resolution, resolution), Image.Resampling.LANCZOS)
        return np.asarray(image)


def read_pictures(folder: Path) -> list[Picture]:
    """The pictures of a folder. Raises ValueError if there are none or a caption is missing."""
    metadata = folder / METADATA
    if metadata.is_file():
        pictures = [_of_line(folder, json.loads(line)) for line in metadata.read_text("utf-8").splitlines()]
    else:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        silent = [path.name for path in paths if not path.with_suffix(CAPTION_SUFFIX).is_file()]
        if silent:
            raise ValueError(f"{folder}: no captions (.txt) for {', '.join(silent)}")
        pictures = [
            Picture(path, path.with_suffix(CAPTION_SUFFIX).read_text(encoding="utf-8").strip())
            for path in paths
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
