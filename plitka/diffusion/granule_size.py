"""What a model can draw of a scale: granules of several pixels, in pictures that are not too large."""

from collections.abc import Iterator

from plitka.choices import FAST
from plitka.errors import Problem
from plitka.request.drawing_settings import DrawingSettings
from plitka.request.scale import DEFAULT_SIDE, JOINTED_GRANULES, Scale
from plitka.request.tile_request import TileRequest

# Pixels on a side: in tiles that start from the plan's picture, and at once, from noise, which no plan keeps
# together.
SIDES = 512, 4096
LARGEST_FROM_NOISE = 2048
# A sampler that draws noise at every step, and has no place for that of a whole picture.
OWN_NOISE = "euler_a"


def size_problems(request: TileRequest, settings: DrawingSettings, native: int) -> Iterator[Problem]:
    """Granules of less than 12 pixels, and pictures that no model draws; one knows `native` pixels a side."""
    yield from _size_problems(request.scale, settings, native)
    yield from _granule_problems(request)


def _size_problems(scale: Scale, settings: DrawingSettings, native: int) -> Iterator[Problem]:
    least, most = SIDES
    largest = most if settings.starts_from_swatch else LARGEST_FROM_NOISE
    for name, value in (("width", scale.width), ("height", scale.height)):
        if not least <= value <= most:
            allowed = f"from {least} to {most}; others with the render engine"
            yield Problem(name, str(value), "is no size that this engine draws", allowed)
        elif value > largest:
            reason = "is too large for a picture that starts from noise (overrides.color_guidance is 0)"
            yield Problem(name, str(value), reason, f"at most {largest}, or more colour guidance")
    # A model that knows less than the usual size draws in a second pass, from an image in any case.
    from_image = settings.starts_from_swatch or native < DEFAULT_SIDE
    in_tiles = max(scale.width, scale.height) > native and from_image
    reason = "adds noise at every step, which differs from tile to tile of a picture as large as this"
    if in_tiles and settings.few_step is not None and settings.few_step.adds_noise:
        side = "width" if scale.width > native else "height"
        reason = f'is too large for quality "{FAST}": the sampler {settings.scheduler} {reason}'
        yield Problem(side, str(getattr(scale, side)), reason, f"at most {native}, or another quality")
    if in_tiles and settings.scheduler == OWN_NOISE:
        allowed = f"another sampler, or sides of at most {native} pixels"
        yield Problem("overrides.scheduler", f'"{OWN_NOISE}"', reason, allowed)


def _granule_problems(request: TileRequest) -> Iterator[Problem]:
    scale, given = request.scale, request.dimensions
    most = JOINTED_GRANULES * scale.width / DEFAULT_SIDE
    if scale.granules_across > most:
        field, value = ("width_mm", scale.width_mm) if given.width_mm else ("height_mm", scale.height_mm)
        if not (given.width_mm or given.height_mm):
            field, value = "width", scale.width
        granules = f"{scale.granules_across:.0f} granules of {scale.granule_mm:g} mm"
        allowed = f"at most {most:.0f} granules, {most * scale.granule_mm:g} mm"
        reason = f"shows {granules}, too small for a model to draw"
        yield Problem(field, f"{value:g}", reason, f"{allowed}; more with the render engine")
