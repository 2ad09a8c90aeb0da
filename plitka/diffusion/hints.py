"""What guides a request: ControlNets, or in families without them a second decoder, whose UNet takes a hint.

A hint is of one kind and taken whole. Without such a decoder the plan's swatch alone leads a picture to its
laying angle.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from plitka.choices import ControlKind
from plitka.diffusion.routing import Route, control_problems, route, route_problems
from plitka.diffusion.upscale import first_size
from plitka.errors import Problem, shown
from plitka.request.controlnets import DEFAULT_END, DEFAULT_START
from plitka.request.drawing_settings import ControlSettings, DrawingSettings
from plitka.request.tile_request import TileRequest
from plitka.tile.canvas import preview_size

if TYPE_CHECKING:
    from plitka.diffusion.pipelines import Pipelines

# A hint is a part of what the UNet sees, and has no weight.
WHOLE = 1.0


@dataclass(frozen=True)
class Hint:
    """What a family's second decoder takes.

    Attributes:
        kind: The kind of control image.
        is_there: Whether the engine's manifest has that decoder.
        grain: Sides of seamless pictures are multiples of so many pixels: the UNet halves them so often.
        native: Pixels on a side of what the first pass draws.
    """

    kind: ControlKind
    is_there: bool
    grain: int
    native: int


def guidance(request: TileRequest, settings: DrawingSettings, models: Pipelines) -> Route:
    """What guides a request for which there are no `guidance_problems`."""
    hint = _hint_of(models)
    return route_by_hint(request, settings, hint) if hint else route(request, settings)


def guidance_problems(
    request: TileRequest, settings: DrawingSettings, models: Pipelines
) -> Iterator[Problem]:
    """What a request asks for and these models cannot be guided by."""
    hint = _hint_of(models)
    if hint:
        return hint_problems(request, settings, hint)
    kinds = models.controlnets.kinds
    return chain(control_problems(request, kinds), route_problems(request, settings, kinds))


def _hint_of(models: Pipelines) -> Hint | None:
    family = models.family
    if family.hinted is None:
        return None
    is_there = family.hinted.kind in models.controlnets.kinds
    return Hint(family.hinted.kind, is_there, family.hinted.grain, family.native_size)


def route_by_hint(request: TileRequest, settings: DrawingSettings, hint: Hint) -> Route:
    """With or without the hint: as the request says, or else as its laying angle and layout need it.

    For a request without `hint_problems`.
    """
    angle, kind = request.laying_angle, hint.kind
    chosen = (ControlSettings(kind, WHOLE),)
    if settings.controlnets:
        return Route(chosen, f"controlnets lists it: {kind}")
    if settings.controlnet == "off":
        return Route((), "use_controlnet is false: the decoder without a hint draws")
    if settings.controlnet == "always":
        return Route(chosen, f"use_controlnet is true: {kind} at {angle:g}° guides granules and joints")
    if angle == 0 and request.layout == "surface":
        return Route((), "a surface at 0° has no joints: the decoder needs no hint")
    if not hint.is_there:
        return Route((), f"laying angle {angle:g}°: there is no decoder for {kind}, the plan's swatch leads")
    return Route(chosen, f"laying angle {angle:g}°: {kind} guides granules and joints")


def hint_problems(request: TileRequest, settings: DrawingSettings, hint: Hint) -> Iterator[Problem]:
    """Control that is asked for and not there, or not to be had of a hint; an angle that nothing leads to."""
    given, kind = request.overrides, hint.kind
    if given.use_controlnet and not hint.is_there:
        reason = f"needs a decoder for {kind}, and this engine's manifest has none"
        yield Problem("overrides.use_controlnet", "true", reason, "false, or a request without it")
    parts = {"scale": WHOLE, "start": DEFAULT_START, "end": DEFAULT_END}
    values = {
        f"overrides.controlnet_{name}": (getattr(given, f"controlnet_{name}"), usual)
        for name, usual in parts.items()
    }
    allowed = f'"{kind}"' if hint.is_there else "a request without controlnets"
    for at, entry in enumerate(given.controlnets or ()):
        field = f"overrides.controlnets[{at}]"
        if entry.kind != kind or not hint.is_there:
            reason = "is no control image that a decoder of this engine takes"
            yield Problem(f"{field}.kind", shown(entry.kind), reason, allowed)
        values |= {f"{field}.{name}": (getattr(entry, name), usual) for name, usual in parts.items()}
    for field, (value, usual) in values.items():
        if value not in (None, usual):
            reason = f"cannot be had: the decoder for {kind} takes its hint whole, at every step"
            yield Problem(field, f"{value:g}", reason, f"{usual:g}, or a request without it")
    yield from _nothing_leads(request, settings, hint)
    yield from _broken_rings(request, hint)


def _nothing_leads(request: TileRequest, settings: DrawingSettings, hint: Hint) -> Iterator[Problem]:
    has_joints = request.laying_angle != 0 or request.layout != "surface"
    if has_joints and not hint.is_there and settings.controlnet == "auto" and not settings.starts_from_swatch:
        reason = (
            f"draws from noise, and without a decoder for {hint.kind} nothing leads it to the laying angle "
            "and the joints"
        )
        allowed = "more colour guidance, a surface at 0°, or use_controlnet false for a picture without"
        yield Problem("overrides.color_guidance", "0", reason, allowed)


def _broken_rings(request: TileRequest, hint: Hint) -> Iterator[Problem]:
    """Seamless pictures whose latents the UNet cannot halve: it would go on beyond one of their edges."""
    scale = request.scale
    if not scale.seamless:
        return
    width, height = scale.width, scale.height
    first, preview = first_size(width, height, hint.native), preview_size(width, height)
    for name, side, *drawn in zip(("width", "height"), (width, height), first, preview, strict=True):
        if any(pixels % hint.grain for pixels in drawn):
            reason = (
                f"is first drawn with {drawn[0]} pixels, its preview with {drawn[1]}, and this engine draws "
                f"seamless pictures with multiples of {hint.grain}"
            )
            allowed = "1024 for both, or no seamless picture"
            yield Problem(name, str(side), reason, allowed)
