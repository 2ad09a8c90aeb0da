"""Control images, the input of a ControlNet: the edges of the plan, white on black, and its surface."""

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.choices import CONTROL_KINDS, ControlKind, EdgeKind
from plitka.tile.canvas import wrapped
from plitka.tile.maps import PlanMaps
from plitka.tile.normals import normals_of
from plitka.tile.plan import FINE_PIXELS, JOINT, TilePlan

# Brightness of an edge between granules of one colour: edge detectors find it fainter than a colour edge.
_FAINT = 0.4
# Mean diameter, in pixels, of granules whose edges have their full brightness; those of fine ones would fill
# the picture, and joints would be lost in them.
_BRIGHT_PIXELS = 12
# Pixels from the opposite edge around a picture that goes on over its edges: more than any blur reaches.
_WRAPPED = 8
# Depth and normals are as smooth as those that a detector finds on a photograph: deviation in pixels.
_SMOOTH = 1.0
# Per cent of the pixels that are black and white in a depth image: a few holes would take all the contrast.
_CLIPPED = 0.5


def draw_control(
    plan: TilePlan, kind: ControlKind, size: int, maps: PlanMaps | None = None
) -> NDArray[np.uint8]:
    """(height, size, 3) uint8: the edges of granules and joints in three equal channels, or the surface.

    `maps` are the plan's at this size where they have been made already.

    `canny`: lines one pixel wide, 0 or 255, as cv2.Canny draws them, but joints filled. `softedge`: wide,
    graded edges like those of HED, brightest at joints and colour edges. `lineart`: thin antialiased strokes.
    Where granules have less than 10 pixels, `canny` has the edges between colours only, and the others have
    fainter edges, so that the picture is no brighter than with larger granules.

    `depth` is the height map as MiDaS gives depth, three equal channels: white is near, joints are black; the
    picture's own range is stretched. `normal` has the normals of the height map as NormalBae gives them: red
    where the surface faces left, green up, blue to the viewer, -1 at 0 and 1 at 255.
    Raises ValueError for another kind.
    """
    if kind not in CONTROL_KINDS:
        raise ValueError(f"control kind {kind!r} is not one of {', '.join(CONTROL_KINDS)}")
    if kind == "depth" or kind == "normal":
        maps = maps or PlanMaps(plan, size)
        return _depth(maps) if kind == "depth" else _normals(maps)
    return _draw_edges(plan, kind, size)


def _draw_edges(plan: TilePlan, kind: EdgeKind, size: int) -> NDArray[np.uint8]:
    labels, colors = plan.labels(size), plan.color_indices(size)
    rows, columns = labels.shape
    pixels = plan.granule_pixels(size)
    brightness = pixels / _BRIGHT_PIXELS if pixels < FINE_PIXELS else 1.0
    margin = _WRAPPED if plan.scale.seamless else 0
    if margin:
        labels, colors = wrapped(labels, margin), wrapped(colors, margin)
    if kind == "canny":
        # Joints as two parallel lines are lost among thousands of granules: a model drew no joints from them.
        edges = cv2.max(_edges(colors if brightness < 1 else labels), _joints(labels))
    else:
        graded = _graded_edges(labels, colors, brightness)
        edges = _softedge(graded, size) if kind == "softedge" else _lineart(graded)
    edges = np.ascontiguousarray(edges[margin : margin + rows, margin : margin + columns])
    return cv2.merge([edges, edges, edges])


def _edges(labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """255 where a pixel differs from its right or lower neighbour: boundaries one pixel wide."""
    edges = np.zeros(labels.shape, np.bool_)
    edges[:, :-1] = labels[:, :-1] != labels[:, 1:]
    edges[:-1] |= labels[:-1] != labels[1:]
    return edges.view(np.uint8) * np.uint8(255)


def _joints(labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    return (labels == JOINT).view(np.uint8) * np.uint8(255)


def _graded_edges(
    labels: NDArray[np.int32], colors: NDArray[np.uint8], brightness: float
) -> NDArray[np.uint8]:
    """Edges: joints white, colour edges of this brightness (1: white), edges within one colour fainter."""
    faint = cv2.addWeighted(_edges(labels), brightness * _FAINT, _edges(colors), brightness * (1 - _FAINT), 0)
    return cv2.max(faint, _joints(labels))


def _softedge(edges: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    soft = cv2.GaussianBlur(edges, (0, 0), size / 1024 * 1.6)
    return cv2.addWeighted(soft, 1.6, soft, 0, 0)


def _lineart(edges: NDArray[np.uint8]) -> NDArray[np.uint8]:
    lines = cv2.GaussianBlur(edges, (3, 3), 0.6)
    return cv2.addWeighted(lines, 1.3, lines, 0, 0)


def _depth(maps: PlanMaps) -> NDArray[np.uint8]:
    levels = _smooth_levels(maps).astype(np.float32)
    low, high = np.percentile(levels, (_CLIPPED, 100 - _CLIPPED))
    levels -= np.float32(low)
    levels *= np.float32(255 / max(high - low, 1))
    depth = np.clip(np.rint(levels, out=levels), 0, 255, out=levels).astype(np.uint8)
    return cv2.merge([depth, depth, depth])


def _normals(maps: PlanMaps) -> NDArray[np.uint8]:
    normals = normals_of(_smooth_levels(maps), maps.steepness, maps.plan.canvas.seamless, "opengl")
    # There red is where the surface faces right.
    np.subtract(255, normals[..., 0], out=normals[..., 0])
    return normals


def _smooth_levels(maps: PlanMaps) -> NDArray[np.uint16]:
    if not maps.plan.canvas.seamless:
        return _blurred(maps.levels)
    around = _blurred(wrapped(maps.levels, _WRAPPED))
    return np.ascontiguousarray(around[_WRAPPED:-_WRAPPED, _WRAPPED:-_WRAPPED])


def _blurred(levels: NDArray[np.uint16]) -> NDArray[np.uint16]:
    return np.asarray(cv2.GaussianBlur(levels, (0, 0), _SMOOTH), np.uint16)
