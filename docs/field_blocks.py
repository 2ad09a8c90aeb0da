"""Blocks about the fields of a request: what each means, and what stands where it is left out."""

from collections.abc import Mapping

from language import Say
from markdown_text import code, table
from pydantic import BaseModel

from plitka.request.controlnets import DEFAULT_END, DEFAULT_START, ControlNetFields
from plitka.request.drawing_settings import DEFAULT_CONTROLNET_SCALE
from plitka.request.fields import ColorEntry, RequestFields
from plitka.request.order import DEFAULT_BINDER_PERCENT, DEFAULT_WASTE_PERCENT, OrderFields
from plitka.request.overrides import (
    DEFAULT_COLOR_GUIDANCE,
    DEFAULT_COLOR_LOCK,
    DEFAULT_NORMAL_CONVENTION,
    DEFAULT_OUTPUT_FORMAT,
    DEFAULT_SCHEDULER,
    Overrides,
)
from plitka.request.prompt_templates import DEFAULT_TEMPLATE
from plitka.request.scale import (
    DEFAULT_GRANULE_MM,
    DEFAULT_JOINT_MM,
    DEFAULT_SIDE,
    JOINTED_GRANULES,
    LEAST_GRANULES,
    SURFACE_GRANULES,
)
from plitka.request.sheet import DEFAULT_SHEET_LANGUAGE, SheetFields
from plitka.request.tile_request import DEFAULT_ANGLE, DEFAULT_QUALITY, DEFAULT_SEED

BY_QUALITY = "by `quality`"

# What each field means and what stands where it is left out; what is allowed in it the field itself says.
REQUEST_MEANINGS: Mapping[str, tuple[str, str]] = {
    "colors": ("required", "The mix. The prompt names the colours in this order."),
    "angle": (
        code(f"{DEFAULT_ANGLE:g}"),
        "Laying angle: how far the joints are turned in the picture, in degrees, anticlockwise. It is taken "
        "modulo 360, and joints turned by 180 are the same joints.",
    ),
    "quality": (
        code(DEFAULT_QUALITY),
        "How many denoising steps the pictures get; `fast` takes a few-step model; see Profiles.",
    ),
    "seed": (code(str(DEFAULT_SEED)), "The same seed gives the same tile. A random seed is reported."),
    "granule_mm": (
        code(f"{DEFAULT_GRANULE_MM:g}"),
        "Mean diameter of the granules. A grading stands for it: fine (0.5-1.5 mm) for 1, medium (1-3 mm) "
        "for 2, coarse (2-4 mm) for 3.",
    ),
    "width_mm": (
        f"{SURFACE_GRANULES} granules for a surface, else {JOINTED_GRANULES}",
        "What the picture shows from left to right: 94 and 170 mm with granules of 2 mm. At least "
        f"{LEAST_GRANULES} granules; a diffusion model draws at most {JOINTED_GRANULES} in 1024 pixels. "
        "See Scale.",
    ),
    "height_mm": ("as the width", "What it shows from top to bottom: in a square picture as much."),
    "tile_mm": (
        "by `layout`",
        "Length of a tile along its course, and height across it: [500, 500] for grid and puzzle, [200, 100] "
        "for brick, [100, 50] for herringbone, [80, 92.3761] for hexagon, across its flats and its corners.",
    ),
    "joint_mm": (
        code(f"{DEFAULT_JOINT_MM:g}"),
        "Width of the joints, at most half the shorter side of a tile.",
    ),
    "seamless": (
        code("false"),
        "Whether the picture goes on over its edges when it is repeated; see Scale.",
    ),
    "width": (
        code(f"{DEFAULT_SIDE}"),
        "Pixels of the final picture and the colour map; the preview has half of them, at most 512 on its "
        "longer side. A diffusion model draws 512 to 4096.",
    ),
    "height": ("as the width", "The same from top to bottom."),
    "overrides": ("none", "Settings that win over profile and defaults; see Overrides."),
    "maps": (
        "none",
        "Maps for 3-D programs, delivered after the three files in this order; see [Maps](maps.md).",
    ),
    "variants": (
        "`1`",
        "How many final pictures are drawn, each with the seed after that of the one before; see Variants.",
    ),
    "adapter": ("the engine's own LoRA", "Another LoRA with its embeddings; see Adapters."),
}
COLOR_MEANINGS: Mapping[str, str] = {
    "name": "The colour, by any of its [names](palette.md), in any case; a name of the palette wins over "
    "those of RAL and CSS. The key may also be `color` or "
    "`colour`.",
    "hex": "A colour outside the palette. The prompt says the nearest palette colour; plan and measurement "
    "use the hex itself.",
    "proportion": "How much of it. Numeric strings are read too, with or without a percent sign. The key may "
    "also be `share`, or `percent` or `percentage`: under these two every amount is a percentage.",
}
OVERRIDE_MEANINGS: Mapping[str, tuple[str, str]] = {
    "use_controlnet": ("by `angle` and `layout`", "Whether a ControlNet guides the edges; see Routing."),
    "guidance_scale": (BY_QUALITY, "How closely the picture follows the prompt."),
    "guidance_interval": (
        "all of them",
        "The noise levels at which there is guidance, above the first and up to the second; elsewhere a step "
        "takes about half as long. See Guidance interval.",
    ),
    "num_inference_steps": (BY_QUALITY, "Denoising steps of both pictures."),
    "num_inference_steps_preview": ("`num_inference_steps`", "Denoising steps of the preview alone."),
    "num_inference_steps_final": ("`num_inference_steps`", "Denoising steps of the final picture alone."),
    "negative_prompt": ("see Prompt", "What the picture should not show; its words may have weights."),
    "prompt_template": (code(DEFAULT_TEMPLATE), "The wording of the prompt, by its name; see Prompt."),
    "prompt": (
        "none",
        "Words of your own, put at the end of the prompt after a comma; the mix stays in it. They may have "
        "weights (below), and with template and mix 300 tokens; both are checked before anything "
        "is drawn.",
    ),
    "lora_scale": ("see Profiles", "How strongly the LoRA acts."),
    "controlnet_scale": (
        code(f"{DEFAULT_CONTROLNET_SCALE:g}"),
        "How strongly the ControlNet guides the edges.",
    ),
    "controlnet_start": (
        code(f"{DEFAULT_START:g}"),
        "The part of the steps after which the ControlNet begins; see ControlNets.",
    ),
    "controlnet_end": (
        code(f"{DEFAULT_END:g}"),
        "The part of the steps after which it ends and is not computed any more; see ControlNets.",
    ),
    "controlnets": (
        "by `angle` and `layout`",
        "Several ControlNets, or one of another kind than the angle's; see ControlNets.",
    ),
    "color_guidance": (
        code(f"{DEFAULT_COLOR_GUIDANCE:g}"),
        "How much of the plan's own picture the model starts from: 0 is pure noise, 1 leaves it one step.",
    ),
    "color_lock": (
        code(DEFAULT_COLOR_LOCK),
        "Whether a finished picture is corrected towards the plan's colours: where it misses them, never, or "
        "always; see [Colour accuracy](color.md).",
    ),
    "layout": (
        "`surface` at 0°, else `brick`",
        "One tile without joints, a square grid, a running bond, bricks laid herringbone, hexagons, or tiles "
        "with interlocking edges.",
    ),
    "output_format": (
        code(DEFAULT_OUTPUT_FORMAT),
        "Format of preview and final picture; WebP is lossless. The colour map is always PNG.",
    ),
    "scheduler": (code(DEFAULT_SCHEDULER), "The sampler; see Samplers."),
    "normal_convention": (
        code(DEFAULT_NORMAL_CONVENTION),
        "Where the green of the normal map points: up the picture, or down it.",
    ),
    "scale_bar": (
        "`false`",
        "Whether preview and final picture have a bar of a round length, such as 20 mm, with its label.",
    ),
    "sheet": ("none", "Whether a PDF sheet comes after the pictures; see Sheet."),
    "order": ("none", "Kilograms and bags for an area, as the metric `order`; see Order."),
}
CONTROLNET_MEANINGS: Mapping[str, tuple[str, str]] = {
    "kind": ("required", "The kind of control image that it gets."),
    "scale": (code(f"{DEFAULT_CONTROLNET_SCALE:g}"), "How strongly it guides the picture."),
    "start": (code(f"{DEFAULT_START:g}"), "The part of the steps after which it begins."),
    "end": (code(f"{DEFAULT_END:g}"), "The part of the steps after which it ends."),
}
SHEET_MEANINGS: Mapping[str, tuple[str, str]] = {
    "language": (code(DEFAULT_SHEET_LANGUAGE), "The language of the sheet; colours are named in both."),
    "text": ("none", "Your own text below the mix; line breaks are kept."),
    "logo": ("none", "Your logo, in the upper right corner."),
    "date": ("today", "The day on the sheet."),
}
ORDER_MEANINGS: Mapping[str, tuple[str, str]] = {
    "area_m2": ("required", "The area to be laid, m²."),
    "thickness_mm": ("required", "The thickness of the layer of this mix, mm."),
    "waste_percent": (
        code(f"{DEFAULT_WASTE_PERCENT:g}"),
        "What is ordered beyond what is laid, per cent of it.",
    ),
    "binder_percent": (code(f"{DEFAULT_BINDER_PERCENT:g}"), "The binder, per cent of the granules' mass."),
    "density_kg_m3": ("the palette's, else 1550", "Density of the rubber itself, of all colours."),
    "laid_kg_m3": (
        "the palette's, else 1100 for rubber of 1550",
        "Granules in a cubic metre of finished layer, of all colours.",
    ),
    "bag_kg": ("the palette's, else 25", "What a bag holds, of all colours."),
}


def request_fields(say: Say) -> str:
    """The keys of a request."""
    return _fields_table(RequestFields, REQUEST_MEANINGS, say)


def override_fields(say: Say) -> str:
    """The keys of `overrides`."""
    return _fields_table(Overrides, OVERRIDE_MEANINGS, say)


def controlnet_fields(say: Say) -> str:
    """The keys of an entry of `overrides.controlnets`."""
    return _fields_table(ControlNetFields, CONTROLNET_MEANINGS, say)


def sheet_fields(say: Say) -> str:
    """The keys of `overrides.sheet`."""
    return _fields_table(SheetFields, SHEET_MEANINGS, say)


def order_fields(say: Say) -> str:
    """The keys of `overrides.order`."""
    return _fields_table(OrderFields, ORDER_MEANINGS, say)


def color_fields(say: Say) -> str:
    """The keys of a colour."""
    fields = ColorEntry.model_fields
    rows = ((code(name), say(fields[name].description or ""), say(COLOR_MEANINGS[name])) for name in fields)
    return table(map(say, ("key", "allowed", "meaning")), rows)


def _fields_table(model: type[BaseModel], meanings: Mapping[str, tuple[str, str]], say: Say) -> str:
    rows = []
    for name, field in model.model_fields.items():
        default, meaning = meanings[name]
        rows.append((code(name), say(field.description or ""), say(default), say(meaning)))
    return table(map(say, ("key", "allowed", "default", "meaning")), rows)
