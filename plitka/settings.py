"""The environment variables that Plitka reads: name, meaning, what each may be. Empty is not set.

- `PLITKA_ENGINE`: the engine: `render` (default), `mini` or `sdxl`.
- `PLITKA_MODEL_DIR`: the model folder; default `model_files` beside the package.
- `PLITKA_BASE_MODEL`: another base model: a hub id (`owner/name` or `owner/name@revision`), a diffusers
  folder or one `.safetensors` file.
- `PLITKA_PRIOR_MODEL`: another prior, for a base model of Kandinsky 2.2: a hub id or a diffusers folder.
- `PLITKA_ALLOW_BASE`: `1` runs without a LoRA or embeddings that are missing; `0` (default) refuses to start.
- `PLITKA_ADAPTERS`: a file, JSON, that lists further LoRAs that a request may name: see
  model_files/README.md.
- `PLITKA_FEW_STEP`: the few-step model that `quality: "fast"` draws with, as `kind:steps`, such as
  `lightning:4`, or `kind:steps:guidance`, such as `hyper_sd:8:5`; in place of the manifest's. Kinds: `lcm`,
  `tcd`, `lightning`, `hyper_sd`, `turbo`. See model_files/README.md.
- `PLITKA_FEW_STEP_LORA`: that model's LoRA, a `.safetensors` file; not set, the base model itself is a
  few-step model.
- `PLITKA_VRAM_FRACTION`: 0.5 to 0.95, the part of the GPU's memory that this process may take; default all.
- `PLITKA_COMPILE`: what is compiled as part of setup: `off` (default); `blocks`, the transformer blocks,
  which are most of the work and compile in a fraction of the time; `unet`, the whole UNet.
- `PLITKA_GRAPHS`: whether the models' work on the GPU is recorded once for each size and replayed, so that no
  step waits for Python: `0` never, `1` always, and the engine does not load without an NVIDIA or AMD GPU;
  default where there is such a GPU.
- `PLITKA_FUSED`: what one GPU kernel does in place of several, separated by commas: `norm`, group
  normalisation with SiLU; `geglu`, GELU and product; both need an NVIDIA or AMD GPU with Triton; `qkv`,
  query, key and value of attention. Default nothing.
- `PLITKA_OFFLOAD`: where models wait between uses: `none` (default), on the GPU while its memory suffices;
  `model`, in the machine's memory, each brought to the GPU for its turn; `sequential`, each layer. Without a
  GPU only `none`.
- `PLITKA_VAE_TILING`: `1` has the VAE work in tiles of 512 pixels, which takes less memory and changes the
  pictures a little; `0` (default) as long as the memory suffices without.
- `PLITKA_CUDNN_BENCHMARK`: `1` lets cuDNN, and compiled code, choose GPU kernels by timing them, so that
  another process may choose others, which round differently; `0` (default) chooses by rule alone.
- `PLITKA_CPU_BF16`: `1` runs the models on a CPU in bfloat16, which the processor must compute by itself; `0`
  (default) in full precision.
- `PLITKA_PALETTE`: a palette file, JSON, in place of the built-in palette: see docs/palette.md.
- `REPLICATE_API_TOKEN`: the token of `plitka catalogue --runner replicate`.
- `PLITKA_RUNNER_TOKEN`: the token that `plitka catalogue --runner cog` sends, where the server wants one.
- `TMPDIR`: the folder for temporary files; default the system's.
- `OPENBLAS_NUM_THREADS`, `OMP_NUM_THREADS`: threads of the numeric libraries; default one for each core.
- `PYTORCH_ALLOC_CONF`, `PYTORCH_CUDA_ALLOC_CONF`, `PYTORCH_HIP_ALLOC_CONF`: PyTorch's allocator; default
  expandable segments, without `PLITKA_VRAM_FRACTION`.
- `PORT`, `PLITKA_QUEUE`, `PLITKA_QUEUE_SECONDS`, `PLITKA_METRICS_PORT`, `PLITKA_METRICS_HOST`: of
  `plitka serve`, read and checked as its options `--port`, `--queue`, `--queue-seconds`, `--metrics-port` and
  `--metrics-host`.

Each variable has a function that reads and checks it at the call. There is no object that is read once: the
variables belong to different moments (the engine before any library is imported, the model folder for
`plitka models` too), `render` must start where a setting of the GPU is wrong, and reading costs nothing.
Elsewhere the environment is only written, or passed on to a process. Not here are
those that options read, and what libraries read for themselves.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from plitka.choices import ENGINE_NAMES, CompileMode, EngineName, FusedWork, Offload
from plitka.errors import DeviceError, EngineError, shown

DEFAULT_ENGINE: EngineName = "render"
ENGINE_VARIABLE = "PLITKA_ENGINE"
MODEL_DIR_VARIABLE = "PLITKA_MODEL_DIR"
BASE_MODEL_VARIABLE = "PLITKA_BASE_MODEL"
PRIOR_MODEL_VARIABLE = "PLITKA_PRIOR_MODEL"
ALLOW_BASE_VARIABLE = "PLITKA_ALLOW_BASE"
ADAPTERS_VARIABLE = "PLITKA_ADAPTERS"
FEW_STEP_VARIABLE = "PLITKA_FEW_STEP"
FEW_STEP_LORA_VARIABLE = "PLITKA_FEW_STEP_LORA"
VRAM_FRACTION_VARIABLE = "PLITKA_VRAM_FRACTION"
COMPILE_VARIABLE = "PLITKA_COMPILE"
GRAPHS_VARIABLE = "PLITKA_GRAPHS"
FUSED_VARIABLE = "PLITKA_FUSED"
OFFLOAD_VARIABLE = "PLITKA_OFFLOAD"
VAE_TILING_VARIABLE = "PLITKA_VAE_TILING"
CUDNN_BENCHMARK_VARIABLE = "PLITKA_CUDNN_BENCHMARK"
CPU_BF16_VARIABLE = "PLITKA_CPU_BF16"
PALETTE_VARIABLE = "PLITKA_PALETTE"
REPLICATE_TOKEN_VARIABLE = "REPLICATE_API_TOKEN"
RUNNER_TOKEN_VARIABLE = "PLITKA_RUNNER_TOKEN"
TEMPORARY_VARIABLE = "TMPDIR"
THREADS_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
ALLOCATOR_VARIABLE = "PYTORCH_ALLOC_CONF"
# PyTorch reads the older names first.
OLD_ALLOCATOR_VARIABLES = ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_HIP_ALLOC_CONF")

# Of the names of files below a folder that is named here.
ROOM_FOR_NAMES = 100
SHIPPED_MODEL_DIR = Path(__file__).resolve().parents[1] / "model_files"
VRAM_FRACTIONS = (0.5, 0.95)
COMPILE_MODES: tuple[CompileMode, ...] = get_args(CompileMode)
FUSED_WORKS: tuple[FusedWork, ...] = get_args(FusedWork)
OFFLOADS: tuple[Offload, ...] = get_args(Offload)
SWITCH = {"": False, "0": False, "1": True}


def engine_name() -> EngineName:
    """The engine of `PLITKA_ENGINE`. Raises EngineError naming what is allowed."""
    return check_engine_name(_text(ENGINE_VARIABLE) or DEFAULT_ENGINE, ENGINE_VARIABLE)


def check_engine_name(name: str, source: str = "engine") -> EngineName:
    """`name` in lower case. Raises EngineError, naming `source` and what is allowed, unless it is one."""
    for known in ENGINE_NAMES:
        if name.strip().lower() == known:
            return known
    raise EngineError(f"{source}: there is no engine {shown(name)}; allowed: {', '.join(ENGINE_NAMES)}")


def model_dir() -> Path:
    """The model folder in use, whether it is there or not. Raises EngineError for what can be no path."""
    return Path(_path(MODEL_DIR_VARIABLE) or SHIPPED_MODEL_DIR)


def base_model() -> str | None:
    """The base model in place of the manifest's, whether it is there or not; None for the manifest's.

    Raises EngineError for what can be neither a path nor a name.
    """
    return _path(BASE_MODEL_VARIABLE) or None


def prior_model() -> str | None:
    """The prior in place of the manifest's, whether it is there or not; None for the manifest's.

    Raises EngineError for what can be neither a path nor a name.
    """
    return _path(PRIOR_MODEL_VARIABLE) or None


def allows_base() -> bool:
    """Whether an engine may be loaded without a LoRA or embeddings that are missing. Raises EngineError."""
    text = _text(ALLOW_BASE_VARIABLE)
    if text not in SWITCH:
        raise EngineError(f"{ALLOW_BASE_VARIABLE}: {text!r} is not one of 0, 1")
    return SWITCH[text]


def adapters_path() -> Path | None:
    """The operator's list of adapters, whether it is there or not; None without one."""
    text = _text(ADAPTERS_VARIABLE)
    return Path(text) if text else None


def few_step() -> str | None:
    """The few-step model in place of the manifest's, as it is written; None for the manifest's."""
    return _text(FEW_STEP_VARIABLE).strip() or None


def few_step_lora_path() -> Path | None:
    """The LoRA of that model, whether it is there or not; None without one."""
    text = _text(FEW_STEP_LORA_VARIABLE)
    return Path(text) if text else None


def vram_fraction() -> float | None:
    """The part of the GPU's memory that may be used; None for no limit. Raises DeviceError."""
    text = _text(VRAM_FRACTION_VARIABLE)
    if not text:
        return None
    lowest, highest = VRAM_FRACTIONS
    try:
        fraction = float(text)
    except ValueError:
        fraction = float("nan")
    if not lowest <= fraction <= highest:
        raise DeviceError(f"{VRAM_FRACTION_VARIABLE}: {text!r} is not a number from {lowest} to {highest}")
    return fraction


def compile_mode() -> CompileMode:
    """What is compiled. Raises DeviceError."""
    text = _text(COMPILE_VARIABLE) or "off"
    for mode in COMPILE_MODES:
        if text == mode:
            return mode
    raise DeviceError(f"{COMPILE_VARIABLE}: {text!r} is not one of {', '.join(COMPILE_MODES)}")


def records_graphs() -> bool | None:
    """Whether GPU work is recorded and replayed; None leaves it to the device. Raises DeviceError."""
    text = _text(GRAPHS_VARIABLE)
    if text not in SWITCH:
        raise DeviceError(f"{GRAPHS_VARIABLE}: {text!r} is not one of 0, 1")
    return SWITCH[text] if text else None


def fused_works() -> tuple[FusedWork, ...]:
    """What is done by one kernel in place of several, each once, in the order of FUSED_WORKS.

    Raises DeviceError.
    """
    text = _text(FUSED_VARIABLE)
    asked = [part.strip() for part in text.split(",")] if text else []
    if unknown := [part for part in asked if part not in FUSED_WORKS]:
        allowed = ", ".join(FUSED_WORKS)
        raise DeviceError(f"{FUSED_VARIABLE}: {unknown[0]!r} in {text!r} is not one of {allowed}")
    return tuple(work for work in FUSED_WORKS if work in asked)


def offload() -> Offload:
    """Where models wait between uses. Raises DeviceError."""
    text = _text(OFFLOAD_VARIABLE) or "none"
    for how in OFFLOADS:
        if text == how:
            return how
    raise DeviceError(f"{OFFLOAD_VARIABLE}: {text!r} is not one of {', '.join(OFFLOADS)}")


def vae_tiling() -> bool:
    """Whether the VAE works in tiles from the start. Raises DeviceError."""
    text = _text(VAE_TILING_VARIABLE)
    if text not in SWITCH:
        raise DeviceError(f"{VAE_TILING_VARIABLE}: {text!r} is not one of 0, 1")
    return SWITCH[text]


def cudnn_benchmark() -> bool:
    """Whether GPU kernels are chosen by timing them. Raises DeviceError."""
    text = _text(CUDNN_BENCHMARK_VARIABLE)
    if text not in SWITCH:
        raise DeviceError(f"{CUDNN_BENCHMARK_VARIABLE}: {text!r} is not one of 0, 1")
    return SWITCH[text]


def cpu_bfloat16() -> bool:
    """Whether models on a CPU run in bfloat16. Raises DeviceError."""
    text = _text(CPU_BF16_VARIABLE)
    if text not in SWITCH:
        raise DeviceError(f"{CPU_BF16_VARIABLE}: {text!r} is not one of 0, 1")
    return SWITCH[text]


def palette_path() -> Path | None:
    """The operator's palette file, whether it is there or not; None for the built-in palette."""
    text = _text(PALETTE_VARIABLE)
    return Path(text) if text else None


def replicate_token() -> str | None:
    """The token for the API of Replicate; None without one."""
    return _text(REPLICATE_TOKEN_VARIABLE).strip() or None


def runner_token() -> str | None:
    """The token for the Cog server that draws a catalogue; None without one."""
    return _text(RUNNER_TOKEN_VARIABLE).strip() or None


def temporary_dir() -> Path | None:
    """The folder for temporary files, whether it can be used or not; None for the system's."""
    text = _text(TEMPORARY_VARIABLE)
    return Path(text) if text else None


def library_threads() -> int | None:
    """How many threads the numeric libraries are to start, at least 1; None for their own choice."""
    text = next(_given(THREADS_VARIABLES), ("", ""))[1]
    # What is no number, and one longer than any machine has threads, is left to the libraries.
    return int(text) if re.fullmatch("[0-9]{1,6}", text) and int(text) else None


def allocator_settings() -> tuple[str, str]:
    """The variable that PyTorch's allocator reads, and its value, empty if there is none."""
    return next(_given(OLD_ALLOCATOR_VARIABLES), (ALLOCATOR_VARIABLE, _text(ALLOCATOR_VARIABLE)))


def _text(name: str) -> str:
    return os.environ.get(name, "")


def _path(name: str) -> str:
    """A path that the system can look up, and files below it too. Raises EngineError naming the variable."""
    text = _text(name)
    try:
        os.stat(f"{text}/{'x' * ROOM_FOR_NAMES}")  # noqa: PTH116  # where it is a hub id, it is no path
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise EngineError(f"{name}: {shown(text)} cannot be looked up: {error.strerror}") from error
    return text


def _given(names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Those of the variables that are set, with their values."""
    return ((name, _text(name)) for name in names if _text(name))
