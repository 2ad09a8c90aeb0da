"""TIFF files of 8 or 16 bits a channel, sRGB by profile, with resolution and provenance.

Format: TIFF 6.0, https://www.loc.gov/preservation/digital/formats/fdd/fdd000022.shtml. Pillow writes the
tags; it has no pictures of three channels with 16 bits, so the pixels are packed here: one strip, each pixel
as the difference to its left neighbour (predictor 2), deflated (compression 8).
"""

import io
import json
import sys
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from plitka.output.provenance import SOFTWARE, Provenance, provenance_texts, srgb_profile
from plitka.output.resolution import resolution_of

_DEFLATE, _RGB, _DIFFERENCES, _LEVEL = 8, 2, 2, 6
_LITTLE_ENDIAN = b"II"
# Of the strip: where it begins, which is known only once the tags' length is.
_UNKNOWN = 0


def write_tiff(image: NDArray[np.uint8] | NDArray[np.uint16], provenance: Provenance) -> bytes:
    """Write a picture losslessly.

    Args:
        image: (height, width, 3) sRGB; the file has as many bits a channel as the array.
        provenance: Its metadata, as JSON in the field ImageDescription.

    Returns:
        The bytes of the file: the same for the same arguments.
    """
    rows, columns, channels = image.shape
    strip = zlib.compress(_differences(image).tobytes(), _LEVEL)
    tags = TiffImagePlugin.ImageFileDirectory_v2(prefix=_LITTLE_ENDIAN)
    resolution = resolution_of(image.shape, provenance.scale)
    fields = {
        TiffImagePlugin.IMAGEWIDTH: columns,
        TiffImagePlugin.IMAGELENGTH: rows,
        TiffImagePlugin.BITSPERSAMPLE: (8 * image.itemsize,) * channels,
        TiffImagePlugin.COMPRESSION: _DEFLATE,
        TiffImagePlugin.PHOTOMETRIC_INTERPRETATION: _RGB,
        TiffImagePlugin.IMAGEDESCRIPTION: json.dumps(provenance_texts(provenance)),
        TiffImagePlugin.STRIPOFFSETS: _UNKNOWN,
        TiffImagePlugin.SAMPLESPERPIXEL: channels,
        TiffImagePlugin.ROWSPERSTRIP: rows,
        TiffImagePlugin.STRIPBYTECOUNTS: len(strip),
        TiffImagePlugin.PLANAR_CONFIGURATION: 1,
        TiffImagePlugin.SOFTWARE: SOFTWARE,
        TiffImagePlugin.PREDICTOR: _DIFFERENCES,
        TiffImagePlugin.ICCPROFILE: srgb_profile(),
        **(resolution.exif() if resolution else {}),
    }
    for tag, value in fields.items():
        tags[tag] = value
    file = io.BytesIO()
    # The directory adds its own end to what is given as the strip's offset.
    tags.save(file)
    file.write(strip)
    return file.getvalue()


def _differences(image: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    found = image.copy()
    # Unsigned, so it wraps around as the format wants it.
    found[:, 1:] -= image[:, :-1]
    return found.byteswap() if sys.byteorder == "big" else found
