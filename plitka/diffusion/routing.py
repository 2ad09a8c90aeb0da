"""Whether ControlNets guide a request, which kinds of control images they get, and why.

The request's own list says so, or else the laying angle, the layout and `use_controlnet`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from plitka.choices import ControlKind, one_of_names
from plitka.errors import Problem, shown
from plitka.request.drawing_settings import ControlSettings, DrawingSettings
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
        controls: The ControlNets, each with the kind of control image that it gets; none for the base
            pipeline.
        reason: Why, in words for the operator.
    """

    controls: tuple[ControlSettings, ...]
    reason: str

    @property
    def is_usual(self) -> bool:
        """Whether at most one guides, and at every step."""
        return not self.controls or (len(self.controls) == 1 and self.controls[0].guides_always)

    @property
    def control(self) -> str | None:
        """The kinds of control images in words; None without a ControlNet."""
        return " + ".join(control.kind for control in self.controls) or None


def route(request: TileRequest, settings: DrawingSettings) -> Route:
    """Choose the ControlNets of a request: those that it lists, or else one at most.

    Angle 0 (modulo 180) is one tile's surface and needs no ControlNet, unless its layout has joints; 45 and
    135 take softedge, 90 and joints at 0 take canny, every other angle lineart. A `surface` at another angle
    keeps its ControlNet, whose edges are those of granules alone then. `use_controlnet` wins over all of it.
    """
    if settings.controlnets:
        kinds = " and ".join(control.kind for control in settings.controlnets)
        return Route(settings.controlnets, f"controlnets lists them: {kinds}")
    angle = request.laying_angle
    kind = KIND_BY_ANGLE.get(angle, KIND_AT_OTHER_ANGLES)
    joints = "" if request.layout == "surface" else f" and the joints of the {request.layout} layout"
    chosen = (ControlSettings(kind, settings.controlnet_scale, *settings.controlnet_part),)
    if settings.controlnet == "off":
        return Route((), "use_controlnet is false: the base pipeline draws without control")
    if settings.controlnet == "always":
        return Route(chosen, f"use_controlnet is true: {kind} at {angle:g}° guides granules{joints}")
    if angle == 0 and request.layout == "surface":
        return Route((), "a surface at 0° has no joints: the base pipeline needs no control")
    return Route(chosen, f"laying angle {angle:g}°: {kind} guides granules{joints}")


def control_problems(request: TileRequest, kinds: Sequence[ControlKind]) -> Iterator[Problem]:
    """Kinds in a request's list for which there is no ControlNet; `kinds` are those that have one."""
    allowed = one_of_names(kinds) if kinds else "a request without controlnets"
    for at, entry in enumerate(request.overrides.controlnets or ()):
        if entry.kind not in kinds:
            field = f"overrides.controlnets[{at}].kind"
            yield Problem(field, shown(entry.kind), "has no ControlNet in this engine's manifest", allowed)


def route_problems(
    request: TileRequest, settings: DrawingSettings, kinds: Sequence[ControlKind]
) -> Iterator[Problem]:
    """The same for the kind that a laying angle, a layout or `use_controlnet` asks for."""
    if settings.controlnets:
        return
    for kind in (control.kind for control in route(request, settings).controls):
        if kind not in kinds:
            is_asked_for = settings.controlnet == "always"
            field = "overrides.use_controlnet" if is_asked_for else "angle"
            value = "true" if is_asked_for else f"{request.laying_angle:g}"
            reason = f"needs a ControlNet for {kind}, and this engine's manifest has none"
            yield Problem(field, value, reason, "any angle with overrides.use_controlnet: false")
