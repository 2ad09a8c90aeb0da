"""The pictures of one section kept for the next, and how far apart two of them are."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from card.bench import Bench
from card.figures import SAME


def keep_picture(bench: Bench, section: str, name: str, image: Image.Image) -> None:
    """Write a picture for later sections."""
    path = _path(bench, section, name)
    path.parent.mkdir(exist_ok=True)
    image.save(path, compress_level=1)


def kept_picture(bench: Bench, section: str, name: str) -> Image.Image:
    """A picture that an earlier section has kept. Raises FileNotFoundError if none has."""
    return Image.open(_path(bench, section, name))


def is_as_kept(bench: Bench, section: str, name: str, image: NDArray[np.uint8]) -> bool | None:
    """Whether a picture is, to the bit, the one that another process has kept; None if none has."""
    path = _path(bench, section, name)
    return np.array_equal(np.asarray(Image.open(path)), image) if path.is_file() else None


def difference_from_baseline(bench: Bench, name: str, image: NDArray[np.uint8]) -> dict[str, float] | None:
    """PSNR in decibels to the baseline's picture of this name, and the contrast of both; None without one.

    PSNR is 10 log10(255² / mean squared error). `contrast` is the standard deviation of the baseline's
    picture: two grey areas would be alike whatever was wrong.
    """
    path = _path(bench, "baseline", name)
    if not path.is_file():
        return None
    kept = np.asarray(Image.open(path), np.float64)
    return {"psnr_db": psnr(kept, image), "contrast": float(kept.std())}


def psnr(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Decibels between two pictures of levels 0 to 255, one of them of floating-point numbers."""
    error = float(np.mean((one - other) ** 2))
    return 10 * math.log10(255**2 / error) if error else SAME


def _path(bench: Bench, section: str, name: str) -> Path:
    return bench.out / "pictures" / f"{section.replace(', ', '-').replace(' ', '-')}-{name}.png"
