"""Blocks about the request: its fields, what is read, and what is made of it."""

import json
import typing
from collections.abc import Mapping
from typing import Any

from language import Say
from markdown_text import block, code, table
from pydantic import BaseModel

from plitka.choices import Layout
from plitka.colors.mix import percentages
from plitka.diffusion.routing import route
from plitka.request.color_text import MAX_COLORS_CHARACTERS
from plitka.request.controlnets import DEFAULT_END, DEFAULT_START, ControlNetFields
from plitka.request.drawing_settings import DEFAULT_CONTROLNET_SCALE, settings_for
from plitka.request.fields import MAX_COLORS, ColorEntry, RequestFields
from plitka.request.json_text import MAX_DEPTH, MAX_PARAMS_BYTES
from plitka.request.order import DEFAULT_BINDER_PERCENT, DEFAULT_WASTE_PERCENT, OrderFields
from plitka.request.overrides import (
    DEFAULT_COLOR_GUIDANCE,
    DEFAULT_COLOR_LOCK,
    DEFAULT_NORMAL_CONVENTION,
    DEFAULT_OUTPUT_FORMAT,
    DEFAULT_SCHEDULER,
    MAX_PROMPT_CHARACTERS,
    Overrides,
)
from plitka.request.prompt import DEFAULT_NEGATIVE_PROMPT, MAX_CHUNKS, TOKEN_LIMIT, build_prompt
from plitka.request.prompt_templates import DEFAULT_TEMPLATE, TEMPLATES
from plitka.request.prompt_weights import MOST_LIGHTER
from plitka.request.scale import (
    DEFAULT_GRANULE_MM,
    DEFAULT_JOINT_MM,
    DEFAULT_SIDE,
    JOINTED_GRANULES,
    LEAST_GRANULES,
    SURFACE_GRANULES,
)
from plitka.request.sheet import DEFAULT_SHEET_LANGUAGE, SheetFields
from plitka.request.tile_request import (
    DEFAULT_ANGLE,
    DEFAULT_QUALITY,
    DEFAULT_SEED,
    TileRequest,
    parse_inputs,
    parse_request,
)
from plitka.weights.manifest import engine_models

BY_QUALITY = "by `quality`"
NO_CONTROL = "no ControlNet"
DIFFUSION_ENGINES = ("sdxl", "mini")

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

BLACK_WHITE = '{"colors": [{"name": "black", "proportion": 60}, {"name": "white", "proportion": 40}]}'
ACCEPTED = (
    BLACK_WHITE,
    '{"colors": [{"name": "BLACK", "proportion": 0.6}, {"name": "белый", "proportion": 0.4}]}',
    '{"colors": [{"name": "темно-зеленый", "proportion": "60 %"}, {"hex": "#A63437", "proportion": "40"}]}',
    '{"colors": [{"color": "black", "percent": 60}, {"color": "white", "percent": 40}]}',
    '{"colors": [{"name": "red", "proportion": 2}, {"name": "blue", "proportion": 1}]}',
    '{"colors": [{"name": "gray", "proportion": 50}, {"name": "grey", "proportion": 50}], "angle": "405"}',
    json.dumps({"params_json": BLACK_WHITE}),
    json.dumps(BLACK_WHITE),
    json.dumps(json.dumps({"colors": [{"name": "black", "proportion": 100}]}, indent=2))[1:-1],
)
COLOR_TEXTS = (
    "60% black, 40% white",
    "black 60; white 40",
    "70 % чёрный и 30 % жёлтый",
    "0.5 red, 0.3 sand, 0.2 #A63437",
    "terracotta",
    "80 blue + 30 pearl",
    "чёрный-60%, белый—40%",
)


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


def accepted_requests(say: Say) -> str:
    """Requests as people write them, and what is read."""
    return "\n\n".join(f"{block(text, 'json')}\n\n{_reading(parse_request(text))}" for text in ACCEPTED)


def color_texts(say: Say) -> str:
    """Texts of the simple form and what is read."""
    rows = [(code(text), mix_of(parse_simple(colors=text))) for text in COLOR_TEXTS]
    return table((code("colors"), say("read as")), rows)


def request_limits(say: Say) -> str:
    """How large a request may be."""
    rows = (
        ("`params_json`, bytes of UTF-8", MAX_PARAMS_BYTES),
        ("nesting of the JSON, levels", MAX_DEPTH),
        ("`colors` as text, characters", MAX_COLORS_CHARACTERS),
        ("colours of a mix", MAX_COLORS),
        ("`prompt` and `negative_prompt`, characters each", MAX_PROMPT_CHARACTERS),
        ("prompt and negative prompt, CLIP tokens each, with `sdxl`", MAX_CHUNKS * (TOKEN_LIMIT - 2)),
        ("parts lighter than 1 in a text with weights", MOST_LIGHTER),
    )
    return table(map(say, ("what", "at most")), ((say(what), str(most)) for what, most in rows))


def profiles(say: Say) -> str:
    """Steps, guidance and LoRA of every diffusion engine, by quality."""
    head = ("steps, preview", "steps, final", "guidance", "LoRA")
    rows = [row for engine in DIFFUSION_ENGINES for row in _profile_rows(engine)]
    return table((say("engine"), code("quality"), *map(say, head)), rows)


def _profile_rows(engine: str) -> list[tuple[str, ...]]:
    models = engine_models(engine)
    lora = f"{models.lora.scale:g}" if models.lora else "–"
    return [
        (
            code(engine),
            code(quality),
            str(profile.steps_preview),
            str(profile.steps_final),
            f"{profile.guidance_scale:g}",
            lora,
        )
        for quality, profile in models.quality_profiles().items()
    ]


def routes(say: Say) -> str:
    """Which kind of edges guides which request."""
    rows = []
    for angle in (0, 45, 90, 135, 30):
        name = f"{angle}°" if angle % 45 == 0 else say("any other")
        kinds = (say(_edge_kind(angle, layout)) for layout in typing.get_args(Layout))
        rows.append((name, *kinds))
    return table((say("laying angle"), *map(code, typing.get_args(Layout))), rows)


def prompt(say: Say) -> str:
    """The prompt and the negative prompt of an example."""
    text = '{"colors": [{"name": "RED", "proportion": 2}, {"name": "тёмно-зелёный", "proportion": 1}]}'
    request = parse_request(text)
    built = build_prompt(request.mix, settings_for(request).negative_prompt)
    assert built.negative == DEFAULT_NEGATIVE_PROMPT
    return f"{block(text, 'json')}\n\n{block(built.positive)}\n\n{block(built.negative)}"


def prompt_templates(say: Say) -> str:
    """The wordings of the prompt, what each is for, and what was measured."""
    rows = (
        (code(name), code(template.text), say(template.purpose), say(template.measured))
        for name, template in TEMPLATES.items()
    )
    return table(map(say, ("name", "text", "what for", "measured")), rows)


def _edge_kind(angle: int, layout: str) -> str:
    mix = {"colors": [{"name": "red"}], "angle": angle, "overrides": {"layout": layout}}
    request = parse_request(json.dumps(mix))
    control = route(request, settings_for(request)).control
    return code(control) if control else NO_CONTROL


def parse_simple(**inputs: Any) -> TileRequest:
    """Read the simple form; inputs that are left out have their defaults."""
    defaults = {"params_json": "", "colors": "", "angle": DEFAULT_ANGLE, "quality": DEFAULT_QUALITY}
    return parse_inputs(**{**defaults, "seed": DEFAULT_SEED, **inputs})


def mix_of(request: TileRequest) -> str:
    """The colours of a request with their whole percentages."""
    shares = zip(percentages(request.mix), request.mix, strict=True)
    return ", ".join(f"{percent} % {color.id}" for percent, color in shares)


def _reading(request: TileRequest) -> str:
    notices = "".join(f" {notice}" for notice in request.notices)
    return f"{mix_of(request)}, {request.angle:g}°.{notices}"
