"""Setup and the first use of a ControlNet, against the time of reading the same files once."""

import importlib
import os
import time
from collections.abc import Iterable
from contextlib import closing
from functools import partial
from pathlib import Path

import torch

from card.bench import Bench
from card.predictions import predict
from card.weights import EMBEDDINGS_FILE, LORA_FILE
from plitka.weights.locate import find_files

BLOCK = 16 * 1024**2
SCHEDULER = "dpmpp_2m_karras"
OWN_VAE = "sdxl-base/vae"
LIBRARIES = (
    "plitka.diffusion.pipelines",
    "plitka.diffusion.adapters.lora",
    "plitka.diffusion.adapters.textual_inversion",
)


def run_setup(bench: Bench) -> None:
    """From local files to ready, after imports and the start of the device; files in memory and on disk."""
    for name in LIBRARIES:
        importlib.import_module(name)
    torch.zeros(1, device=bench.device)
    os.environ["PLITKA_MODEL_DIR"] = str(bench.models)
    # The base has a VAE of its own, which is not loaded.
    loaded = [file for file in find_files("sdxl").loaded_at_setup if file.parent != bench.models / OWN_VAE]
    files = [*loaded, bench.models / LORA_FILE, bench.models / EMBEDDINGS_FILE]
    for state in ("in the page cache", "not in the page cache"):
        _bring_to(state, files)
        reading = seconds_to_read(files)
        _bring_to(state, files)
        phases: dict[str, float] = {}
        start = time.perf_counter()
        with closing(bench.load_engine(bench.eager(), phases)):
            bench.synchronize()
            seconds = time.perf_counter() - start
        bench.emit(
            "setup",
            f"setup, files {state}",
            seconds=seconds,
            read_seconds=reading,
            times_read=seconds / reading,
            gigabytes=sum(file.stat().st_size for file in files) / 1e9,
            phases=phases,
        )


def run_first_controlnet(bench: Bench) -> None:
    """From a ControlNet's file to a pipeline that is ready for its first step."""
    for state in ("in the page cache", "not in the page cache"):
        with closing(bench.load_engine(bench.eager())) as engine:
            predict(bench, engine, bench.request())
            pipelines = engine.pipelines
            files = find_files("sdxl").controlnets["canny"].weight_files
            _bring_to(state, files)
            reading = seconds_to_read(files)
            _bring_to(state, files)
            seconds = bench.seconds(partial(pipelines.get, "canny", False, SCHEDULER))
            bench.emit(
                "controlnet",
                f"first use of a ControlNet, file {state}",
                seconds=seconds,
                read_seconds=reading,
                times_read=seconds / reading,
                gigabytes=sum(file.stat().st_size for file in files) / 1e9,
            )


def run_lora(bench: Bench) -> None:
    """The LoRA at setup, another scale of it, and the first one back, bit for bit."""
    seconds_to_read([bench.models / LORA_FILE])
    phases: dict[str, float] = {}
    with closing(bench.load_engine(bench.eager(), phases)) as engine:
        lora = engine.lora
        if lora is None or lora.scale is None:
            raise RuntimeError("the engine has no LoRA")
        scale, unet = lora.scale, engine.pipelines.base.unet
        merged = [weight.clone() for weight in unet.parameters()]
        bench.emit("lora", "LoRA: at setup", seconds=phases["lora"])
        bench.emit("lora", "LoRA: another scale", seconds=bench.seconds(partial(lora.apply, scale / 2)))
        changed = sum(not torch.equal(*pair) for pair in zip(merged, unet.parameters(), strict=True))
        back = bench.seconds(partial(lora.apply, scale))
        same = all(torch.equal(*pair) for pair in zip(merged, unet.parameters(), strict=True))
        bench.emit("lora", "LoRA: the scale before", seconds=back, tensors_changed=changed, same_weights=same)


def seconds_to_read(files: Iterable[Path]) -> float:
    """Seconds of a plain read of every byte."""
    buffer = bytearray(BLOCK)
    start = time.perf_counter()
    for file in files:
        with file.open("rb", buffering=0) as opened:
            while opened.readinto(buffer):
                pass
    return time.perf_counter() - start


def _bring_to(state: str, files: Iterable[Path]) -> None:
    """Have the files in the system's page cache, or out of it as far as the system heeds the wish."""
    if state == "in the page cache":
        seconds_to_read(files)
        return
    os.sync()
    for file in files:
        with file.open("rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
