"""What a picture file says of its size: pixels by length, in the form that each format has for it.

PNG has whole pixels a metre (chunk pHYs, https://www.w3.org/TR/png-3/#11pHYs); JPEG and WebP have fractions
of pixels an inch in EXIF, and JPEG whole ones in its own header (JFIF 1.02).
"""

import json
import struct
from dataclasses import dataclass

from plitka.request.prints import MM_PER_INCH

EXIF_X_RESOLUTION, EXIF_Y_RESOLUTION, EXIF_RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
EXIF_INCH = 2
_PER_METRE = b"\1"
# Below so many pixels an inch, whole ones would be off by more than half a percent, and JFIF says none.
_LEAST_WHOLE = 100
# The most that a density has room for: 16 bits in JFIF, 31 in PNG.
_MOST_WHOLE, _MOST_PER_METRE = 2**16 - 1, 2**31 - 1


@dataclass(frozen=True)
class Resolution:
    """Pixels an inch, from left to right and from top to bottom."""

    across: float
    down: float

    def png_chunk(self) -> tuple[bytes, bytes]:
        """Name and content of the chunk pHYs: pixels a metre, rounded to whole ones, at least 1."""
        metre = [
            min(max(1, round(dots * 1000 / MM_PER_INCH)), _MOST_PER_METRE)
            for dots in (self.across, self.down)
        ]
        return b"pHYs", struct.pack(">II", *metre) + _PER_METRE

    def exif(self) -> dict[int, float | int]:
        """The tags of EXIF and TIFF: pixels an inch, not rounded."""
        return {
            EXIF_X_RESOLUTION: self.across,
            EXIF_Y_RESOLUTION: self.down,
            EXIF_RESOLUTION_UNIT: EXIF_INCH,
        }

    def jfif(self) -> tuple[int, int] | None:
        """Whole pixels an inch; None where they would be off by more than half a percent."""
        if min(self.across, self.down) < _LEAST_WHOLE or max(self.across, self.down) > _MOST_WHOLE:
            return None
        return round(self.across), round(self.down)


def resolution_of(shape: tuple[int, ...], scale: str | None) -> Resolution | None:
    """The resolution of a picture.

    Args:
        shape: Its rows and columns, and whatever else an array's shape has.
        scale: What it shows, as its metadata has it; see `plitka.output.provenance.Provenance`.

    Returns:
        None where `scale` is.
    """
    if scale is None:
        return None
    shown = json.loads(scale)
    rows, columns = shape[:2]
    return Resolution(columns * MM_PER_INCH / shown["width_mm"], rows * MM_PER_INCH / shown["height_mm"])
