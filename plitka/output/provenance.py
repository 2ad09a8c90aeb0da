"""The metadata of a picture file: enough to draw it again, byte for byte.

PNG files carry one text chunk per field of `Provenance`; WebP and JPEG carry the same fields as one JSON
object in the EXIF field ImageDescription. There are no times among them: the same request, engine
and versions give the same bytes. Every file but the maps declares that its colours are sRGB, and every one
how many of its pixels make an inch or a metre.
"""

import functools
import importlib.metadata
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import resources
from types import MappingProxyType
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import plitka
from plitka.choices import OutputFormat
from plitka.colors.palette import PALETTE, palette_in_use
from plitka.errors import shown
from plitka.output.picture_texts import EXIF_IMAGE_DESCRIPTION
from plitka.output.png import write_png
from plitka.output.resolution import Resolution, resolution_of
from plitka.request.prompt import Prompt
from plitka.request.tile_request import TileRequest
from plitka.tile.colormap import joint_hex
from plitka.tile.maps import TileMap

# WebP is written without loss: its lossy kind halves the resolution of colour, and colour is what matters.
WEBP_FASTEST_METHOD = 0
JPEG_QUALITY = 95
JPEG_FULL_COLOR_RESOLUTION = 0

PNG_KEY_PREFIX = "plitka:"
SOFTWARE = "Plitka Pro"
EXIF_SOFTWARE = 0x0131
# Rendering intent 0, perceptual: what the PNG specification names for photographs.
PNG_SRGB_CHUNK = b"sRGB", b"\0"
# JPEG and WebP have no such chunk. The profile is a file here: one that a library makes carries the time.
SRGB_PROFILE = "srgb.icc"
# Packages of every installation that can change a byte of a picture; an engine names its own in its identity.
DRAWING_PACKAGES = ("numpy", "opencv-python-headless", "pillow")


@dataclass(frozen=True)
class Provenance:
    """Where a picture comes from.

    Attributes:
        picture: "preview", "final" or "colormap", or the name of a map.
        request: The canonical request, JSON; `parse_request` reads it back exactly.
        seed: The seed, as decimal digits.
        prompt: The prompt, also where the engine has no use for one.
        negative_prompt: The negative prompt, likewise.
        engine: The engine's name.
        identity: What made the picture (model ids, revisions, hashes), a JSON object.
        versions: Versions of Plitka and of the packages that draw and write, a JSON object.
        measured: Shares and colours, guidance and correction, a JSON object; empty for the colour map.
        joint_color: Colour of the joints in the colour map, #RRGGBB: that of no colour of the mix.
        approximations: What was left out to be faster, sentences in a JSON list; only where something was.
        map: What the levels of a map stand for and its size in millimetres, a JSON object; only in maps.
        scale: What the picture shows, in millimetres, a JSON object: see `plitka.request.scale.Scale`.
        palette: SHA-256 of the palette's figures, `Palette.fingerprint`; only where it is not built in.
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
    joint_color: str | None = None
    approximations: str | None = None
    map: str | None = None
    scale: str | None = None
    palette: str | None = None


def provenance_of(
    picture: str,
    request: TileRequest,
    prompt: Prompt,
    engine: str,
    identity: Mapping[str, str],
    measured: Mapping[str, Any] = MappingProxyType({}),
    approximations: Sequence[str] = (),
) -> Provenance:
    """Gather the provenance of the picture named `picture`, drawn by the engine named `engine`.

    `measured` is JSON-ready: what was measured in the picture, and how it was corrected. `approximations` is
    what the engine left out to be faster.
    """
    return Provenance(
        picture=picture,
        request=request.without_sheet().to_json(),
        seed=str(request.seed),
        prompt=prompt.positive,
        negative_prompt=prompt.negative,
        engine=engine,
        identity=json.dumps(dict(identity), sort_keys=True),
        versions=json.dumps(dict(library_versions()), sort_keys=True),
        measured=json.dumps(dict(measured), sort_keys=True),
        joint_color=joint_hex(request.mix),
        approximations=json.dumps(list(approximations)) if approximations else None,
        scale=json.dumps(asdict(request.scale), sort_keys=True),
        palette=_other_palette(),
    )


def _other_palette() -> str | None:
    """What tells the palette in use from the built-in one; None if pictures would be the same."""
    fingerprint = palette_in_use().fingerprint
    return None if fingerprint == PALETTE.fingerprint else fingerprint


@functools.cache
def library_versions() -> Mapping[str, str]:
    """Versions of Plitka and of the packages that draw and write pictures in this installation."""
    packages = {name: importlib.metadata.version(name) for name in DRAWING_PACKAGES}
    return MappingProxyType({"plitka": plitka.__version__, **packages})


def encode(image: NDArray[np.uint8], output_format: OutputFormat, provenance: Provenance) -> bytes:
    """Write a picture with its provenance.

    Args:
        image: (height, width, 3) uint8 sRGB.
        output_format: "png", "webp" (lossless) or "jpg".
        provenance: The metadata of the file.

    Returns:
        The bytes of the file: the same for the same arguments.
    """
    resolution = resolution_of(image.shape, provenance.scale)
    match output_format:
        case "png":
            return write_png(image, _png_chunks(provenance, resolution))
        case "webp":
            exif = _exif(provenance, resolution)
            return _with_exif(image, exif, "WEBP", lossless=True, method=WEBP_FASTEST_METHOD)
        case "jpg":
            options: dict[str, Any] = {"quality": JPEG_QUALITY, "subsampling": JPEG_FULL_COLOR_RESOLUTION}
            whole = resolution.jfif() if resolution else None
            if whole:
                options["dpi"] = whole
            return _with_exif(image, _exif(provenance, resolution), "JPEG", **options)
    assert_never(output_format)


def _with_exif(image: NDArray[np.uint8], exif: Image.Exif, pillow_format: str, **options: Any) -> bytes:
    """A file in a format that carries the provenance in EXIF and the colour space as a profile."""
    file = io.BytesIO()
    given = {"exif": exif, "icc_profile": srgb_profile(), **options}
    Image.fromarray(image).save(file, pillow_format, **given)
    return file.getvalue()


@functools.cache
def srgb_profile() -> bytes:
    """The ICC profile of sRGB that JPEG and WebP files carry; `references/srgb_profile.py` makes it."""
    return resources.files("plitka.output").joinpath(SRGB_PROFILE).read_bytes()


def encode_map(drawn: TileMap, provenance: Provenance) -> bytes:
    """Write a map as PNG with its provenance and what its levels stand for.

    Its levels are no colours, so it declares none: a program that converted them would change the numbers.
    """
    meaning = json.dumps(drawn.meaning, sort_keys=True)
    resolution = resolution_of(drawn.image.shape, provenance.scale)
    chunks = _png_chunks(replace(provenance, map=meaning), resolution, declares_srgb=False)
    return write_png(drawn.image, chunks)


def _png_chunks(
    provenance: Provenance, resolution: Resolution | None, *, declares_srgb: bool = True
) -> PngInfo:
    chunks = PngInfo()
    if declares_srgb:
        chunks.add(*PNG_SRGB_CHUNK)
    if resolution:
        chunks.add(*resolution.png_chunk())
    chunks.add_text("Software", SOFTWARE)
    for key, value in provenance_texts(provenance).items():
        chunks.add_text(PNG_KEY_PREFIX + key, value)
    return chunks


def _exif(provenance: Provenance, resolution: Resolution | None) -> Image.Exif:
    exif = Image.Exif()
    if resolution:
        exif.update(resolution.exif())
    exif[EXIF_SOFTWARE] = SOFTWARE
    exif[EXIF_IMAGE_DESCRIPTION] = json.dumps(provenance_texts(provenance))
    return exif


def provenance_texts(provenance: Provenance) -> dict[str, str]:
    """The fields that have a text, by name."""
    return {key: value for key, value in asdict(provenance).items() if value is not None}


def differences(provenance: Provenance, identity: Mapping[str, str]) -> list[str]:
    """In what this installation and this engine differ from those that made the picture, in words."""
    then = {**json.loads(provenance.versions), **json.loads(provenance.identity)}
    here = {**library_versions(), **identity}
    found = [
        f"made with {name} {shown(then[name]) if name in then else 'of an unknown version'}, here is {value}"
        for name, value in here.items()
        if then.get(name) != value
    ]
    found += palette_difference(provenance)
    if provenance.joint_color is None:
        found.append("made by a Plitka whose files did not declare their colours as sRGB")
    return found


def palette_difference(provenance: Provenance) -> list[str]:
    """A sentence if the picture was drawn with another palette than the one in use, else none."""
    here = _other_palette()
    if provenance.palette == here:
        return []
    words = [
        "the built-in palette" if fingerprint is None else f"the palette {shown(fingerprint[:12])}"
        for fingerprint in (provenance.palette, here)
    ]
    return [f"made with {words[0]}, here is {words[1]}"]
