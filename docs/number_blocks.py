"""The block about numbers: how each of them may be written, and what is read."""

import json
from typing import Any

from language import Say
from markdown_text import code, table
from request_blocks import mix_of

from plitka.errors import RequestError
from plitka.request.overrides import Overrides
from plitka.request.tile_request import TileRequest, parse_request

# A field and texts for it; two texts are the amounts of two colours.
SPELLINGS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("angle", ("22,5",)),
    ("angle", ("45°",)),
    ("angle", ("45º",)),
    ("angle", ("−45",)),
    ("angle", ("４５",)),
    ("angle", ("1.080",)),
    ("angle", ("1,080",)),
    ("angle", ("1 080",)),
    ("angle", ("1'080",)),
    ("angle", ("1_080",)),
    ("angle", ("1,080,000",)),
    ("angle", ("4²",)),
    ("guidance_scale", ("6,500",)),
    ("num_inference_steps", ("50.000",)),
    ("num_inference_steps", ("50,000",)),
    ("seed", ("42.0",)),
    ("seed", ("42,0",)),
    ("seed", ("12,000",)),
    ("seed", ("12.000",)),
    ("proportion", ("60 %", "40 %")),
    ("proportion", ("0,6", "0,4")),
    ("proportion", ("33,333 %", "66,667 %")),
    ("proportion", ("33,333", "66,667")),
    ("proportion", ("1,000", "2,000")),
)


def numbers(say: Say) -> str:
    """Spellings of numbers as text, and what each is read as or refused with."""
    head = map(say, ("key", "written", "read as"))
    return table(head, (_row(key, texts, say) for key, texts in SPELLINGS))


def _row(key: str, texts: tuple[str, ...], say: Say) -> tuple[str, str, str]:
    try:
        reading = _reading(parse_request(json.dumps(_document(key, texts))), key)
    except RequestError as error:
        reading = f"{say('refused')}: {error.problems[0].reason}"
    return code(key), ", ".join(map(code, texts)), reading


def _document(key: str, texts: tuple[str, ...]) -> dict[str, Any]:
    if key == "proportion":
        names = ("red", "blue")
        return {"colors": [{"name": name, key: text} for name, text in zip(names, texts, strict=True)]}
    given: dict[str, Any] = {key: texts[0]}
    return {"colors": [{"name": "red"}], **({"overrides": given} if key in Overrides.model_fields else given)}


def _reading(request: TileRequest, key: str) -> str:
    if key == "proportion":
        return mix_of(request)
    holder = request.overrides if key in Overrides.model_fields else request
    return f"{getattr(holder, key):g}"
