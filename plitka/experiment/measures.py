"""What is measured of every cell, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from plitka.fidelity.color_lock import MeasuredPicture
from plitka.fidelity.joint_angle import FINE_STEP, angle_error, joint_angle
from plitka.fidelity.measure import Measurement
from plitka.fidelity.texture import distance
from plitka.tile.plan import TilePlan
from plitka.tile.swatch import draw_swatch

# Layouts with long straight joints, and after how many degrees their lines are the same lines again.
STRAIGHT_JOINTS: Mapping[str, float] = MappingProxyType({"brick": 180, "grid": 90})


@dataclass(frozen=True)
class Measure:
    """A figure of a cell.

    Attributes:
        meaning: What it is, a sentence.
        step: What it is rounded to.
    """

    meaning: str
    step: float


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "fidelity.error_pp": Measure(
            "Largest error of a colour's share in the picture as returned, percentage points: against the "
            "plan, or against the mix where no plan guided it.",
            0.001,
        ),
        "fidelity.delta_e": Measure("Largest ΔE00 of a colour of more than 5 %, as returned.", 0.01),
        "fidelity.unguided_error_pp": Measure(
            "Largest error of a share as returned, measured without the plan.", 0.001
        ),
        "drawn.error_pp": Measure("As fidelity.error_pp, before any correction.", 0.001),
        "drawn.delta_e": Measure("As fidelity.delta_e, before any correction.", 0.01),
        "drawn.unguided_error_pp": Measure("As fidelity.unguided_error_pp, before any correction.", 0.001),
        "corrected": Measure("1 where the colours were corrected, else 0.", 1),
        "angle_found": Measure(
            "Angle at which the joints run in the picture, degrees; layouts brick and grid alone have it.",
            FINE_STEP,
        ),
        "angle_error": Measure("Degrees between that and the angle asked for.", FINE_STEP),
        "texture_distance": Measure(
            "How far the texture is from that of the plan's own picture: spectrum, contrast, sharpness and "
            "tones of lightness, root mean square; 0 for the same. Says nothing about photographs.",
            0.0001,
        ),
        "seconds": Measure("Seconds for the cell: plan, drawing, correction, file.", 0.0001),
        "draw_seconds": Measure("Seconds of drawing alone.", 0.0001),
    }
)
# Directions have no mean: those at 1° and at 179° lie around 0°, not 90°.
JUDGED = tuple(name for name in MEASURES if name != "angle_found")


def measured(
    picture: MeasuredPicture, plan: TilePlan, wanted_angle: float, layout: str
) -> dict[str, float | None]:
    """Every measure but the seconds, of a finished picture.

    Args:
        picture: As returned, and what was measured in it.
        plan: The plan that it was drawn from.
        wanted_angle: The laying angle that was asked for, degrees.
        layout: The layout.
    """
    after = _fidelity("fidelity", picture.measured)
    before = _fidelity("drawn", picture.before or picture.measured)
    found = joint_angle(picture.image) if layout in STRAIGHT_JOINTS else None
    error = None if found is None else angle_error(found, wanted_angle, STRAIGHT_JOINTS[layout])
    # A picture of one flat colour has no contrast, whose logarithm is infinite.
    with np.errstate(divide="ignore", invalid="ignore"):
        texture = distance(picture.image, draw_swatch(plan, picture.image.shape[1]))
    return {
        **after,
        **before,
        "corrected": float(picture.corrected),
        "angle_found": found,
        "angle_error": None if error is None else round(error, 1),
        "texture_distance": round(texture, 4) if np.isfinite(texture) else None,
    }


def _fidelity(name: str, measurement: Measurement) -> dict[str, float | None]:
    return {
        f"{name}.error_pp": measurement.fidelity.worst_error_pp,
        f"{name}.delta_e": measurement.fidelity.worst_delta_e,
        f"{name}.unguided_error_pp": measurement.unguided.worst_error_pp,
    }


def shares(measurement: Measurement) -> dict[str, float]:
    """The measured share of every colour, 0 to 1, by its code or hex."""
    return {color.id: color.measured for color in measurement.fidelity.colors}
