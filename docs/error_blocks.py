"""Blocks about errors: bad requests with the whole error they get, and every reason for a refusal."""

import base64
import io
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from language import Say
from markdown_text import block
from PIL import Image as Picture
from request_blocks import BLACK_WHITE, parse_simple

from plitka.choices import CONTROL_KINDS, FAST
from plitka.diffusion.hints import Hint, hint_problems
from plitka.diffusion.routing import route_problems
from plitka.diffusion.samplers import sampler_problems
from plitka.engine import render
from plitka.errors import Problem, RequestError
from plitka.match.photo_request import request_of_photo
from plitka.request.adapter import unlisted
from plitka.request.color_text import MAX_COLORS_CHARACTERS
from plitka.request.drawing_settings import settings_for
from plitka.request.few_step import FewStep, quality_problems
from plitka.request.fields import MAX_COLORS, MAX_SEED
from plitka.request.json_text import MAX_DEPTH, MAX_PARAMS_BYTES
from plitka.request.numbers import MAX_PROPORTION
from plitka.request.overrides import MAX_PROMPT_CHARACTERS
from plitka.request.tile_request import parse_request
from plitka.weights.remedies import NO_FEW_STEP

REFUSED: Mapping[str, str] = {
    "Several things at once": '{"colors": [{"name": "blak", "proportion": 60}, {"name": "white", '
    '"proportion": -40}], "qualty": "high", "overrides": {"guidance_scale": 50}}',
    "Wrong types": '{"colors": "red", "angle": "steep", "seed": 1.5, "overrides": {"use_controlnet": "yes"}}',
    "The same key twice": '{"colors": [{"name": "red"}], "seed": 1, "seed": 2}',
    "Not JSON": '{"colors": [{"name": "red"}',
}
README_REFUSED = (
    '{"colors": [{"name": "white", "proportion": -40}], "qualty": "high", '
    '"overrides": {"guidance_scale": 50}}'
)
REFUSED_COLOR_TEXTS = ("60% blak, 40% white", "60% black 40%", "ten reds")

RED = {"name": "red"}
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def deep_logo() -> str:
    """A PNG of one pixel with 16 bits a channel, in Base64."""
    file = io.BytesIO()
    Picture.new("I;16", (1, 1)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def picture(mode: str, side: int) -> bytes:
    """A JPEG of one colour."""
    file = io.BytesIO()
    Picture.new(mode, (side, side)).save(file, "JPEG")
    return file.getvalue()


REFUSED_SHEETS: tuple[Mapping[str, str], ...] = (
    {"logo": "logo.png"},
    {"logo": base64.b64encode(b"GIF89a").decode()},
    {"logo": base64.b64encode(PNG_SIGNATURE).decode()},
    {"logo": deep_logo()},
    {"date": "27.11.2026"},
    {"date": "2026-02-30"},
)
TOO_HEAVY = {"density_kg_m3": 1200, "laid_kg_m3": 1300}
# One request for every reason, in the order of the keys; what is not a text is written as JSON.
REFUSED_REQUESTS: tuple[Any, ...] = (
    {},
    {"colors": "red"},
    {"colors": []},
    {"colors": [RED] * (MAX_COLORS + 1)},
    {"colors": ["red"]},
    {"colors": [{"name": "red", "proportion": 0}]},
    {"colors": [{"proportion": 60}]},
    {"colors": [{"name": "red", "hex": "#C1483C"}]},
    {"colors": [{"name": 7}]},
    {"colors": [{"name": "blak"}]},
    {"colors": [{"name": "NCS S 1080-Y90R"}]},
    {"colors": [{"name": "RAL 9999"}]},
    {"colors": [{"name": "rgb(300, 0, 0)"}]},
    {"colors": [{"name": "rgb(10 20 30 / 50%)"}]},
    {"colors": [{"name": "rgb(red)"}]},
    {"colors": [{"name": "#A63437"}]},
    {"colors": [{"hex": "#A634"}]},
    {"colors": [{"name": "red", "color": "blue"}]},
    {"colors": [RED, {"name": "blue", "proportion": 40}]},
    {"colors": [{"name": "red", "proportion": "half"}]},
    {"colors": [{"name": "red", "proportion": -40}]},
    {"colors": [{"name": "red", "proportion": 10 * MAX_PROPORTION}]},
    {"colors": [{"name": "red", "proportion": "50 %"}, {"name": "blue", "proportion": 0.5}]},
    {"colors": [{"name": "red", "proportion": "1,000"}, {"name": "blue", "proportion": "2,000"}]},
    {"colors": [RED], "angle": float("nan")},
    {"colors": [RED], "angle": "steep"},
    {"colors": [RED], "angle": "1,080"},
    {"colors": [RED], "quality": "best"},
    {"colors": [RED], "seed": 1.5},
    {"colors": [RED], "seed": "42,0"},
    {"colors": [RED], "seed": "12,000"},
    {"colors": [RED], "seed": 1e17},
    {"colors": [RED], "seed": "1" * 401},
    {"colors": [RED], "seed": -2},
    {"colors": [RED], "sed": 7},
    {"colors": [RED], "granule_mm": "tiny"},
    {"colors": [RED], "width": 500},
    {"colors": [RED], "width": 8192, "width_mm": 2000},
    {"colors": [RED], "angle": 90, "tile_mm": [20, 10], "joint_mm": 8},
    {"colors": [RED], "overrides": "none"},
    {"colors": [RED], "overrides": {"color_guidance": 0, "color_lock": "always"}},
    {"colors": [RED], "overrides": {"use_controlnet": "yes"}},
    {"colors": [RED], "overrides": {"guidance_scale": 50}},
    {"colors": [RED], "overrides": {"guidance_interval": 0.28}},
    {"colors": [RED], "overrides": {"guidance_interval": [5.42, 0.28]}},
    {"colors": [RED], "overrides": {"guidance_interval": [0.28, 50_000]}},
    {"colors": [RED], "overrides": {"controlnet_start": 0.6, "controlnet_end": 0.4}},
    {"colors": [RED], "overrides": {"controlnet_start": 1}},
    {"colors": [RED], "overrides": {"controlnets": "canny"}},
    {"colors": [RED], "overrides": {"controlnets": []}},
    {"colors": [RED], "overrides": {"controlnets": [{"kind": kind} for kind in CONTROL_KINDS]}},
    {"colors": [RED], "overrides": {"controlnets": [{"kind": "depth"}], "controlnet_scale": 0.5}},
    {"colors": [RED], "overrides": {"controlnets": [{"kind": "depth"}, {"kind": "depth"}]}},
    {"colors": [RED], "overrides": {"negative_prompt": "blurry " * MAX_PROMPT_CHARACTERS}},
    {"colors": [RED], "overrides": {"negative_prompt": "\u0007"}},
    {"colors": [RED], "overrides": {"prompt": "wet (glossy"}},
    {"colors": [RED], "overrides": {"prompt": "wet, (glossy:3)"}},
    {"colors": [RED], "overrides": {"prompt": "(wet:1.2)++"}},
    {"colors": [RED], "overrides": {"negative_prompt": "(blurry]"}},
    {"colors": [RED], "overrides": {"negative_prompt": "[wet|dry]"}},
    {"colors": [RED], "overrides": {"negative_prompt": '("wet", "dry").blend(1, 1)'}},
    {"colors": [RED], "overrides": {"prompt": "[wet] tile " * 21}},
    {"colors": [RED], "overrides": {"prompt_template": "captions"}},
    {"colors": [RED], "overrides": {"prompt": 5}},
    *({"colors": [RED], "overrides": {"sheet": sheet}} for sheet in REFUSED_SHEETS),
    {"colors": [RED], "overrides": {"order": {"area_m2": 1, "thickness_mm": 1, **TOO_HEAVY}}},
    {"colors": [RED], "adapter": "https://example.com/lora.safetensors"},
    {"colors": [RED], "maps": "height"},
    {"colors": [RED], "maps": ["hight"]},
    {"colors": [RED], "maps": ["ao", "ao"]},
    {"colors": [RED], "maps": [1]},
    {"colors": [RED], "variants": 9},
    {"colors": [RED], "variants": 3, "seed": MAX_SEED - 1},
    '{"colors": [{"name": "red"}], "seed": 1, "seed": 2}',
    '{"colors": [{"name": "red"}',
    '{"params_json": ""}',
    '"red"',
    '[{"name": "red"}]',
    '{"params_json": {}, "params_json": 1}',
    '{"params_json": {}, "seed": 1}',
    " " * (MAX_PARAMS_BYTES + 1),
    '{"colors": ' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "}",
)
REFUSED_INPUTS: tuple[Mapping[str, Any], ...] = (
    {"colors": "60% black 40%"},
    {"colors": "60% black / 40% white"},
    {"colors": " , "},
    {"colors": "black, " * MAX_COLORS_CHARACTERS},
    {"params_json": BLACK_WHITE, "angle": 45},
)
# Overrides that a few-step model cannot have.
FAST_OVERRIDES: tuple[Mapping[str, Any], ...] = (
    {"num_inference_steps": 35},
    {"guidance_scale": 6.5},
    {"scheduler": "ddim"},
    {"negative_prompt": "blurry"},
    {"guidance_interval": [0.28, 5.42]},
)
# Photographs: a text that Cog's server could not fetch, and files.
REFUSED_PHOTOS: tuple[str | bytes, ...] = (
    "file:///etc/hostname",
    b"",
    b"GIF89a",
    b"\0\0\0\x18ftypheic",
    b"no picture",
    picture("RGB", 64),
    picture("CMYK", 256),
    picture("L", 256),
    picture("RGB", 256),
)


def refused_requests(say: Say) -> str:
    """Bad requests and the errors they get."""
    return "\n\n".join(f"{say(title)}:\n\n{_refusal(text)}" for title, text in REFUSED.items())


def readme_refusal(say: Say) -> str:
    """One bad request for the first page."""
    return _refusal(README_REFUSED)


def refused_inputs(say: Say) -> str:
    """Bad values of the simple form and the errors they get."""
    errors = [_error_of(partial(parse_simple, colors=text)) for text in REFUSED_COLOR_TEXTS]
    return block("\n".join(map(str, errors)))


def refusal_reasons(say: Say) -> str:
    """Every reason for a refusal, each with one value that gets it, without what is allowed."""
    texts = (text if isinstance(text, str) else json.dumps(text) for text in REFUSED_REQUESTS)
    errors = [_error_of(partial(parse_request, text)) for text in texts]
    errors += [_error_of(partial(parse_simple, **inputs)) for inputs in REFUSED_INPUTS]
    errors += [_error_of(partial(_photograph, photo)) for photo in REFUSED_PHOTOS]
    errors += [RequestError([unlisted("summer", ("winter",))]), RequestError([unlisted("summer", ())])]
    errors += [RequestError(problems) for problems in _refused_by_models()]
    errors += [RequestError([problem]) for problem in _fast_problems()]
    lines = (str(error.problems[0]).partition(" Allowed: ")[0] for error in errors)
    return block("\n".join(lines))


# Overrides, the rest of a request, and whether there is a decoder that takes depth as hint.
REFUSED_BY_HINTS: tuple[tuple[Mapping[str, Any], Mapping[str, Any], bool], ...] = (
    ({"use_controlnet": True}, {}, False),
    ({"controlnets": [{"kind": "canny"}]}, {}, True),
    ({"controlnet_scale": 0.5}, {"angle": 45}, True),
    ({"color_guidance": 0}, {"angle": 45}, False),
    ({}, {"seamless": True, "width": 1000}, True),
)


def _refused_by_models() -> Iterator[list[Problem]]:
    """What depends on the base model: an angle without a ControlNet, a sampler that it does not have."""
    for overrides in ({}, {"use_controlnet": True}):
        request = parse_request(json.dumps({"colors": [RED], "angle": 30, "overrides": overrides}))
        yield list(route_problems(request, settings_for(request), ("canny",)))
    yield list(sampler_problems(replace(settings_for(request), scheduler="euler"), {"thresholding": True}))
    for by_hint, more, is_there in REFUSED_BY_HINTS:
        request = parse_request(json.dumps({"colors": [RED], "overrides": by_hint, **more}))
        hint = Hint("depth", is_there, grain=64, native=768)
        yield list(hint_problems(request, settings_for(request), hint))


def _fast_problems() -> Iterator[Problem]:
    """Of quality `fast`, and of the others where the base model is made for it."""
    fast = {"colors": [RED], "quality": FAST}
    lightning = FewStep("lightning", 4)
    yield from quality_problems(parse_request(fast), None, NO_FEW_STEP)
    yield from quality_problems(parse_request(fast), None, render.NO_FEW_STEP)
    for overrides in FAST_OVERRIDES:
        yield from quality_problems(parse_request({**fast, "overrides": overrides}), lightning, "")
    base = replace(lightning, is_base=True)
    yield from quality_problems(parse_request({"colors": [RED]}), base, "")


def _photograph(photo: str | bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "photo.jpg"
        file.write_bytes(photo if isinstance(photo, bytes) else b"")
        request_of_photo(photo if isinstance(photo, str) else file, "", "", 0.0, "standard", -1)


def _refusal(text: str) -> str:
    return f"{block(text, 'json')}\n\n{block(str(_error_of(partial(parse_request, text))))}"


def _error_of(parse: Callable[[], Any]) -> RequestError:
    try:
        parse()
    except RequestError as error:
        return error
    raise AssertionError("this was to be refused")
