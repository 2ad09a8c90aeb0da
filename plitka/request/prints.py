"""The pixels that a print of a tile takes at its true size."""

from __future__ import annotations

import math
from dataclasses import replace

from plitka.errors import Problem, RequestError
from plitka.request.scale import SIDE_STEP, SIDES, most_pixels, scale_of, scale_problems
from plitka.request.tile_request import TileRequest

MM_PER_INCH = 25.4


def at_dots_per_inch(request: TileRequest, dpi: float) -> TileRequest:
    """The request in the least pixels that give a print of its millimetres so many dots an inch.

    Sides are whole multiples of 8 pixels and pixels square, so there may be a few dots more; from top to
    bottom there may be 0.2 % fewer. Pixels that the request itself names give way, its millimetres stay.

    Raises:
        RequestError: The pixels are more or fewer than a picture may have.
    """
    scale, layout = request.scale, request.layout
    needed = scale.width_mm * dpi / MM_PER_INCH
    shown = replace(request.dimensions, width_mm=scale.width_mm, height_mm=scale.height_mm, height=None)
    for width in range(_steps_up(max(needed, SIDE_STEP)), SIDES[1] + 1, SIDE_STEP):
        found = scale_of(layout, replace(shown, width=width))
        if found.is_square:
            given = replace(shown, width=found.width, height=found.height)
            if any(scale_problems(layout, request.laying_angle, given)):
                break
            return replace(request, dimensions=given)
    raise RequestError([_problem(request, dpi)])


def _steps_up(pixels: float) -> int:
    return math.ceil(round(pixels / SIDE_STEP, 6)) * SIDE_STEP


def _problem(request: TileRequest, dpi: float) -> Problem:
    sides = request.scale.width_mm, request.scale.height_mm
    width, height = (_steps_up(side * dpi / MM_PER_INCH) for side in sides)
    least = math.ceil(SIDES[0] * MM_PER_INCH / min(sides) * 10) / 10
    most_side = most_pixels(request.scale)
    most = math.floor(most_side * MM_PER_INCH / max(sides) * 10) / 10
    reason = f"takes {width} x {height} pixels for {sides[0]:g} x {sides[1]:g} mm"
    allowed = f"from {least:g} to {most:g} for this size: {SIDES[0]} to {most_side} pixels a side"
    return Problem("--dpi", f"{dpi:g}", reason, allowed)
