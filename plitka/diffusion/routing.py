"""Which pipeline draws a request, and why: by laying angle, layout and the request's own word."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from plitka.choices import ControlKind
from plitka.request.tile_request import TileRequest

# Laying angles, degrees, with an edge kind of their own. That of 0 holds joints there, and granules alone if
# the request insists on a ControlNet.
KIND_BY_ANGLE: Mapping[float, ControlKind] = MappingProxyType(
    {0.0: "canny", 45.0: "softedge", 90.0: "canny", 135.0: "softedge"}
)
KIND_AT_OTHER_ANGLES: ControlKind = "lineart"


@dataclass(frozen=True)
class Route:
    """How a request is drawn.

    Attributes:
        pipeline: "base" or "controlnet".
        control: The kind of edges that the ControlNet holds; None without one.
        reason: Why, in words for the operator.
    """

    pipeline: str
    control: ControlKind | None
    reason: str


def route(request: TileRequest) -> Route:
    """Choose the pipeline of a request.

    Angle 0 (modulo 180) is one tile's surface and needs no ControlNet, unless its layout has joints; 45 and
    135 take softedge, 90 and joints at 0 take canny, every other angle lineart. A `surface` at another angle
    keeps its ControlNet, which then holds granules alone. `use_controlnet` wins over all of it.
    """
    angle, chosen = request.laying_angle, request.overrides.use_controlnet
    kind = KIND_BY_ANGLE.get(angle, KIND_AT_OTHER_ANGLES)
    joints = "" if request.layout == "surface" else f" and the joints of the {request.layout} layout"
    held = f"granules{joints}"
    if chosen is False:
        return Route("base", None, "use_controlnet is false: the base pipeline draws without control")
    if chosen is True:
        return Route("controlnet", kind, f"use_controlnet is true: {kind} at {angle:g}° holds {held}")
    if angle == 0 and request.layout == "surface":
        return Route("base", None, "a surface at 0° has no joints: the base pipeline needs no control")
    return Route("controlnet", kind, f"laying angle {angle:g}°: {kind} holds {held}")
