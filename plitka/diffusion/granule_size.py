"""What a model can draw of a scale: granules of several pixels, in a picture of its own size."""

from collections.abc import Iterator

from plitka.errors import Problem, RequestError
from plitka.request.scale import DEFAULT_SIDE, JOINTED_GRANULES, Scale
from plitka.request.tile_request import TileRequest


def check_scale(request: TileRequest) -> None:
    """Refuse granules of less than 12 pixels in 1024, and other sizes of pictures. Raises RequestError."""
    problems = [*_size_problems(request.scale), *_granule_problems(request)]
    if problems:
        raise RequestError(problems)


def _size_problems(scale: Scale) -> Iterator[Problem]:
    for name, value in (("width", scale.width), ("height", scale.height)):
        if value != DEFAULT_SIDE:
            allowed = f"{DEFAULT_SIDE}; others with the render engine"
            yield Problem(name, str(value), "is no size that this engine draws", allowed)


def _granule_problems(request: TileRequest) -> Iterator[Problem]:
    scale, given = request.scale, request.dimensions
    if scale.granules_across > JOINTED_GRANULES:
        field, value = ("width_mm", scale.width_mm) if given.width_mm else ("height_mm", scale.height_mm)
        granules = f"{scale.granules_across:.0f} granules of {scale.granule_mm:g} mm"
        most = f"{JOINTED_GRANULES} granules, {JOINTED_GRANULES * scale.granule_mm:g} mm"
        reason = f"shows {granules}, too small for a model to draw"
        yield Problem(field, f"{value:g}", reason, f"at most {most}; more with the render engine")
