"""Production on one graphics card: seconds, memory and pictures beside the predecessor's, on random weights.

    python benchmarks/gpu.py --out FOLDER [--sections baseline,ours,...] [--small] [--again]
    python benchmarks/gpu.py --report docs [--out FOLDER]

Builds SDXL 1.0's exact architecture with random weights (12 GB in FOLDER, once), then runs each part of each
section in a process of its own. Every figure is one line of JSON, printed at once and kept in
FOLDER/figures.jsonl. A part that fails or outlasts `--minutes` costs its own figures only. One that is done
is skipped the next time, so that a broken-off run is taken up where it ended; on a fresh machine too, if
`figures.jsonl`, the `.done` files and `pictures` of FOLDER are brought along. `--small` does the same with a
model of a few hundred kilobytes, on a CPU too, where only ratios mean anything. `--report` writes the tables
of `performance.md` in both languages, and their chart, from the figures of real cards in
`card/figures-*.jsonl` and those of FOLDER. Figures that are to stay go into such a file.

Runs from a copy of the repository too, with its root on PYTHONPATH. Needs torch with CUDA, a C compiler for
what is compiled, and these packages with what they need themselves: accelerate, coloraide, compel,
diffusers, numpy, opencv-python-headless, pillow, psutil, pydantic, safetensors, tokenizers, tqdm,
transformers.
No network is used. Settings of Plitka in the environment (PLITKA_...) do not count here.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from card.ways import COMPILED, COPIED, PARTS, WAYS, parts_of
from card.ways import SECTIONS as PROCESSES

# The libraries are imported by the processes that need them.
if TYPE_CHECKING:
    from card.bench import Bench

# Each section's parts, which run in processes of their own: memory limits and peaks are a process's.
SECTIONS = {
    "baseline": ("baseline",),
    "ours": ("ours",),
    "compiled": ("compiled",),
    "compiled-unet": ("compiled-unet",),
    "tuned-unet": ("tuned-unet", "tuned-unet-again"),
    "controlnet": ("controlnet", "first-controlnet"),
    "upsets": ("upset-scale", "upset-recording"),
    "recorded": ("recorded-controlnet", "recorded-encode", "recorded-decode"),
    "layout": ("layout",),
    **{section: parts_of(section) for section in PROCESSES},
    "fused": ("fused-kernels", "fused"),
    "guidance-interval": ("guidance-interval",),
    "fast": ("fast",),
    "setup": ("setup",),
    "lora": ("lora",),
    "vram": ("vram", "vram-16", "vram-12"),
    "offload": ("offload",),
    "preview": ("preview",),
    "catalogue": ("catalogue",),
    "measures": ("measures",),
    "monitor": ("monitor",),
    "profile": ("profile",),
}
MODELS = "models"
# torch's memory limit and its expandable segments exclude each other.
LIMITED = ("vram-16", "vram-12")
# Where parts keep what they have compiled, and those that time the compiling and so begin with nothing.
COMPILER_CACHE_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
COMPILER_CACHES = {
    "compiled": "blocks",
    "compiled-unet": "unet",
    "profile": "blocks",
    "tuned-unet": "tuned",
    "tuned-unet-again": "tuned",
    **COMPILED,
}
COMPILED_ANEW = ("compiled", "compiled-unet", "tuned-unet", *COMPILED)
PREFIX = "PLITKA_"
BY_TIMING_VARIABLE = "PLITKA_CUDNN_BENCHMARK"


def work_of(part: str) -> "Callable[[Bench], None]":
    """What a part measures."""
    from card.works import WORKS

    return prepare if part == MODELS else WORKS[part]


def prepare(bench: "Bench") -> None:
    """Write the weights where they are not there yet; note the versions and the device's matrix rate."""
    from card.step import measure_matrix_rate
    from card.weights import write_models

    bench.models.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    if write_models(bench.models, bench.architecture, bench.device):
        bench.emit("models", "weights written", seconds=time.perf_counter() - start)
    bench.emit_versions()
    measure_matrix_rate(bench)


def run_part(part: str, out: Path, small: bool, repeats: int) -> None:
    """Run one part in this process."""
    set_environment(part, out)
    from card.architecture import SDXL, SMALL
    from card.bench import Bench

    from plitka.device.select import select_best_device

    bench = Bench(out, select_best_device(), SMALL if small else SDXL, repeats)
    work_of(part)(bench)


def set_environment(part: str, out: Path) -> None:
    """Take what the environment asks of Plitka out of it, and set what a part needs. Before torch is used."""
    from plitka.device.select import EXPANDABLE_SEGMENTS
    from plitka.settings import ALLOCATOR_VARIABLE, OLD_ALLOCATOR_VARIABLES

    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    for name in (ALLOCATOR_VARIABLE, *OLD_ALLOCATOR_VARIABLES):
        os.environ.pop(name, None)
    if part in PARTS and WAYS[PARTS[part][0]].by_timing:
        os.environ[BY_TIMING_VARIABLE] = "1"
    if part in LIMITED:
        os.environ[ALLOCATOR_VARIABLE] = f"{EXPANDABLE_SEGMENTS}:False"
    if part in COMPILER_CACHES:
        cache = out.resolve() / "compiler-cache" / COMPILER_CACHES[part]
        if part in COMPILED_ANEW:
            shutil.rmtree(cache, ignore_errors=True)
        if part in COPIED:
            shutil.copytree(cache.with_name(COPIED[part]), cache)
        os.environ[COMPILER_CACHE_VARIABLE] = str(cache)


def run_sections(sections: list[str], arguments: argparse.Namespace) -> bool:
    """Run the parts of these sections one after the other; False if one failed."""
    parts = [MODELS, *(part for section in sections for part in SECTIONS[section])]
    failed = []
    for part in parts:
        done = arguments.out / f"{part}{'-small' if arguments.small else ''}.done"
        if part != MODELS and done.is_file() and not arguments.again:
            print(f"# {part}: done already", flush=True)
            continue
        done.unlink(missing_ok=True)
        start = time.perf_counter()
        outcome = run_process(part, arguments)
        print(f"# {part}: {time.perf_counter() - start:.0f} s, {outcome or 'done'}", flush=True)
        if not outcome:
            done.touch()
            continue
        failed.append(part)
        if part == MODELS:
            break
    print(f"# failed: {', '.join(failed) or 'nothing'}", flush=True)
    return not failed


def run_process(part: str, arguments: argparse.Namespace) -> str:
    """Run one part in a process of its own; what went wrong, empty if nothing did."""
    command = [sys.executable, __file__, "--out", str(arguments.out), "--part", part]
    command += ["--repeats", str(arguments.repeats), *(["--small"] if arguments.small else [])]
    try:
        status = subprocess.run(command, check=False, timeout=60 * arguments.minutes).returncode
    except subprocess.TimeoutExpired:
        return f"ended after {arguments.minutes:g} minutes"
    return f"exit status {status}" if status else ""


def report(out: Path | None, folder: Path) -> None:
    """Write the tables of the figures that are kept, and of those of a run if there is one."""
    from card.figures import kept_figures, read_figures
    from card.report import write_report

    write_report([*kept_figures(), *(read_figures(out) if out else [])], folder)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, help="folder for weights, pictures and figures")
    parser.add_argument("--sections", default=",".join(SECTIONS), help=f"some of {','.join(SECTIONS)}")
    parser.add_argument("--small", action="store_true", help="a tiny model, to try everything out")
    parser.add_argument("--repeats", type=int, default=3, help="predictions of which the median counts")
    parser.add_argument("--minutes", type=float, default=8, help="the longest that one part may take")
    parser.add_argument("--again", action="store_true", help="measure sections that are done, too")
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="write tables and chart only")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sections = [section for section in arguments.sections.split(",") if section]
    if unknown := [section for section in sections if section not in SECTIONS]:
        parser.error(f"--sections: there is no {', '.join(unknown)}; allowed: {', '.join(SECTIONS)}")
    if arguments.report:
        report(arguments.out, arguments.report)
        return
    if arguments.out is None:
        parser.error("--out: name a folder")
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.part:
        run_part(arguments.part, arguments.out, arguments.small, arguments.repeats)
    elif not run_sections(sections, arguments):
        sys.exit(1)


if __name__ == "__main__":
    main()
