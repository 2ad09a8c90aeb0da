"""The metrics of a prediction: their names, what they mean, and how they are collected.

Names are dotted, as Cog nests them; a value keeps its type from one prediction to the next.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from plitka.colors.substitutes import outside_colors, substitutes
from plitka.device.monitor import Peaks
from plitka.engine.protocol import Drawing, Engine
from plitka.fidelity.color_lock import MeasuredPicture
from plitka.order.amounts import order_of
from plitka.order.report import order_report
from plitka.request.adapter import NO_ADAPTER
from plitka.request.tile_request import TileRequest
from plitka.settings import cudnn_benchmark
from plitka.tile.colormap import joint_hex

NO_CONTROLNET = "none"

METRICS: Mapping[str, str] = {
    "scale": "What the pictures show, in millimetres: granules, width and height, tile (null without joints) "
    "and joints; their pixels, and whether they are seamless.",
    "request": "The request as it was understood, as JSON text that draws the same tile again; "
    "without sheet and order.",
    "seed": "The seed that was used, as text: many JSON readers round whole numbers above 2^53.",
    "engine": "The engine: render, mini or sdxl.",
    "adapter.name": "The adapter that the request named, another LoRA of the operator's list, or none for "
    "the engine's own.",
    "adapter.sha256": "The hash of that adapter's archive; empty for the engine's own.",
    "reproducible": "Where the same request is known to give the same bytes again, with the same versions.",
    "notices": "What was normalised, merged or left at its default in the request, in words; an empty list "
    "if nothing was.",
    "order": "Kilograms and bags of every colour, the binder and the price, for the request's order; empty "
    "without one.",
    "outside_palette": "Each colour of the mix that is not the palette's (hex, RAL, CSS): the nearest "
    "granules alone, and the best mix of two as seen from afar, with ΔE00; an empty list if there is none.",
    "match": "With a photograph: its colours with share and interval, measured hex, nearest names and what "
    "cannot be told apart; sets of names with confidence; where the tile lies.",
    "colormap.joint_color": "Colour of the joints in the colour map, #RRGGBB: that of no colour of the mix.",
    "variants": "Of each further variant, in their order: its file's name and seed, and what `steps`, "
    "`drawing`, `timing`, `fidelity` and `correction` say of the first; an empty list without any.",
    "maps": "Of each map that was asked for, what its levels stand for and its size in millimetres; empty "
    "without any.",
    "pipeline.name": "The pipeline that drew the pictures.",
    "pipeline.controlnet": "The ControlNet that guided the edges, or none.",
    "pipeline.reason": "Why that ControlNet, or why none.",
    "drawing.preview": "Everything else that the engine reports of the preview; `approximations` says what "
    "was left out to be faster.",
    "drawing.final": "The same for the final picture.",
    "steps.preview": "Denoising steps that the preview took.",
    "steps.final": "Denoising steps that the final picture took, those of all its tiles together.",
    "detail.tiles": "Tiles in which a model drew the final picture: 1 where it drew it at once, 0 without a "
    "model.",
    "detail.seam_contrast": "The contrast of fine detail where tiles blend into each other, by that "
    "everywhere else, compared with the plan's picture: 1 where the seams have as much, or there are none.",
    "timing.plan": "Seconds to plan the tile, in a thread beside the first picture.",
    "timing.preview": "Seconds for the preview: draw, measure (and correct) and encode, each on its own.",
    "timing.final": "Seconds for the final picture, likewise; it is drawn in a thread, begun when the "
    "preview is drawn.",
    "timing.colormap": "Seconds for the colour map, draw and encode, in the same thread.",
    "timing.maps": "Seconds for each map, draw and encode, likewise; empty without any.",
    "timing.sheet": "Seconds for the sheet, where the request has one.",
    "timing.first_picture": "Seconds from the request to the finished file of the preview.",
    "timing.total": "Seconds from the request to the last file, without the time its reader took.",
    "memory.peak_vram_mib": "Most video memory in use on the GPU, MiB; 0 without a GPU.",
    "memory.peak_torch_vram_mib": "Most video memory that this process allocated through torch, MiB.",
    "memory.peak_ram_mib": "Most memory of this process, MiB.",
    "fidelity.preview": "Requested and measured share, mean colour and its ΔE00 for every colour, preview: "
    "against the plan where it guided the picture, and in `unguided` without the plan. `outsider` is an old "
    "name of `unguided`, for one release.",
    "fidelity.final": "The same for the final picture.",
    "fidelity.worst_error_pp": "Largest error of a colour's share in the final picture, percentage points.",
    "fidelity.unguided_error_pp": "The same measured without the plan, joints included.",
    "fidelity.outsider_error_pp": "An old name of `fidelity.unguided_error_pp`, for one release.",
    "correction.preview": "Colour guidance, colour lock, whether the preview was corrected and why, and "
    "`before`: its measurement as drawn, null if it was not corrected.",
    "correction.final": "The same for the final picture.",
}


def request_metrics(request: TileRequest, engine: Engine) -> dict[str, Any]:
    """What is known before anything is drawn."""
    return {
        "request": request.without_sheet().to_json(),
        "scale": {
            # Cog takes lists for a metric, and no tuples.
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(request.scale).items()
        },
        "seed": str(request.seed),
        "engine": engine.name,
        "adapter.name": request.adapter or NO_ADAPTER,
        "adapter.sha256": engine.identity(request.adapter).get("adapter.sha256", ""),
        "reproducible": reproducible(engine),
        "notices": list(request.notices),
        "order": order_report(order_of(request.mix, asked)) if (asked := request.overrides.order) else {},
        "outside_palette": [substitutes(color) for color in outside_colors(request.mix)],
        "colormap.joint_color": joint_hex(request.mix),
    }


def reproducible(engine: Engine) -> str:
    """Where the same request is known to give the same bytes again, in words for the operator."""
    if engine.name == "render":
        return "in every process"
    if not engine.device.is_gpu:
        return "in every process with as many threads, on the same kind of processor"
    if cudnn_benchmark():
        return "in this process only: kernels are chosen by timing"
    return "in this process; on a GPU it is not yet shown for another one"


def picture_metrics(
    drawing: Drawing, picture: MeasuredPicture, seconds: Mapping[str, float]
) -> dict[str, Any]:
    """What is known once a picture is finished; `seconds` has one entry per stage."""
    metrics: dict[str, Any] = {
        "pipeline.name": drawing.pipeline,
        "pipeline.controlnet": drawing.controlnet or NO_CONTROLNET,
        "pipeline.reason": drawing.reason,
        f"steps.{drawing.name}": drawing.steps_run,
        f"drawing.{drawing.name}": drawing.denoising.as_dict() if drawing.denoising else {},
        f"fidelity.{drawing.name}": picture.measured.as_dict(),
        f"correction.{drawing.name}": picture.correction(),
        f"timing.{drawing.name}": dict(seconds),
    }
    if drawing.name == "final":
        detail = drawing.denoising.detail if drawing.denoising else None
        metrics["detail.tiles"] = detail.tiles if detail else int(drawing.denoising is not None)
        metrics["detail.seam_contrast"] = detail.seam_contrast if detail else 1.0
        metrics["fidelity.worst_error_pp"] = picture.measured.fidelity.worst_error_pp
        for name in ("fidelity.unguided_error_pp", "fidelity.outsider_error_pp"):
            metrics[name] = picture.measured.unguided.worst_error_pp
    return metrics


def variant_metrics(
    name: str, seed: int, drawing: Drawing, picture: MeasuredPicture, seconds: Mapping[str, float]
) -> dict[str, Any]:
    """What is known of a further variant, named `name`: an entry of the metric `variants`."""
    return {
        "name": name,
        "seed": str(seed),
        "steps": drawing.steps_run,
        "drawing": drawing.denoising.as_dict() if drawing.denoising else {},
        "timing": dict(seconds),
        "fidelity": picture.measured.as_dict(),
        "correction": picture.correction(),
    }


def memory_metrics(peaks: Peaks) -> dict[str, float]:
    """The highest values of memory during a prediction."""
    return {
        "memory.peak_vram_mib": round(peaks.vram_mib, 1),
        "memory.peak_torch_vram_mib": round(peaks.torch_vram_mib, 1),
        "memory.peak_ram_mib": round(peaks.ram_mib, 1),
    }
