"""A material for 3-D programs: one glTF 2.0 binary file with a plane that wears it at its true size.

Specification: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html. Lengths in glTF are metres.
"""

import io
import json
import struct
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngInfo

from plitka.output.png import write_png
from plitka.output.provenance import SOFTWARE
from plitka.tile.albedo import draw_albedo
from plitka.tile.maps import PlanMaps

_MAGIC, _VERSION = b"glTF", 2
_HEADER = struct.Struct("<4sII")
_CHUNK = struct.Struct("<I4s")
_ALIGNMENT = 4
_FLOAT, _UNSIGNED_SHORT = 5126, 5123
_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963
_LINEAR, _MIPMAPS, _REPEAT = 9729, 9987, 10497
_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}


class _Buffer:
    """The binary part of the file, and the views of it."""

    def __init__(self) -> None:
        self.data = io.BytesIO()
        self.views: list[dict[str, int]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, data: bytes, **view: int) -> int:
        """Append data; returns the index of its view."""
        start = self.data.tell()
        self.data.write(data + bytes(-len(data) % _ALIGNMENT))
        self.views.append({"buffer": 0, "byteOffset": start, "byteLength": len(data), **view})
        return len(self.views) - 1

    def add_array(self, values: NDArray[Any], target: int, component: int) -> int:
        """Append numbers (n, k); returns the index of their accessor, which says their extremes."""
        self.accessors.append(
            {
                "bufferView": self.add(values.tobytes(), target=target),
                "componentType": component,
                "count": len(values),
                "type": _TYPES[values.shape[1]],
                "min": values.min(0).tolist(),
                "max": values.max(0).tolist(),
            }
        )
        return len(self.accessors) - 1


def write_material(maps: PlanMaps, plane_mm: float, extras: Mapping[str, str]) -> bytes:
    """Write the material of a plan on a horizontal plane.

    Base colour is the granules' own, without light; normals are in the OpenGL convention; one picture has
    occlusion as red, roughness as green and metal, of which there is none, as blue. The texture repeats over
    the plane, so that a millimetre of the plan is a millimetre of it.

    Args:
        maps: The maps of the plan.
        plane_mm: Side of the plane, millimetres, above 0.
        extras: Texts about the material, kept in the file.

    Returns:
        The bytes of a `.glb` file: the same for the same arguments.
    """
    buffer = _Buffer()
    none = np.zeros(maps.shape, np.uint8)
    packed = cv2.merge([maps.draw("ao").image, maps.draw("roughness").image, none])
    pictures = draw_albedo(maps), maps.draw("normal").image, packed
    views = [buffer.add(write_png(picture, PngInfo())) for picture in pictures]
    mesh = {"primitives": [_plane(buffer, plane_mm, maps.plan.extent_mm) | {"material": 0}]}
    names = "base colour", "normal", "occlusion, roughness, metal"
    images = [
        {"name": name, "bufferView": view, "mimeType": "image/png"}
        for name, view in zip(names, views, strict=True)
    ]
    document = {
        "asset": {"version": "2.0", "generator": SOFTWARE, "extras": dict(extras)},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": "tile", "mesh": 0}],
        "meshes": [mesh],
        "materials": [_material()],
        "textures": [{"source": index, "sampler": 0} for index in range(len(images))],
        "samplers": [{"magFilter": _LINEAR, "minFilter": _MIPMAPS, "wrapS": _REPEAT, "wrapT": _REPEAT}],
        "images": images,
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": buffer.data.tell()}],
    }
    return _binary(json.dumps(document).encode(), buffer.data.getvalue())


def _plane(buffer: _Buffer, side_mm: float, texture_mm: tuple[float, float]) -> dict[str, Any]:
    """A square around the origin that faces up (+Y), the texture's right along +X, its top along -Z."""
    half, repeats = side_mm / 2000, side_mm / np.array(texture_mm, np.float32)
    corners = np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]], np.float32) * np.float32(half)
    texture = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * repeats
    normal = np.tile(np.array([0, 1, 0], np.float32), (4, 1))
    tangent = np.tile(np.array([1, 0, 0, 1], np.float32), (4, 1))
    points = {"POSITION": corners, "NORMAL": normal, "TANGENT": tangent, "TEXCOORD_0": texture}
    triangles = np.array([[0], [3], [2], [0], [2], [1]], np.uint16)
    return {
        "attributes": {
            name: buffer.add_array(values, _ARRAY_BUFFER, _FLOAT) for name, values in points.items()
        },
        "indices": buffer.add_array(triangles, _ELEMENT_ARRAY_BUFFER, _UNSIGNED_SHORT),
    }


def _material() -> dict[str, Any]:
    base, normal, packed = ({"index": index} for index in range(3))
    return {
        "name": "rubber granules",
        "pbrMetallicRoughness": {
            "baseColorTexture": base,
            "metallicRoughnessTexture": packed,
            "metallicFactor": 0,
        },
        "normalTexture": normal,
        "occlusionTexture": packed,
    }


def _binary(document: bytes, data: bytes) -> bytes:
    """The file: a header, the JSON padded with spaces, the binary part."""
    document += b" " * (-len(document) % _ALIGNMENT)
    length = _HEADER.size + 2 * _CHUNK.size + len(document) + len(data)
    header = _HEADER.pack(_MAGIC, _VERSION, length)
    return b"".join(
        [header, _CHUNK.pack(len(document), b"JSON"), document, _CHUNK.pack(len(data), b"BIN\0"), data]
    )
