"""Video memory: what a prediction takes beside the weights, what ControlNets add, and smaller cards."""

from contextlib import closing

import torch

from card.bench import Bench
from card.predictions import predict
from plitka.diffusion.controlnets import KEPT
from plitka.diffusion.engine import DiffusionEngine
from plitka.diffusion.offload import ALL_OF_IT, LowMemory

# Requests that need each of the three ControlNets in turn.
ANGLES = {"canny": 90.0, "softedge": 45.0, "lineart": 30.0}
# GiB that a card's memory holds beside torch: CUDA's own, and a display.
CARD_RESERVE = 1.0


def run_vram(bench: Bench) -> None:
    """Peaks of the base and with ControlNets that replace each other."""
    bench.reset_peak()
    with closing(bench.load_engine(bench.eager())) as engine:
        weights = weight_bytes(engine) / 1e9
        expandable = {"expandable_segments": _has_expandable_segments()} if bench.device_info.is_gpu else {}
        bench.emit("vram", "weights of the base", gb=weights, **expandable)
        # The first prediction is also when the libraries try out their kernels, which takes memory.
        for figure in ("first base prediction", "base prediction"):
            bench.reset_peak()
            predict(bench, engine, bench.request())
            bench.emit("vram", figure, weights_gb=weights, **_beside(bench.peak(), weights))
        for kind, angle in (*ANGLES.items(), *ANGLES.items()):
            bench.reset_peak()
            predict(bench, engine, bench.request(angle))
            kept = engine.pipelines.controlnets.loaded
            bench.emit(
                "vram",
                f"after a switch to the ControlNet for {kind}",
                controlnets_kept=len(kept),
                bound=KEPT,
                offload=engine.pipelines.offload_level,
                **bench.peak(),
            )


def run_small_card(bench: Bench, gibibytes: int) -> None:
    """A prediction without and with a ControlNet on a card of so many GiB, by a limit on this process.

    On a CPU, which has no such limit, the models are offloaded by one level, as they would be.
    """
    if bench.device_info.is_gpu:
        limit = (gibibytes - CARD_RESERVE) * 1024**3
        whole = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, limit / whole))
    with closing(bench.load_engine(bench.eager())) as engine:
        if not bench.device_info.is_gpu:
            engine.pipelines.lower()
        for name, request in (
            ("base", bench.request()),
            ("ControlNet", bench.request(use_controlnet=True)),
        ):
            predict(bench, engine, request)
            bench.reset_peak()
            prediction = predict(bench, engine, request)
            bench.emit(
                "vram",
                f"a card of {gibibytes} GiB: {name}",
                seconds=prediction.seconds,
                offload=engine.pipelines.offload_level,
                retries=prediction.metrics["drawing.final"]["retries"],
                **bench.peak(),
            )


def run_offload(bench: Bench) -> None:
    """The same predictions with the models on the card, brought there whole, by layers, and VAE tiles."""
    for low_memory in (ALL_OF_IT, LowMemory("model"), LowMemory("sequential"), LowMemory("sequential", True)):
        with closing(bench.load_engine(bench.eager())) as engine:
            engine.pipelines.save_memory(low_memory)
            for name, request in (
                ("base", bench.request()),
                ("ControlNet", bench.request(use_controlnet=True)),
            ):
                predict(bench, engine, request)
                bench.reset_peak()
                prediction = predict(bench, engine, request)
                bench.emit(
                    "offload",
                    f"{low_memory}: {name}",
                    seconds=prediction.seconds,
                    retries=prediction.metrics["drawing.final"]["retries"],
                    **bench.peak(),
                )


def weight_bytes(engine: DiffusionEngine) -> int:
    """Bytes of every model of the base pipeline."""
    parts = engine.pipelines.base.components.values()
    models = [part for part in parts if isinstance(part, torch.nn.Module)]
    return sum(weight.nbytes for model in models for weight in model.parameters())


def _has_expandable_segments() -> bool:
    """Whether the allocator heeds the setting of `plitka.device.select`."""
    segments = torch.cuda.memory_snapshot()  # type: ignore[no-untyped-call]
    return any(segment.get("is_expandable") for segment in segments)


def _beside(peak: dict[str, float], weights: float) -> dict[str, float]:
    return {**peak, **{name.replace("_gb", "_beside_weights_gb"): gb - weights for name, gb in peak.items()}}
