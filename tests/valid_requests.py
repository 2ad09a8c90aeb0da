"""Valid requests in every spelling, and the wrappings in which web forms send them on."""

import json
from typing import get_args

from strange_values import COMMANDS, OVERRIDES, PATHS, URLS

from plitka.choices import OutputFormat, Scheduler
from plitka.colors.palette import PALETTE
from plitka.request.controlnets import INSTEAD_OF_LIST
from plitka.request.fields import MAX_SEED


def valid_document(random):
    """A request of one to eight colours in a random spelling, with some of the other keys."""
    document = {"colors": _colors(random)}
    given = {
        "angle": lambda: random.choice([0, 45, 90, 135, -30, 720.5, "45°", "45", random.uniform(-1e4, 1e4)]),
        "quality": lambda: random.choice(["preview", "standard", "high", " HIGH "]),
        "seed": lambda: random.choice([-1, 0, 42, "42", 42.0, MAX_SEED, random.randrange(2**63)]),
        "overrides": lambda: _overrides(random),
    }
    for key, make in given.items():
        if random.random() < 0.6:
            document[key] = make()
    return document


def _colors(random):
    count = random.randint(1, 8)
    parts = [random.randint(1, 100) for _ in range(count)]
    spell = random.choice([int, float, str, lambda part: f"{part} %", lambda part: part / sum(parts)])
    return [{**_color(random), "proportion": spell(part)} for part in parts]


def _color(random):
    if random.random() < 0.3:
        digits = f"{random.randrange(1 << 24):06x}"
        return {"hex": random.choice([f"#{digits}", digits.upper()])}
    name = random.choice(random.choice(list(PALETTE.values())).names)
    return {
        "name": random.choice([str, str.upper, str.title, lambda text: f" {text.replace(' ', '_')} "])(name)
    }


def _overrides(random):
    good = {
        "use_controlnet": [True, False],
        "guidance_scale": [1, 20, "6.5"],
        "guidance_interval": [[0.28, 5.42], [0, 10_000], ["0,5", "7"]],
        "num_inference_steps": [1, 100, "30"],
        "num_inference_steps_preview": [1, 35],
        "num_inference_steps_final": [2, 60],
        "negative_prompt": ["", "blurry", "ночь, туман", *PATHS, *URLS, *COMMANDS],
        "prompt": ["", "wet after rain", "ночь, туман", *PATHS, *URLS, *COMMANDS],
        "prompt_template": ["standard", "caption", " Plain "],
        "lora_scale": [0, 0.75, 2],
        "controlnet_scale": [0, 1, "1,5"],
        "controlnet_start": [0, 0.2, "0,2"],
        "controlnet_end": [0.6, 1, "0.5"],
        "controlnets": [
            [{"kind": "canny"}],
            [{"kind": " Depth ", "scale": "0,5", "end": 0.6}, {"kind": "normal", "start": "0.2"}],
        ],
        "color_guidance": [0, 0.5, 1],
        "layout": ["surface", "grid", "brick", "BRICK"],
        "output_format": list(get_args(OutputFormat)),
        "scheduler": list(get_args(Scheduler)),
    }
    keys = random.sample(OVERRIDES, random.randint(0, 4))
    if "controlnets" in keys:
        keys = [key for key in keys if key not in INSTEAD_OF_LIST]
    return {key: random.choice(good[key]) for key in keys}


def wrapped(random, text):
    """The text of a request as web forms send it on."""
    return random.choice(
        [
            lambda: text,
            lambda: text,
            lambda: f"\ufeff \n{text}\n ",
            lambda: json.dumps(text),
            lambda: json.dumps({"params_json": text}),
            lambda: f'{{"params_json": {text}}}',
            lambda: json.dumps(text)[1:-1],
        ]
    )()
