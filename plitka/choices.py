"""The words that requests, manifests, environment and command line may choose from. Imports nothing here."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal, get_args

Quality = Literal["preview", "standard", "high", "fast"]
# The quality that few-step models are for.
FAST: Quality = "fast"
ColorLock = Literal["auto", "off", "always"]
Layout = Literal["surface", "grid", "brick", "herringbone", "hexagon", "puzzle"]
Grading = Literal["fine", "medium", "coarse"]
OutputFormat = Literal["png", "webp", "jpg"]
SheetLanguage = Literal["en", "ru"]
Scheduler = Literal[
    "dpmpp_2m_karras",
    "dpmpp_2m",
    "dpmpp_sde_karras",
    "ddim",
    "euler",
    "euler_a",
    "unipc",
    "heun",
    "lms",
    "pndm",
]
# Other names of samplers, which files and metrics do not have.
SCHEDULER_ALIASES: Mapping[str, Scheduler] = MappingProxyType({"dpmpp_2m_sde_karras": "dpmpp_sde_karras"})
# Kinds of few-step models, and the samplers that these take off noise with.
FewStepKind = Literal["lcm", "tcd", "lightning", "hyper_sd", "turbo"]
FewStepSampler = Literal["lcm", "tcd", "euler_trailing", "euler_a_trailing", "ddim_trailing"]
EdgeKind = Literal["canny", "softedge", "lineart"]
EDGE_KINDS: tuple[EdgeKind, ...] = get_args(EdgeKind)
# Edges, and the surface itself.
ControlKind = Literal["canny", "softedge", "lineart", "depth", "normal"]
CONTROL_KINDS: tuple[ControlKind, ...] = get_args(ControlKind)
# What their pictures are called in files: `normal` is a map, which has other colours.
CONTROL_PICTURES: Mapping[ControlKind, str] = MappingProxyType(
    {kind: kind if kind in EDGE_KINDS else f"control_{kind}" for kind in CONTROL_KINDS}
)
MapName = Literal["height", "normal", "roughness", "ao", "ids"]
MAP_NAMES: tuple[MapName, ...] = get_args(MapName)
NormalConvention = Literal["opengl", "directx"]
CompileMode = Literal["off", "blocks", "unet"]
FusedWork = Literal["norm", "geglu", "qkv"]
Offload = Literal["none", "model", "sequential"]
EngineName = Literal["render", "mini", "sdxl"]
ENGINE_NAMES: tuple[EngineName, ...] = get_args(EngineName)


def one_of(choice: Any, quote: str = '"') -> str:
    """The words of a Literal as a sentence lists them: ``"png", "webp" or "jpg"``."""
    return one_of_names(get_args(choice), quote)


def one_of_names(names: Iterable[str], quote: str = '"') -> str:
    """The same for names that are no Literal."""
    *words, last = (f"{quote}{word}{quote}" for word in names)
    return f"{', '.join(words)} or {last}" if words else last
