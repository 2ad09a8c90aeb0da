"""The families that can be drawn with, by name, and which of them a loaded pipeline belongs to."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from plitka.diffusion.families.family import Family
from plitka.diffusion.families.kandinsky22 import KANDINSKY22
from plitka.diffusion.families.sd15 import SD15
from plitka.diffusion.families.sdxl import SDXL

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {family.name: family for family in (SDXL, SD15, KANDINSKY22)}
)


def family_of(pipeline: Any) -> Family:
    """The family of a pipeline that has been loaded. Raises ValueError for a pipeline of none."""
    for family in FAMILIES.values():
        if isinstance(pipeline, tuple(family.pipelines.values())):
            return family
    raise ValueError(f"{type(pipeline).__name__} belongs to no family")
