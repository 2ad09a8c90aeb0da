"""Measure a finished picture, correct its colours if needed, and measure it again."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plitka.fidelity.correct import correct
from plitka.fidelity.measure import Fidelity, Measurement, measure_picture
from plitka.request.drawing_settings import DrawingSettings
from plitka.tile.plan import TilePlan

# Beyond either of these, against the plan, `auto` corrects.
SHARE_LIMIT_PP = 1.5
DELTA_E_LIMIT = 3.0
TOO_SMALL = "granules are too small to show a colour each: the shares are the plan's"
TOO_LARGE = "the picture is too large to be corrected"

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class MeasuredPicture:
    """A finished picture and its measured colours.

    Attributes:
        image: (height, width, 3) uint8 sRGB: what the user gets.
        measured: Of `image`.
        before: Of the picture as the engine drew it; None where that is `image`.
        lock: "auto", "off" or "always".
        guidance: The request's colour guidance, 0 to 1.
        reason: Why it was corrected, or why not, for the metrics and the command line.
    """

    image: NDArray[np.uint8]
    measured: Measurement
    before: Measurement | None
    lock: str
    guidance: float
    reason: str

    @property
    def corrected(self) -> bool:
        """Whether the engine's picture was changed."""
        return self.before is not None

    def correction(self) -> dict[str, Any]:
        """What was done about the colours, JSON-ready."""
        return {
            "color_lock": self.lock,
            "color_guidance": self.guidance,
            "corrected": self.corrected,
            "reason": self.reason,
            "before": self.before.as_dict() if self.before else None,
        }


def measure_and_correct(
    name: str, image: NDArray[np.uint8], plan: TilePlan, settings: DrawingSettings
) -> MeasuredPicture:
    """Measure the picture `name`, (size, size, 3) uint8 sRGB, and correct it once if the settings say so.

    A correction that brings the picture no nearer to its mix is dropped, except under `always`. A difference
    that remains is in the measurement and in the log.
    """
    lock, guidance = settings.color_lock, settings.color_guidance
    # A picture that starts from noise has granules of its own, not the plan's.
    guide = plan if settings.starts_from_swatch else None
    drawn = measure_picture(image, plan.mix, guide)
    if guide is None:
        return MeasuredPicture(
            image, drawn, None, lock, guidance, "color_guidance 0: no granules of the plan"
        )
    if not plan.is_readable(image.shape[1]):
        return MeasuredPicture(image, drawn, None, lock, guidance, TOO_SMALL)
    if plan.scale.is_large and image.shape[1] == plan.scale.width:
        return MeasuredPicture(image, drawn, None, lock, guidance, TOO_LARGE)
    if lock == "off":
        return MeasuredPicture(image, drawn, None, lock, guidance, "color_lock is off")
    missed = _missed(drawn.fidelity)
    if lock == "auto" and not missed:
        return MeasuredPicture(
            image, drawn, None, lock, guidance, "the colours are within the limits as drawn"
        )
    corrected = correct(image, guide)
    measured = measure_picture(corrected, plan.mix, guide)
    if lock == "auto" and _excess(measured.fidelity) >= _excess(drawn.fidelity):
        log.warning("%s: correction is no nearer to the mix and is given up; as drawn, %s", name, missed)
        return MeasuredPicture(image, drawn, None, lock, guidance, f"correction did not help: {missed}")
    still = _missed(measured.fidelity)
    if still:
        log.warning("%s: corrected, and still %s", name, still)
    reason = f"as drawn, {missed}" if missed else "color_lock is always"
    return MeasuredPicture(corrected, measured, drawn, lock, guidance, reason)


def _missed(fidelity: Fidelity) -> str:
    """How a picture differs from its mix beyond the limits, in words; empty if it does not."""
    parts = []
    if fidelity.worst_error_pp > SHARE_LIMIT_PP:
        parts.append(f"a share is {fidelity.worst_error_pp:.1f} pp off")
    if (fidelity.worst_delta_e or 0.0) > DELTA_E_LIMIT:
        parts.append(f"a colour is ΔE00 {fidelity.worst_delta_e:.1f} off")
    return " and ".join(parts)


def _excess(fidelity: Fidelity) -> float:
    """How far a picture is from its mix, in units of the limit that is exceeded the most."""
    return max(fidelity.worst_error_pp / SHARE_LIMIT_PP, (fidelity.worst_delta_e or 0.0) / DELTA_E_LIMIT)
