"""Read a photograph from a file, as sRGB the right way up; everything else is refused in words."""

from __future__ import annotations

import io
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from plitka.errors import PhotographError

MOST_BYTES = 100 * 2**20
MOST_PIXELS = 100_000_000
LEAST_SIDE = 128
_FORMATS = ("JPEG", "PNG", "WEBP")
_KINDS = "a JPEG, PNG or WebP file is needed"
# Brands of the ISO base media file format (ISO/IEC 14496-12) behind `ftyp`, as cameras write them.
_BRANDS = {
    b"heic": "HEIC",
    b"heix": "HEIC",
    b"heim": "HEIC",
    b"heis": "HEIC",
    b"hevc": "HEIC",
    b"hevx": "HEIC",
    b"mif1": "HEIF",
    b"msf1": "HEIF",
    b"avif": "AVIF",
    b"avis": "AVIF",
}
_STARTS = {
    b"GIF8": "GIF",
    b"II*\0": "TIFF or a raw photograph",
    b"MM\0*": "TIFF or a raw photograph",
    b"BM": "BMP",
    b"%PDF": "PDF",
    b"8BPS": "Photoshop",
    b"<svg": "SVG",
}
# Rows that are copied at a time.
_STRIP = 512
# Modes that Pillow gives to colour pictures of 8 bits.
_COLOR_MODES = ("RGB", "RGBA", "P", "PA", "RGBX", "RGBa")


def read_photograph(path: Path) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 sRGB of a JPEG, PNG or WebP file, turned as its EXIF says.

    Colours of an embedded RGB profile become sRGB; what is transparent becomes white.

    Raises:
        PhotographError: It is no such file, damaged, too large, too small, greyscale or CMYK.
        OSError: It cannot be read.
    """
    if path.is_dir():
        raise PhotographError("is a folder, not a photograph")
    if not path.is_file() and path.exists():
        raise PhotographError("is no regular file")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise PhotographError(f"has more than {MOST_BYTES // 2**20} MiB, the most that is read")
    with path.open("rb") as file:
        return decode_photograph(file.read(MOST_BYTES + 1))


def decode_photograph(data: bytes) -> NDArray[np.uint8]:
    """The same from the bytes of a file. Raises PhotographError as `read_photograph` does."""
    check_kind(data)
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures and of odd metadata; sizes are checked here.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                _check_size(image)
                _check_mode(image)
                image.load()
                return _as_srgb(_upright(image))
    except UnidentifiedImageError:
        raise PhotographError(f"cannot be read as a picture: damaged, or of another kind; {_KINDS}") from None
    except Image.DecompressionBombError:
        raise PhotographError(f"has more than {MOST_PIXELS:,} pixels, the most that are read") from None
    except PhotographError:
        raise
    except Exception as error:
        # Pillow's decoders raise whatever a damaged file leads them to (OSError, SyntaxError, struct.error…).
        raise PhotographError(f"is damaged or cut off ({type(error).__name__}); {_KINDS}") from error


def check_kind(data: bytes) -> None:
    """Refuse a file by its first bytes, naming what it is. Raises PhotographError."""
    if not data:
        raise PhotographError(f"is empty; {_KINDS}")
    if data[4:8] == b"ftyp" and data[8:12] in _BRANDS:
        name = _BRANDS[data[8:12]]
        raise PhotographError(f"is a {name} picture, which is not read here: save it as JPEG or PNG")
    for start, name in _STARTS.items():
        if data.startswith(start):
            raise PhotographError(f"is {name}; {_KINDS}")


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise PhotographError(f"has {width} x {height} pixels; at most {MOST_PIXELS:,} are read")
    if min(width, height) < LEAST_SIDE:
        raise PhotographError(f"has {width} x {height} pixels; at least {LEAST_SIDE} on a side are needed")


def _check_mode(image: Image.Image) -> None:
    if image.mode in ("CMYK", "YCCK", "LAB", "HSV"):
        raise PhotographError(f"has {image.mode} colours, made for print: save it as sRGB")
    if image.mode not in _COLOR_MODES and image.mode != "YCbCr":
        raise PhotographError(f"has no colours of 8 bits (Pillow's mode {image.mode}): save it as sRGB")


def _upright(image: Image.Image) -> Image.Image:
    # Damaged EXIF says nothing about the orientation; the pixels are whole.
    with suppress(Exception):
        # In place: a copy of a large photograph is a few hundred megabytes.
        ImageOps.exif_transpose(image, in_place=True)
    return image


def _as_srgb(image: Image.Image) -> NDArray[np.uint8]:
    profile = image.info.get("icc_profile")
    if image.mode in ("RGBA", "P", "PA", "RGBa") or "transparency" in image.info:
        ground = Image.new("RGBA", image.size, "white")
        ground.alpha_composite(image.convert("RGBA"))
        image = ground
    if image.mode != "RGB":
        image = image.convert("RGB")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            image = (
                ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
                or image
            )
        except (ImageCms.PyCMSError, OSError, ValueError) as error:
            raise PhotographError("has a damaged colour profile: save it as sRGB without one") from error
    return _pixels(image)


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    """The pixels, taken over in strips: Pillow copies what it gives away twice."""
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _STRIP):
        bottom = min(top + _STRIP, height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, width, bottom)))
    return pixels
