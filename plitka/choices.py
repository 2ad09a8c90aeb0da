"""The words that a request, a manifest or the command line may choose from. Imports nothing of Plitka."""

from typing import Literal, get_args

ColorLock = Literal["auto", "off", "always"]
Layout = Literal["surface", "grid", "brick"]
OutputFormat = Literal["png", "webp", "jpg"]
Scheduler = Literal["dpmpp_2m_karras", "dpmpp_sde_karras", "ddim", "euler", "euler_a"]
ControlKind = Literal["canny", "softedge", "lineart"]
CONTROL_KINDS: tuple[ControlKind, ...] = get_args(ControlKind)
EngineName = Literal["render", "mini", "sdxl"]
ENGINE_NAMES: tuple[EngineName, ...] = get_args(EngineName)
