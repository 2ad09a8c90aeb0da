"""A picture of the catalogue in small, and its mean colour, both averaged in light as the eye does it."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from plitka.batch.local_runner import usable_cores
from plitka.colors.lab import from_light, to_light

# Longer sides, pixels: for print, 40 mm at 150 dots an inch; on the page, by how many pictures it has.
PRINT_SIDE = 240
PAGE_SIDES = ((400, 192), (1500, 128))
LEAST_PAGE_SIDE = 96
_PRINT_QUALITY, _PAGE_QUALITY = 88, 78
# Pictures that are in memory at a time, for each thread.
_AHEAD = 4


@dataclass(frozen=True)
class Thumbnail:
    """A picture in small.

    Attributes:
        print: JPEG with PRINT_SIDE pixels on its longer side.
        page: WebP for the web page.
        mean_hex: The picture's mean colour, #RRGGBB.
        sha256: Of the picture's file, hexadecimal.
        width: Of the picture, pixels.
        height: Of the picture, pixels.
    """

    print: bytes
    page: bytes
    mean_hex: str
    sha256: str
    width: int
    height: int


def thumbnails(paths: Iterable[Path], count: int) -> Generator[Thumbnail]:
    """The thumbnails of so many picture files, in their order; threads work ahead."""
    side = next((side for most, side in PAGE_SIDES if count <= most), LEAST_PAGE_SIDE)
    waiting = iter(paths)
    # OpenCV and Pillow let other threads work while they do.
    with ThreadPoolExecutor(usable_cores()) as pool:
        ahead = [pool.submit(thumbnail, path, side) for path in islice(waiting, _AHEAD * usable_cores())]
        try:
            while ahead:
                yield ahead.pop(0).result()
                ahead += [pool.submit(thumbnail, path, side) for path in islice(waiting, 1)]
        finally:
            for future in ahead:
                future.cancel()


def thumbnail(path: Path, page_side: int) -> Thumbnail:
    """One thumbnail. Raises OSError."""
    data = path.read_bytes()
    with Image.open(io.BytesIO(data)) as file:
        picture = np.asarray(file.convert("RGB"))
    light = to_light(picture)
    mean = from_light(light.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)[None, None], np.uint8)
    height, width = picture.shape[:2]
    return Thumbnail(
        _file(light, PRINT_SIDE, "JPEG", quality=_PRINT_QUALITY, subsampling=0),
        _file(light, page_side, "WEBP", quality=_PAGE_QUALITY, method=2),
        f"#{bytes(mean[0, 0]).hex().upper()}",
        sha256(data).hexdigest(),
        width,
        height,
    )


def _file(light: np.ndarray, side: int, kind: str, **options: int) -> bytes:
    height, width = light.shape[:2]
    scale = min(1.0, side / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = from_light(cv2.resize(light, size, interpolation=cv2.INTER_AREA), np.uint8)
    file = io.BytesIO()
    Image.fromarray(small).save(file, kind, **options)
    return file.getvalue()
