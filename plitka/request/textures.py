"""What a request shows as a texture: an extent that goes on over its edges where it can, in enough pixels."""

from __future__ import annotations

import math
from dataclasses import replace

from plitka.errors import Problem
from plitka.request.bonds import period
from plitka.request.fields import EXTENT_MM
from plitka.request.scale import (
    DEFAULT_SIDE,
    LEAST_GRANULES,
    SIDE_STEP,
    Dimensions,
    scale_of,
    scale_problems,
)
from plitka.request.tile_request import TileRequest

# Pixels of the mean granule from which a texture is sharp, and the longer side that it gets where they would
# be less: like the usual one a power of two, which graphics cards make smaller best.
_SHARP_PIXELS = 6
_LARGE_SIDE = 2048
# How many times longer than the shorter side the longer one may become.
_LONGEST = 4


def as_texture(request: TileRequest) -> tuple[TileRequest, Problem | None]:
    """The request with what it leaves open of its scale chosen for a texture.

    Without `seamless` it is made seamless. A width or height that it does not give is, in a layout with
    joints, the multiple of the joints' period that is nearest to the usual one. Without pixels, the longer
    side has 1024, or 2048 where granules would have less than 6 pixels; more where the shorter one would be
    no whole number of steps.

    Returns:
        The request, and why it could not be made seamless; None where it is, or says itself whether it is.
    """
    given, layout = request.dimensions, request.layout
    if given.seamless is not None:
        return replace(request, dimensions=_in_pixels(layout, given)), None
    seamless = _in_pixels(layout, _whole_periods(request, replace(given, seamless=True)))
    problem = next(scale_problems(layout, request.laying_angle, seamless), None)
    return replace(request, dimensions=_in_pixels(layout, given) if problem else seamless), problem


def _whole_periods(request: TileRequest, given: Dimensions) -> Dimensions:
    """With what is not given of width and height: multiples of the joints' period near the usual extent."""
    scale = scale_of(request.layout, given)
    if scale.tile_mm is None or (given.width_mm and given.height_mm):
        return given
    periods = period(request.layout, scale.tile_mm, request.laying_angle)
    if periods is None:
        return given
    usual = scale.width_mm, scale.height_mm
    near = [max(1, round(side / part)) * part for side, part in zip(usual, periods, strict=True)]
    # Enough granules for exact shares, and no stripe.
    least = max(LEAST_GRANULES * scale.granule_mm, max(near) / _LONGEST)
    width, height = (
        round(max(side, math.ceil(least / part) * part), 4) for side, part in zip(near, periods, strict=True)
    )
    if max(width, height) > EXTENT_MM.high:
        return given
    return replace(given, width_mm=given.width_mm or width, height_mm=given.height_mm or height)


def _in_pixels(layout: str, given: Dimensions) -> Dimensions:
    """With the pixels of the longer side, if none are given."""
    scale = scale_of(layout, given)
    is_sharp = scale.granule_pixels >= _SHARP_PIXELS
    if given.width or given.height or (is_sharp and scale.is_square):
        return given
    least = DEFAULT_SIDE if is_sharp else _LARGE_SIDE
    for side in range(least, 2 * least, SIDE_STEP):
        larger = replace(given, height=side) if scale.height > scale.width else replace(given, width=side)
        if scale_of(layout, larger).is_square:
            return larger
    return given
