"""Whether a ControlNet guides a request, which kind of edges it gets, and why.

The laying angle, the layout and the request's own `use_controlnet` say so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from plitka.choices import ControlKind
from plitka.request.drawing_settings import DrawingSettings
from plitka.request.tile_request import TileRequest

# Laying angles, degrees, with an edge kind of their own. That of 0 is for joints there, and for granules
# alone if the request insists on a ControlNet.
KIND_BY_ANGLE: Mapping[float, ControlKind] = MappingProxyType(
    {0.0: "canny", 45.0: "softedge", 90.0: "canny", 135.0: "softedge"}
)
KIND_AT_OTHER_ANGLES: ControlKind = "lineart"


@dataclass(frozen=True)
class Route:
    """How a request is drawn.

    Attributes:
        control: The kind of edges that the ControlNet gets; None for the base pipeline without one.
        reason: Why, in words for the operator.
    """

    control: ControlKind | None
    reason: str


def route(request: TileRequest, settings: DrawingSettings) -> Route:
    """Choose the ControlNet of a request.

    Angle 0 (modulo 180) is one tile's surface and needs no ControlNet, unless its layout has joints; 45 and
    135 take softedge, 90 and joints at 0 take canny, every other angle lineart. A `surface` at another angle
    keeps its ControlNet, whose edges are those of granules alone then. `use_controlnet` wins over all of it.
    """
    angle = request.laying_angle
    kind = KIND_BY_ANGLE.get(angle, KIND_AT_OTHER_ANGLES)
    joints = "" if request.layout == "surface" else f" and the joints of the {request.layout} layout"
    if settings.controlnet == "off":
        return Route(None, "use_controlnet is false: the base pipeline draws without control")
    if settings.controlnet == "always":
        return Route(kind, f"use_controlnet is true: {kind} at {angle:g}° guides granules{joints}")
    if angle == 0 and request.layout == "surface":
        return Route(None, "a surface at 0° has no joints: the base pipeline needs no control")
    return Route(kind, f"laying angle {angle:g}°: {kind} guides granules{joints}")
