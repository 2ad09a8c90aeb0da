"""How large the plan is: millimetres."""

from plitka.tile.granules import PITCH
from plitka.tile.plan import TilePlan

# Mean diameter of a granule, and how many of them a picture shows side by side.
GRANULE_MM = 2.0
GRANULES_SHOWN = 47


def extent_mm(_plan: TilePlan) -> float:
    """Millimetres that a picture of the plan shows from side to side."""
    return GRANULES_SHOWN * GRANULE_MM


def pitch_mm(plan: TilePlan) -> float:
    """Millimetres of a pitch, the plan's unit of height."""
    return extent_mm(plan) * PITCH
