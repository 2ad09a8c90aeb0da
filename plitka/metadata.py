"""What a picture says of itself: enough to make it again, byte for byte.

PNG files carry one text chunk per field of `Provenance`; WebP and JPEG carry the same fields as one JSON
object in the EXIF field ImageDescription. There are no times among them: the same request, engine
and versions give the same bytes.
"""

import functools
import importlib.metadata
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

import plitka
from plitka.prompt import Prompt
from plitka.request import TileRequest

# Granules at 1024x1024 take 60 ms at level 1; at level 6 they take 160 ms and the file is no smaller.
PNG_COMPRESS_LEVEL = 1
# WebP is written without loss: its lossy kind halves the resolution of colour, and colour is the promise.
WEBP_FASTEST_METHOD = 0
JPEG_QUALITY = 95
JPEG_FULL_COLOR_RESOLUTION = 0

PNG_KEY_PREFIX = "plitka:"
SOFTWARE = "Plitka Pro"
EXIF_IMAGE_DESCRIPTION = 0x010E
EXIF_SOFTWARE = 0x0131
# Packages of every installation that can change a byte of a picture; an engine names its own in its identity.
DRAWING_PACKAGES = ("numpy", "opencv-python-headless", "pillow")


class MetadataError(ValueError):
    """The file is not a picture, or not one that Plitka made."""


@dataclass(frozen=True)
class Provenance:
    """Where a picture comes from.

    Attributes:
        picture: "preview", "final" or "colormap".
        request: The canonical request, JSON; `parse_request` reads it back exactly.
        seed: The seed, as decimal digits.
        prompt: The prompt, also where the engine has no use for one.
        negative_prompt: The negative prompt, likewise.
        engine: The engine's name.
        identity: What made the picture (model ids, revisions, hashes), a JSON object.
        versions: Versions of Plitka and of the packages that draw and write, a JSON object.
        measured: Shares and colours, guidance and correction, a JSON object; empty for the colour map.
    """

    picture: str
    request: str
    seed: str
    prompt: str
    negative_prompt: str
    engine: str
    identity: str
    versions: str
    measured: str


def provenance_of(
    picture: str,
    request: TileRequest,
    prompt: Prompt,
    engine: str,
    identity: Mapping[str, str],
    measured: Mapping[str, Any] = MappingProxyType({}),
) -> Provenance:
    """Gather the provenance of the picture named `picture`, drawn by the engine named `engine`.

    `measured` is JSON-ready: what was measured in the picture, and how it was corrected.
    """
    return Provenance(
        picture=picture,
        request=request.to_json(),
        seed=str(request.seed),
        prompt=prompt.positive,
        negative_prompt=prompt.negative,
        engine=engine,
        identity=json.dumps(dict(identity), sort_keys=True),
        versions=json.dumps(dict(library_versions()), sort_keys=True),
        measured=json.dumps(dict(measured), sort_keys=True),
    )


@functools.cache
def library_versions() -> Mapping[str, str]:
    """Versions of Plitka and of the packages that draw and write pictures in this installation."""
    packages = {name: importlib.metadata.version(name) for name in DRAWING_PACKAGES}
    return MappingProxyType({"plitka": plitka.__version__, **packages})


def encode(image: NDArray[np.uint8], output_format: str, provenance: Provenance) -> bytes:
    """Write a picture with its provenance.

    Args:
        image: (height, width, 3) uint8 sRGB.
        output_format: "png", "webp" (lossless) or "jpg".
        provenance: What the file says of itself.

    Returns:
        The bytes of the file: the same for the same arguments.
    """
    file = io.BytesIO()
    picture = Image.fromarray(image)
    if output_format == "png":
        picture.save(file, "PNG", compress_level=PNG_COMPRESS_LEVEL, pnginfo=_png_chunks(provenance))
    elif output_format == "webp":
        picture.save(file, "WEBP", lossless=True, method=WEBP_FASTEST_METHOD, exif=_exif(provenance))
    else:
        picture.save(
            file,
            "JPEG",
            quality=JPEG_QUALITY,
            subsampling=JPEG_FULL_COLOR_RESOLUTION,
            exif=_exif(provenance),
        )
    return file.getvalue()


def _png_chunks(provenance: Provenance) -> PngInfo:
    chunks = PngInfo()
    chunks.add_text("Software", SOFTWARE)
    for key, value in asdict(provenance).items():
        chunks.add_text(PNG_KEY_PREFIX + key, value)
    return chunks


def _exif(provenance: Provenance) -> Image.Exif:
    exif = Image.Exif()
    exif[EXIF_SOFTWARE] = SOFTWARE
    exif[EXIF_IMAGE_DESCRIPTION] = json.dumps(asdict(provenance))
    return exif


def read_provenance(path: Path) -> Provenance:
    """Read what the picture at `path` says of itself.

    Raises:
        MetadataError: The file is missing, is no picture, or was not made by Plitka or lost its metadata.
    """
    try:
        texts = _read_texts(path)
        said = Provenance(**{field.name: texts[field.name] for field in fields(Provenance)})
        if isinstance(json.loads(said.identity), dict) and isinstance(json.loads(said.versions), dict):
            return said
    except FileNotFoundError as error:
        raise MetadataError(f"{path}: there is no such file") from error
    except (UnidentifiedImageError, IsADirectoryError) as error:
        raise MetadataError(f"{path}: this is not a picture") from error
    except (KeyError, TypeError, json.JSONDecodeError):
        pass
    raise MetadataError(
        f"{path}: this picture does not say how it was made; "
        "only pictures from Plitka that no other program has rewritten do"
    )


def _read_texts(path: Path) -> dict[str, str]:
    with Image.open(path) as picture:
        if picture.format == "PNG":
            return {str(key).removeprefix(PNG_KEY_PREFIX): value for key, value in picture.info.items()}
        texts: dict[str, str] = json.loads(picture.getexif().get(EXIF_IMAGE_DESCRIPTION, "{}"))
        return texts


def differences(provenance: Provenance, identity: Mapping[str, str]) -> list[str]:
    """In what this installation and this engine differ from those that made the picture, in words."""
    made_with, made_by = json.loads(provenance.versions), json.loads(provenance.identity)
    here = {**library_versions(), **identity}
    then = {**made_with, **made_by}
    return [
        f"made with {name} {then.get(name, 'of an unknown version')}, here is {value}"
        for name, value in here.items()
        if then.get(name) != value
    ]
