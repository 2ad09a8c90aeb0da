"""What recording gives beside the UNet: the ControlNet, the text encoders, the VAE's decoder.

The ControlNet is recorded by the engine; the others here, one by one.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from torch.utils import _pytree as pytree

from card.bench import Bench
from card.predictions import compare_with_controlnet, loaded, predict
from card.processes import hash_of
from card.step import PIXELS_PER_LATENT
from plitka.diffusion.cuda_graphs import CudaRecorder, Recorder, Recording
from plitka.diffusion.recorded_forward import RecordedForward
from plitka.request.drawing_settings import settings_for
from plitka.request.prompt import build_prompt


def recorder_for(bench: Bench) -> Recorder:
    """What records on this device; on a CPU what runs the work again, so that all of it can be tried."""
    return CudaRecorder() if bench.records else _run_again


def _run_again(forward: Callable[..., Any], inputs: tuple[Any, ...], options: dict[str, Any]) -> Recording:
    output = pytree.tree_map(torch.clone, forward(*inputs, **options))

    def replay() -> None:
        fresh = pytree.tree_leaves(forward(*inputs, **options))
        for kept, given in zip(pytree.tree_leaves(output), fresh, strict=True):
            kept.copy_(given)

    return Recording((inputs, options), output, replay)


@torch.no_grad()
def run_controlnet(bench: Bench) -> None:
    """A prediction with a ControlNet that is recorded beside the UNet, and whether it draws the same."""
    guided = bench.request(use_controlnet=True)
    with loaded(bench, bench.eager()) as engine:
        eager = hash_of(predict(bench, engine, guided))
    with loaded(bench, bench.fastest()) as engine:
        same = hash_of(predict(bench, engine, guided)) == eager
        reports = [asdict(report) for report in engine.pipelines.recordings.report()]
        figure = "ControlNet, recorded itself too"
        compare_with_controlnet(bench, figure, engine, same_recorded=same, recordings=reports)


@torch.no_grad()
def run_encode(bench: Bench) -> None:
    """The prompt's way through both text encoders, eager and recorded."""
    request = bench.request()
    prompt = build_prompt(request.mix, settings_for(request).negative_prompt).positive
    with loaded(bench, bench.eager()) as engine:
        base = engine.pipelines.base
        seconds = _median(bench, lambda: base.encode_prompt(prompt, device=torch.device(bench.device)))
        bench.emit("recorded", "encode: prompt and negative prompt by the pipeline", seconds=seconds)
        for name in ("text_encoder", "text_encoder_2"):
            encoder = getattr(base, name)
            tokenizer = getattr(base, name.replace("text_encoder", "tokenizer"))
            padding = {"padding": "max_length", "truncation": True, "return_tensors": "pt"}
            tokens = tokenizer(prompt, max_length=tokenizer.model_max_length, **padding).input_ids

            options = {"output_hidden_states": True, "return_dict": False}
            _compare(bench, f"encode: {name}", encoder, tokens.to(bench.device), options)


@torch.no_grad()
def run_decode(bench: Bench) -> None:
    """The VAE's decoder at both sizes, eager and recorded."""
    with loaded(bench, bench.eager()) as engine:
        vae = engine.pipelines.base.vae
        for size in bench.architecture.sizes:
            side = size // PIXELS_PER_LATENT
            random = torch.Generator(bench.device).manual_seed(4)
            latents = torch.randn(1, 4, side, side, generator=random, device=bench.device, dtype=vae.dtype)
            _compare(bench, f"decode at {size}", vae.decoder, latents, {})


def _compare(
    bench: Bench, figure: str, model: torch.nn.Module, given: torch.Tensor, options: dict[str, Any]
) -> None:
    recorded = RecordedForward(figure, model, recorder_for(bench))
    eager = pytree.tree_leaves(model(given, **options))
    recorded(given, **options)
    replayed = pytree.tree_leaves(recorded(given, **options))
    same = all(torch.equal(a, b) for a, b in zip(eager, replayed, strict=True))
    seconds = _median(bench, lambda: model(given, **options))
    bench.emit("recorded", f"{figure}, eager", seconds=seconds)
    seconds = _median(bench, lambda: recorded(given, **options))
    bench.emit("recorded", f"{figure}, recorded", seconds=seconds, same_recorded=same)


def _median(bench: Bench, work: Callable[[], object], runs: int = 5) -> float:
    """Median seconds of some work that has been done twice before."""
    for _ in range(2):
        work()
    return sorted(bench.seconds(work) for _ in range(runs))[runs // 2]
