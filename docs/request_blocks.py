"""Blocks about the request: what is read, and what is made of it."""

import json
import typing
from typing import Any

from language import Say
from markdown_text import block, code, table

from plitka.choices import Layout
from plitka.colors.mix import percentages
from plitka.diffusion.routing import route
from plitka.request.color_text import MAX_COLORS_CHARACTERS
from plitka.request.drawing_settings import settings_for
from plitka.request.fields import MAX_COLORS
from plitka.request.json_text import MAX_DEPTH, MAX_PARAMS_BYTES
from plitka.request.overrides import MAX_PROMPT_CHARACTERS
from plitka.request.prompt import DEFAULT_NEGATIVE_PROMPT, MAX_CHUNKS, TOKEN_LIMIT, build_prompt
from plitka.request.prompt_templates import TEMPLATES
from plitka.request.prompt_weights import MOST_LIGHTER
from plitka.request.tile_request import (
    DEFAULT_ANGLE,
    DEFAULT_QUALITY,
    DEFAULT_SEED,
    TileRequest,
    parse_inputs,
    parse_request,
)
from plitka.weights.manifest import engine_models

NO_CONTROL = "no ControlNet"
DIFFUSION_ENGINES = ("sdxl", "mini")

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
