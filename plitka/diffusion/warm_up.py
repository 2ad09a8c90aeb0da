"""What an engine draws as part of setup, so that no request waits for what only the first one needs."""

import json
import logging
import math
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from plitka.choices import FAST
from plitka.engine.ahead import draw_ahead
from plitka.engine.protocol import Engine, job_for
from plitka.errors import DrawingError
from plitka.request.few_step import FewStep
from plitka.request.tile_request import ANY_COLOR, parse_request

# Any mix will do; one step of each picture is enough.
COLORS = [{"hex": ANY_COLOR}]
# From the swatch, which is the default, and from noise.
COLOR_GUIDANCE = (0.5, 0.0)
SETTINGS = {"num_inference_steps": 1, "guidance_scale": 6.5}
# How long setup may record; what is left then is recorded by the first request that needs it.
RECORDING_SECONDS = 2.0

log = logging.getLogger(__name__)


def warm_up(engine: Engine, seconds: float = math.inf) -> None:
    """Draw one step at each size: what is compiled or recorded by the first picture is ready then.

    No picture is begun after so many seconds. What cannot be drawn is left to the first request, whose error
    says why.
    """
    begun = time.perf_counter()
    for document in _documents(engine.defaults.few_step):
        job = job_for(parse_request(json.dumps(document)), engine.defaults)
        try:
            # In the thread that draws later: a GPU's handles and plans belong to the thread that made them.
            with closing(draw_ahead(engine, job)) as drawings:
                for _ in drawings:
                    if time.perf_counter() - begun > seconds:
                        return
        except DrawingError as error:
            log.warning("warm-up: %s", error)


def _documents(few_step: FewStep | None) -> Iterator[dict[str, Any]]:
    """The requests that are drawn."""
    plain = {"colors": COLORS, "seed": 0}
    if few_step is None or not few_step.is_base:
        for color_guidance in COLOR_GUIDANCE:
            yield {**plain, "overrides": {**SETTINGS, "color_guidance": color_guidance}}
    if few_step is not None:
        # Mostly without guidance, which is another shape. Its LoRA changes weights, and no shape.
        quality = {"quality": FAST} if few_step.is_base else {}
        steps = {"num_inference_steps": few_step.steps if few_step.is_base else 1}
        for color_guidance in COLOR_GUIDANCE:
            overrides = {**steps, "guidance_scale": few_step.guidance_scale, "color_guidance": color_guidance}
            yield {**plain, **quality, "overrides": overrides}
