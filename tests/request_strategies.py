"""Requests for property tests: documents that are right, and JSON of any shape."""

import json
from typing import get_args

from hypothesis import strategies as st

from plitka.choices import (
    CONTROL_KINDS,
    MAP_NAMES,
    Layout,
    NormalConvention,
    OutputFormat,
    Scheduler,
    SheetLanguage,
)
from plitka.colors.palette import PALETTE
from plitka.request.controlnets import INSTEAD_OF_LIST
from plitka.request.fields import MAX_SEED
from plitka.request.prompt_templates import TEMPLATES
from plitka.request.prompt_weights import escaped

NAMES = [name for color in PALETTE.values() for name in color.names]
colors = st.lists(
    st.fixed_dictionaries(
        {
            "proportion": st.one_of(
                st.floats(1e-3, 100),
                st.integers(1, 100),
                st.integers(1, 100).map(str),
                st.floats(0.01, 100).map(lambda value: f"{value:.3f}"),
            )
        },
        optional={},
    ).flatmap(
        lambda entry: st.one_of(
            st.sampled_from(NAMES).map(lambda name: {"name": name, **entry}),
            st.integers(0, 0xFFFFFF).map(lambda value: {"hex": f"#{value:06x}", **entry}),
        )
    ),
    min_size=1,
    max_size=8,
)
steps = st.integers(1, 100)
scales = st.floats(0, 2)
sheets = st.fixed_dictionaries(
    {},
    optional={
        "language": st.sampled_from(get_args(SheetLanguage)),
        "text": st.text(st.sampled_from("aZ яЁ№₽-\n"), max_size=40).filter(lambda text: text.count("\n") < 8),
        "date": st.dates().map(str),
    },
)
orders = st.fixed_dictionaries(
    {"area_m2": st.floats(0.01, 1e6), "thickness_mm": st.floats(1, 500)},
    optional={
        "waste_percent": st.floats(0, 100),
        "binder_percent": st.floats(0, 100),
        "density_kg_m3": st.floats(1500, 3000),
        "laid_kg_m3": st.floats(200, 1500),
        "bag_kg": st.floats(0.1, 2000),
    },
)
control_entries = st.fixed_dictionaries(
    {"kind": st.sampled_from(CONTROL_KINDS)},
    optional={
        "scale": scales,
        "start": st.floats(0, 0.5, exclude_max=True),
        "end": st.floats(0.5, 1),
    },
)
control_lists = st.lists(control_entries, min_size=1, max_size=3, unique_by=lambda entry: entry["kind"])


def _with_controls(drawn):
    """Overrides with a list of ControlNets in place of the fields for a single one."""
    given, controls = drawn
    if controls is None:
        return given
    return {key: value for key, value in given.items() if key not in INSTEAD_OF_LIST} | {
        "controlnets": controls
    }


words = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=40).map(escaped) | st.sampled_from(
    ["(wet)1.2, [dry]", "((a:1.1))+ b--", "(ночь:0,5)"]
)
single_overrides = st.fixed_dictionaries(
    {},
    optional={
        "use_controlnet": st.booleans(),
        "guidance_scale": st.floats(1, 20),
        "guidance_interval": st.lists(st.floats(0, 10_000), min_size=2, max_size=2, unique=True).map(sorted),
        "num_inference_steps": steps,
        "num_inference_steps_preview": steps,
        "num_inference_steps_final": steps,
        "negative_prompt": words,
        "prompt_template": st.sampled_from(list(TEMPLATES)),
        "prompt": words,
        "lora_scale": scales,
        "controlnet_scale": scales,
        "controlnet_start": st.floats(0, 0.5, exclude_max=True),
        "controlnet_end": st.floats(0.5, 1),
        "color_guidance": st.floats(0, 1),
        "layout": st.sampled_from(get_args(Layout)),
        "output_format": st.sampled_from(get_args(OutputFormat)),
        "scheduler": st.sampled_from(get_args(Scheduler)),
        "normal_convention": st.sampled_from(get_args(NormalConvention)),
        "sheet": st.booleans() | sheets,
        "order": orders,
        "scale_bar": st.booleans(),
    },
)
overrides = st.tuples(single_overrides, st.none() | control_lists).map(_with_controls)
documents = st.fixed_dictionaries(
    {"colors": colors},
    optional={
        "angle": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-1000, 1000),
        "quality": st.sampled_from(["preview", "standard", "high"]),
        "seed": st.integers(-1, MAX_SEED),
        "overrides": overrides,
        "maps": st.lists(st.sampled_from(MAP_NAMES), unique=True),
        "variants": st.integers(1, 8),
    },
).filter(lambda document: document.get("seed", 0) + document.get("variants", 1) - 1 <= MAX_SEED)

PLAIN = json.dumps(
    {
        "colors": [{"name": "black", "proportion": 60}, {"name": "white", "proportion": 40}],
        "angle": 45,
        "quality": "high",
        "seed": 42,
        "overrides": {"lora_scale": 0.5},
    }
)
KEYS = [
    "colors",
    "angle",
    "quality",
    "seed",
    "overrides",
    "maps",
    "variants",
    "name",
    "hex",
    "proportion",
    "params_json",
    "layout",
    "negative_prompt",
    "use_controlnet",
    "lora_scale",
    "num_inference_steps",
    "Colors",
    "\ud800",
    "",
]
any_text = st.text(st.characters(codec=None))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=8)
    | st.sampled_from(["red", "60 %", "#A63437", "1e999", "9" * 500, "\u202e\ud800", PLAIN]),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.sampled_from(KEYS), children, max_size=4)
    ),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from(KEYS), values, max_size=5)
simple_inputs = st.fixed_dictionaries(
    {},
    optional={
        "colors": st.text(),
        "angle": st.floats() | st.integers() | st.text(max_size=5),
        "quality": st.text(max_size=9),
        "seed": st.integers() | st.text(max_size=5),
    },
)
