"""What every section of the benchmark shares: the device, the request, clocks, and figures that are kept."""

import gc
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from card.architecture import Architecture
from card.figures import add_figure, read_figures
from plitka.device.select import DeviceInfo
from plitka.diffusion.acceleration import CHANNELS_LAST_BACKENDS, GRAPH_BACKENDS, Acceleration
from plitka.diffusion.engine import DiffusionEngine
from plitka.diffusion.identity import VERSIONED_LIBRARIES
from plitka.request.tile_request import TileRequest, parse_request

GUIDANCE = 6.5
SEED = 7
COLORS = [{"name": "black", "proportion": 60}, {"name": "white", "proportion": 40}]


@dataclass(frozen=True)
class Bench:
    """One run of the benchmark: where it keeps things, what it measures, how often."""

    out: Path
    device_info: DeviceInfo
    architecture: Architecture
    repeats: int

    @property
    def device(self) -> str:
        """The device's name in torch."""
        return self.device_info.device

    @property
    def models(self) -> Path:
        """The model folder."""
        return self.out / "models"

    def emit(self, section: str, figure: str, **values: Any) -> None:
        """Print a figure as one line of JSON, at once, and keep it."""
        line = {
            "section": section,
            "figure": figure,
            **{name: _rounded(value) for name, value in values.items()},
            "device": self.device_info.name,
            "architecture": self.architecture.name,
            "date": datetime.now(UTC).date().isoformat(),
        }
        add_figure(self.out, line)

    def emit_versions(self) -> None:
        """Note what the figures were measured with."""
        libraries = {name: version(name) for name in VERSIONED_LIBRARIES}
        gpu = {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}  # type: ignore[no-untyped-call]
        versions = {**libraries, **(gpu if self.device_info.is_gpu else {})}
        self.emit("models", "device", versions=versions, memory_gb=self.device_info.total_memory / 1e9)

    def find(self, figure: str) -> dict[str, Any] | None:
        """The latest figure of this name from this device, in this run or an earlier one; None without."""
        found = [
            line
            for line in read_figures(self.out)
            if (line["figure"], line["device"], line["architecture"])
            == (figure, self.device_info.name, self.architecture.name)
        ]
        return found[-1] if found else None

    def request(self, angle: float = 0, **overrides: Any) -> TileRequest:
        """The request that every section draws, from noise unless `overrides` say otherwise."""
        preview, final = self.architecture.steps
        settings = {
            "color_guidance": 0,
            "num_inference_steps_preview": preview,
            "num_inference_steps_final": final,
            "guidance_scale": GUIDANCE,
            **overrides,
        }
        document = {"colors": COLORS, "angle": angle, "seed": SEED, "overrides": settings}
        return parse_request(json.dumps(document))

    def load_engine(
        self, acceleration: Acceleration, phases: dict[str, float] | None = None
    ) -> DiffusionEngine:
        """The project's own engine on the random weights; `phases` receives the seconds of each phase."""
        os.environ["PLITKA_MODEL_DIR"] = str(self.models)
        kept = {} if phases is None else phases
        preview_size, final_size = self.architecture.sizes
        return DiffusionEngine.load(
            "sdxl",
            on_phase=lambda name, seconds: kept.update({name: seconds}),
            device_info=self.device_info,
            acceleration=acceleration,
            preview_size=preview_size,
            final_size=final_size,
        )

    @property
    def records(self) -> bool:
        """Whether work on this device can be recorded."""
        return self.device_info.backend in GRAPH_BACKENDS

    def eager(self) -> Acceleration:
        """Nothing recorded, nothing compiled; the engine's own memory format on this device."""
        channels_last = self.device_info.backend in CHANNELS_LAST_BACKENDS
        return Acceleration(channels_last=channels_last, compile="off", graphs=False)

    def fastest(self) -> Acceleration:
        """Recorded where that is possible, not compiled."""
        return replace(self.eager(), graphs=self.records)

    def seconds(self, work: Callable[[], object]) -> float:
        """Seconds of some work, the device's part of it included."""
        self.synchronize()
        start = time.perf_counter()
        work()
        self.synchronize()
        return time.perf_counter() - start

    def synchronize(self) -> None:
        """Wait for the device."""
        if self.device_info.is_gpu:
            torch.cuda.synchronize()

    def reset_peak(self) -> None:
        """Begin to look for the most memory in use."""
        gc.collect()
        if self.device_info.is_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def peak(self) -> dict[str, float]:
        """Most memory since `reset_peak`, GB: what tensors took and what torch held; empty on a CPU."""
        if not self.device_info.is_gpu:
            return {}
        return {
            "peak_allocated_gb": torch.cuda.max_memory_allocated() / 1e9,
            "peak_reserved_gb": torch.cuda.max_memory_reserved() / 1e9,
        }


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part) for part in value]
    return value
