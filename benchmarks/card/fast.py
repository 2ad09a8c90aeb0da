"""Seconds of a prediction with a few-step LoRA, and of the change of the weights around it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from card.bench import Bench
from card.predictions import loaded, median_of, predict
from card.weights import LORA_FILE
from plitka.settings import FEW_STEP_LORA_VARIABLE, FEW_STEP_VARIABLE

# The LoRA of the random weights stands for each: only the steps, and guidance or none, take time.
KINDS = {"lightning:4": "4 steps", "lightning:8": "8 steps", "hyper_sd:8:5": "8 steps with guidance"}
OWN_SCALE = 0.75


def run(bench: Bench) -> None:
    """A prediction at `fast` from noise and from the swatch, and the first one after another quality."""
    for named, words in KINDS.items():
        with _named(bench, named), loaded(bench, bench.fastest()) as engine:
            for start, guidance in (("noise", 0.0), ("the swatch", 0.5)):
                usual = bench.request(color_guidance=guidance)
                kept = {"color_guidance": guidance}
                overrides = type(usual.overrides).model_validate(kept)
                request = replace(usual, quality="fast", overrides=overrides)
                predict(bench, engine, request)
                timed = median_of([predict(bench, engine, request) for _ in range(bench.repeats)])
                bench.emit("fast", f"fast, {words}, from {start}", seconds=timed.seconds)
            for side, is_fast in (("put in", True), ("taken out", False)):
                engine.adapters.use(None, OWN_SCALE, few_step=not is_fast)
                change = partial(engine.adapters.use, None, OWN_SCALE, few_step=is_fast)
                bench.emit("fast", f"few-step LoRA {side}, {words}", seconds=bench.seconds(change))


@contextmanager
def _named(bench: Bench, named: str) -> Iterator[None]:
    """While the block runs, engines are loaded with this few-step model."""
    given = {FEW_STEP_VARIABLE: named, FEW_STEP_LORA_VARIABLE: str(bench.models / LORA_FILE)}
    os.environ.update(given)
    try:
        yield
    finally:
        for name in given:
            del os.environ[name]
