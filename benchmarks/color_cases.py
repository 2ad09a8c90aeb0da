"""What benchmarks/color.py draws, and what it finds in each picture."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from fixed_mixes import random_mixes
from numpy.typing import NDArray

from plitka.colors.lab import to_lab
from plitka.colors.mix import Mix
from plitka.engine.protocol import Job, job_for
from plitka.fidelity.color_lock import MeasuredPicture, measure_and_correct
from plitka.fidelity.joint_angle import angle_error, joint_angle
from plitka.fidelity.texture import distance
from plitka.request.drawing_settings import EngineDefaults
from plitka.request.overrides import DEFAULT_COLOR_GUIDANCE
from plitka.request.tile_request import parse_request
from plitka.tile.plan import JOINT, TilePlan, inner_pixels
from plitka.tile.swatch import draw_swatch

if TYPE_CHECKING:
    from plitka.engine.protocol import Engine

Image = NDArray[np.uint8]
SEED, LEAST_DELTA_E = 2026, 10.0
RENDERED, DRAWN, TURNED, LARGE = 100, 30, 8, 4
ANGLES = (45.0, 90.0, 30.0)
GUIDANCES = (DEFAULT_COLOR_GUIDANCE, 0.0, 1.0)
CURVE, CURVE_MIXES = (0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9), 6
# Granules with fewer inner pixels say little about the light on them.
_LEAST_INNER_PIXELS = 12


@dataclass(frozen=True)
class Case:
    """One picture: of which engine, of which mix of the list, at which angle, guidance and size."""

    engine: str
    mix: int
    angle: float
    guidance: float
    size: int


def mixes(count: int) -> list[Mix]:
    """The first of the fixed list of random mixes."""
    return random_mixes(count, SEED, LEAST_DELTA_E)


def cases(engine: str, count: int) -> Iterator[Case]:
    """Every picture of an engine, the most telling first; `count` limits the mixes."""
    if engine == "render":
        # It draws the plan itself, whatever the guidance.
        shown = [(range(RENDERED), 0.0), *((range(TURNED), angle) for angle in ANGLES)]
        for numbers, angle in shown:
            yield from (Case(engine, mix, angle, DEFAULT_COLOR_GUIDANCE, 1024) for mix in numbers[:count])
        return
    for guidance in GUIDANCES:
        yield from (Case(engine, mix, 0.0, guidance, 512) for mix in range(DRAWN)[:count])
        for angle in ANGLES:
            yield from (Case(engine, mix, angle, guidance, 512) for mix in range(TURNED)[:count])
        if guidance == DEFAULT_COLOR_GUIDANCE:
            for angle in (0.0, *ANGLES):
                yield from (Case(engine, mix, angle, guidance, 1024) for mix in range(LARGE)[:count])
    for guidance in CURVE:
        yield from (Case(engine, mix, 0.0, guidance, 512) for mix in range(CURVE_MIXES)[:count])


def job_of(case: Case, defaults: EngineDefaults) -> Job:
    """The job of a case; `defaults` are the engine's own."""
    colors = [{"name": c.id, "proportion": c.share} for c in mixes(case.mix + 1)[case.mix]]
    overrides = {"color_guidance": case.guidance}
    document = {"colors": colors, "angle": case.angle, "seed": 1000 + case.mix, "overrides": overrides}
    return job_for(parse_request(json.dumps(document)), defaults)


def drawn_picture(engine: Engine, job: Job, size: int) -> Image:
    """The engine's picture of that size, preview or final."""
    drawings = engine.draw(job)
    for drawing in islice(drawings, 2):
        if len(drawing.image) == size:
            drawings.close()
            return drawing.image
    raise ValueError(f"{engine.name} draws no picture of {size} pixels")


def result_of(
    case: Case, engine: Engine, drawn: Image | None = None
) -> tuple[dict[str, Any], Image, MeasuredPicture]:
    """Draw a case, unless it is drawn, correct it as `auto` does, and say what is found before and after."""
    job = job_of(case, engine.defaults)
    if drawn is None:
        drawn = drawn_picture(engine, job, case.size)
    start = time.perf_counter()
    returned = measure_and_correct("final", drawn, job.plan, job.settings)
    seconds = time.perf_counter() - start
    swatch = draw_swatch(job.plan, case.size)
    row: dict[str, Any] = asdict(case) | {
        "corrected": returned.corrected,
        "correction_seconds": round(seconds, 3),
        "novelty": round(novelty(drawn, swatch), 3),
    }
    pictures = {"drawn": drawn, "returned": returned.image}
    measured = {"drawn": returned.before or returned.measured, "returned": returned.measured}
    for name, picture in pictures.items():
        plan, unguided = measured[name].plan, measured[name].unguided
        row[name] = {
            "error_pp": plan.worst_error_pp if plan else None,
            "delta_e": plan.worst_delta_e if plan else None,
            "unguided_error_pp": unguided.worst_error_pp,
            "unguided_delta_e": unguided.worst_delta_e,
            "relief": round(relief(picture, job.plan), 4),
            "texture": round(distance(picture, swatch), 4),
        }
        if job.request.layout != "surface":
            row[name]["joints_off"] = angle_error(joint_angle(picture), job.request.laying_angle)
    return row, drawn, returned


def relief(image: Image, plan: TilePlan) -> float:
    """Contrast of the light inside of granules: the median over granules of the deviation of L*.

    It is the texture that a correction has to keep: colours, and which granule has which, do not touch it.
    """
    labels = plan.labels(len(image))
    inside = inner_pixels(labels) & (labels != JOINT)
    lightness, index = to_lab(image)[..., 0][inside].astype(np.float64), labels[inside]
    count = np.bincount(index)
    enough = count >= _LEAST_INNER_PIXELS
    mean = np.bincount(index, lightness)[enough] / count[enough]
    square = np.bincount(index, lightness**2)[enough] / count[enough]
    return float(np.median(np.sqrt(np.maximum(square - mean**2, 0))))


def novelty(image: Image, swatch: Image) -> float:
    """How much of a picture's fine light is its own: 1 less the correlation with the swatch's."""
    fine = []
    for picture in (image, swatch):
        lightness = to_lab(picture)[..., 0]
        fine.append((lightness - cv2.GaussianBlur(lightness, (0, 0), 4)).ravel())
    return float(1 - np.corrcoef(*fine)[0, 1])
