"""Values that a request's fields do not take, or that few people write; and the JSON to write them in."""

import json

from plitka.colors.palette import resolve
from plitka.errors import UnknownColorError


class Raw(str):
    """A piece of JSON that goes into the text as it stands: numbers that Python's writer does not make."""


class Pairs(list):
    """An object as a list of keys and values, so that a key can come twice."""


def write(value, ascii_only=True):
    """JSON text of a document with `Raw` and `Pairs` in it."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        value = Pairs(value.items())
    if isinstance(value, Pairs):
        inner = (
            f"{json.dumps(key, ensure_ascii=ascii_only)}: {write(item, ascii_only)}" for key, item in value
        )
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(write(item, ascii_only) for item in value) + "]"
    return json.dumps(value, ensure_ascii=ascii_only)


PATHS = [
    "/etc/passwd", "../../etc/passwd", "C:\\Windows\\win.ini", "~/.ssh/id_rsa", "/dev/zero",
    "/proc/self/mem",
]  # fmt: skip
URLS = [
    "file:///etc/passwd", "http://127.0.0.1:9/", "https://example.org/a.safetensors",
    "data:image/png;base64,iVBORw0KGgo=", "//example.org/share",
]  # fmt: skip
COMMANDS = [
    "${HOME}", "$(id)", "`id`", "{{7*7}}", "%s%n%d", "'; DROP TABLE tiles; --", "<script>alert(1)</script>",
]  # fmt: skip
DISTURBING = [
    "\u202ered", "re\u200bd", "\u2066red\u2069", "re\u00add", "\ufeffred", "red\x00", "\x1b[2J", "\x7f",
    "\ud800", "\udfff\ud800", "r\u0338e\u0338d\u0338", "🟥", "ＲＥＤＤ", "a" * 5000,
]  # fmt: skip
WORDS = ["", " ", "null", "true", "NaN", "0x10", "rgb(1,2,3)", "#", "None", "[]", "{}", "__class__"]
STRANGE_TEXTS = [*PATHS, *URLS, *COMMANDS, *DISTURBING, *WORDS]
CONTAINERS = [[], {}, [60], {"value": 60}, [[[]]], Pairs([("a", 1), ("a", 2)])]
RAW_NUMBERS = ["1e400", "-1e400", "NaN", "Infinity", "-Infinity", "1" + "0" * 5000]
STRANGE_NUMBERS = [
    *map(Raw, RAW_NUMBERS), "1e400", "nan", "inf", "1_000", "٦٠", "六十", "0x10", "60 60", "1,000,000", "%",
    "∞", "١", "--5", "5-", "1e", "e5",
]  # fmt: skip
UNUSUAL_RAW_NUMBERS = ["-0", "-0.0", "1" + "0" * 30, "1e-400", "5e-324", "0.1e1", "1E+2", "1e30", "60.0"]
UNUSUAL_NUMBERS = [
    *map(Raw, UNUSUAL_RAW_NUMBERS), "60 %", "60%", "60,5", ".5", "5.", "+5", " 7 ", "1e1", "-0", "45°",
    "0" * 300 + "7", 0, -1, 10**30, 2**63, 2**53 + 1,
]  # fmt: skip

NOT_A_NUMBER = [True, False, *CONTAINERS, *STRANGE_NUMBERS, *STRANGE_TEXTS]
NOT_WHOLE = [*NOT_A_NUMBER, 1.5, "1.5", "60 %", "1e400"]
NOT_TEXT = [True, 5, 1.5, *CONTAINERS]
BAD_COLOR_TEXTS = [
    "60%", "60% 40%", "red blue 40", "60% blakc", "100% /etc/passwd", "http://127.0.0.1:9/", "-", "; ;",
]  # fmt: skip


def _is_no_color(text):
    try:
        resolve(text)
    except UnknownColorError:
        return True
    return False


# By the name of a field: values that it never takes.
BAD_VALUES = {
    "colors": [None, True, 5, "60% black", [], {}, {"value": 60}],
    "angle": NOT_A_NUMBER,
    "quality": [5, True, *CONTAINERS, *STRANGE_TEXTS, "best"],
    "seed": [*NOT_WHOLE, -2, 2**63, Raw("1e30"), Raw("1" + "0" * 30), "-2"],
    "overrides": [True, 5, "x", [], [60], [[[]]]],
    "name": [*NOT_TEXT, *filter(_is_no_color, STRANGE_TEXTS), "blakc"],
    "hex": [*NOT_TEXT, *STRANGE_TEXTS, "#A63437FF", "A63437FF", "#A63", "#A6343G", "#١٢٣٤٥٦", "0xA63437"],
    "proportion": [*NOT_A_NUMBER, -1, "-1 %", Raw("1e7"), Raw("1" + "0" * 30)],
    "use_controlnet": [0, 1, 1.0, "true", "yes", *CONTAINERS, *STRANGE_TEXTS],
    "guidance_scale": [*NOT_A_NUMBER, 0, 21, -5, Raw("1" + "0" * 30)],
    "guidance_interval": [
        *NOT_A_NUMBER,
        *([value, 5] for value in NOT_A_NUMBER),
        3,
        "0.2 4",
        [0.2],
        [0.2, 4, 5],
        [4, 0.2],
        [4, 4],
        [-0.1, 4],
        [0.2, 10_001],
        [None, 4],
        {"low": 0.2, "high": 4},
    ],
    "lora_scale": [*NOT_A_NUMBER, -0.1, 2.1, "60 %"],
    "controlnet_scale": [*NOT_A_NUMBER, -0.1, 2.1],
    "controlnet_start": [*NOT_A_NUMBER, -0.1, 1, 1.1],
    "controlnet_end": [*NOT_A_NUMBER, -0.1, 0, 1.1],
    "controlnets": [
        True,
        5,
        [],
        {},
        {"kind": "canny"},
        *STRANGE_TEXTS,
        [{"kind": "canny"}] * 4,
        [{"kind": "canny"}] * 1000,
    ],
    "color_guidance": [*NOT_A_NUMBER, -0.1, 1.1],
    "num_inference_steps": [*NOT_WHOLE, 0, 101, -1, Raw("1e30")],
    "num_inference_steps_preview": [*NOT_WHOLE, 0, 101],
    "num_inference_steps_final": [*NOT_WHOLE, 0, 101],
    "negative_prompt": [*NOT_TEXT, "a\x00b", "\x1b[31m", "\ud800", "x" * 1001, "\x7f", "(a", "b]", "(a:3)"],
    "prompt": [*NOT_TEXT, "a\x00b", "\ud800", "x" * 1001, "a)", "[a|b]", "(a)++++++++", "(" * 900],
    "prompt_template": [5, True, *CONTAINERS, *STRANGE_TEXTS, "captions", "../standard"],
    "layout": [5, True, *CONTAINERS, *STRANGE_TEXTS, "bricks"],
    "output_format": [5, True, *CONTAINERS, *STRANGE_TEXTS, "gif", "../png"],
    "scheduler": [5, True, *CONTAINERS, *STRANGE_TEXTS, "ddpm"],
}
OVERRIDES = [
    "use_controlnet", "guidance_scale", "guidance_interval", "num_inference_steps",
    "num_inference_steps_preview", "num_inference_steps_final", "negative_prompt", "lora_scale",
    "prompt", "prompt_template",
    "controlnet_scale", "controlnet_start", "controlnet_end", "controlnets", "color_guidance",
    "layout", "output_format", "scheduler",
]  # fmt: skip
STRANGE_KEYS = [
    "colour", "Angle", "lora", "", " ", "a b", "\ud800", "\u202e", "x" * 3000, "__proto__", "a.b", "a[0]",
    *PATHS, *URLS,
]  # fmt: skip
