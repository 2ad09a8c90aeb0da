"""What a recorded engine draws after what might upset its recordings: other weights, a spoilt recording.

Pictures are compared with those of an eager engine, byte for byte. On a CPU nothing is recorded, and two
eager engines are compared.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any
from unittest import mock

import torch
from diffusers import UNet2DConditionModel

from card.bench import Bench
from card.predictions import loaded, predict
from card.processes import hash_of
from plitka.diffusion.engine import DiffusionEngine

SECTION = "upsets"
OTHER_SCALE = 0.5


@torch.no_grad()
def run_scale(bench: Bench) -> None:
    """Another scale of the LoRA, which changes weights beneath the recordings, and the first one back."""
    requests = [bench.request(), bench.request(lora_scale=OTHER_SCALE), bench.request()]
    with loaded(bench, bench.eager()) as engine:
        expected = [hash_of(predict(bench, engine, request)) for request in requests]
    with loaded(bench, bench.fastest()) as engine:
        predictions = [predict(bench, engine, request) for request in requests]
        bench.emit(
            SECTION,
            "recorded, another scale of the LoRA",
            seconds=[prediction.seconds for prediction in predictions],
            scale_changes_pictures=len(set(expected)) == 2,
            same_recorded=[hash_of(prediction) for prediction in predictions] == expected,
            recordings=_reports(engine),
        )


@torch.no_grad()
def run_spoilt(bench: Bench) -> None:
    """A UNet that waits for the GPU, which no recording allows; then, on the same engine, a ControlNet.

    The picture is the eager one, the UNet is off with its reason, and another model can still be recorded.
    """
    plain, guided = bench.request(), bench.request(use_controlnet=True)
    with loaded(bench, bench.eager()) as engine:
        expected = [hash_of(predict(bench, engine, request)) for request in (plain, guided)]
    with _unet_that_waits(), loaded(bench, bench.fastest()) as engine:
        drawn = [hash_of(predict(bench, engine, request)) for request in (plain, guided)]
        bench.emit(
            SECTION,
            "a recording that is spoilt",
            same_as_eager=drawn == expected,
            recordings=_reports(engine),
        )


@contextmanager
def _unet_that_waits() -> Iterator[None]:
    """Meanwhile, every UNet reads a number back from the device in the middle of its work."""
    plain = UNet2DConditionModel.get_time_embed

    def waits(self: Any, sample: torch.Tensor, timestep: Any) -> Any:
        embedding = plain(self, sample=sample, timestep=timestep)
        embedding.sum().item()
        return embedding

    with mock.patch.object(UNet2DConditionModel, "get_time_embed", waits):
        yield


def _reports(engine: DiffusionEngine) -> list[dict[str, Any]]:
    return [asdict(report) for report in engine.pipelines.recordings.report()]
