"""Control images, the input of a ControlNet: the edges of the plan, white on black."""

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.choices import CONTROL_KINDS, ControlKind
from plitka.tile.canvas import wrapped
from plitka.tile.plan import FINE_PIXELS, JOINT, TilePlan

# Brightness of an edge between granules of one colour: edge detectors find it fainter than a colour edge.
_FAINT = 0.4
# Mean diameter, in pixels, of granules whose edges have their full brightness; those of fine ones would fill
# the picture, and joints would be lost in them.
_BRIGHT_PIXELS = 12
# Pixels from the opposite edge around a picture that goes on over its edges: more than any blur reaches.
_WRAPPED = 8


def draw_control(plan: TilePlan, kind: ControlKind, size: int) -> NDArray[np.uint8]:
    """(height, size, 3) uint8, three equal channels: the edges of granules and joints.

    `canny`: lines one pixel wide, 0 or 255, as cv2.Canny draws them, but joints filled. `softedge`: wide,
    graded edges like those of HED, brightest at joints and colour edges. `lineart`: thin antialiased strokes.
    Where granules have less than 10 pixels, `canny` has the edges between colours only, and the others have
    fainter edges, so that the picture is no brighter than with larger granules.
    Raises ValueError for another kind.
    """
    if kind not in CONTROL_KINDS:
        raise ValueError(f"control kind {kind!r} is not one of {', '.join(CONTROL_KINDS)}")
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
