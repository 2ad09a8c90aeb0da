"""Guidance inside an interval of noise levels only: seconds, and how far it moves the pictures.

Kynkäänniemi et al. 2024, https://arxiv.org/abs/2404.07724, whose interval for SDXL is the one here.
"""

from typing import Any

import numpy as np

from card.bench import Bench
from card.pictures import psnr
from card.predictions import Prediction, loaded, median_of, predict
from plitka.request.overrides import Overrides

FIELD = "guidance_interval"
INTERVAL = (0.28, 5.42)


def run(bench: Bench) -> None:
    """A prediction with and without the interval, from noise and from the swatch."""
    if FIELD not in Overrides.model_fields:
        print(f"# this version of the engine has no `overrides.{FIELD}`", flush=True)
        return
    with loaded(bench, bench.fastest()) as engine:
        for start, guidance in (("noise", 0.0), ("the swatch", 0.5)):
            pairs = []
            settings: tuple[dict[str, Any], ...] = ({}, {FIELD: list(INTERVAL)})
            for more in settings:
                request = bench.request(color_guidance=guidance, **more)
                predict(bench, engine, request)
                pairs.append(median_of([predict(bench, engine, request) for _ in range(bench.repeats)]))
            plain, interval = pairs
            bench.emit(
                "guidance-interval",
                f"guidance interval, from {start}",
                seconds=interval.seconds,
                without_seconds=plain.seconds,
                gain=plain.seconds / interval.seconds - 1,
                psnr_to_full_guidance=_psnr(plain, interval),
            )


def _psnr(one: Prediction, other: Prediction) -> float:
    """Decibels between two final pictures."""
    return psnr(*(prediction.results[1].image.astype(np.float64) for prediction in (one, other)))
