"""Where models wait between uses when the GPU's memory is short, and whether the VAE works in tiles.

`PLITKA_OFFLOAD` and `PLITKA_VAE_TILING` say where an engine begins; `plitka.diffusion.memory_fallback` goes
further when the memory runs out.
"""

from dataclasses import dataclass
from typing import Any

from accelerate import cpu_offload

from plitka.choices import Offload
from plitka.device.select import DeviceInfo
from plitka.diffusion.families.family import Family
from plitka.errors import DeviceError
from plitka.settings import (
    COMPILE_VARIABLE,
    GRAPHS_VARIABLE,
    OFFLOAD_VARIABLE,
    VAE_TILING_VARIABLE,
    compile_mode,
    offload,
    records_graphs,
    vae_tiling,
)

# Pixels on a side of one VAE tile.
VAE_TILE = 512
# Classes that use their layers' weights without calling the layers: union ControlNets have one.
WHOLE = ["MultiheadAttention"]
# What waits in the machine's memory, as metrics and errors say it.
WAITING = {"none": "", "model": "models", "sequential": "layers"}


@dataclass(frozen=True)
class LowMemory:
    """What is done to take less of the GPU's memory.

    Attributes:
        offload: "none" keeps the models on the GPU; "model" brings each there for its turn; "sequential" each
            layer.
        vae_tiles: Whether the VAE works in tiles.
    """

    offload: Offload = "none"
    vae_tiles: bool = False

    def __str__(self) -> str:
        """In words: "none", "models", "models and VAE tiles" and so on."""
        parts = [WAITING[self.offload], "VAE tiles" if self.vae_tiles else ""]
        return " and ".join(filter(None, parts)) or "none"

    @property
    def lower(self) -> "LowMemory | None":
        """The next step when the memory runs out, None if there is none.

        Layers one by one are not among them: a request would take many times as long, unasked.
        """
        if self.offload == "none":
            return LowMemory("model", self.vae_tiles)
        return None if self.vae_tiles else LowMemory(self.offload, vae_tiles=True)


ALL_OF_IT = LowMemory()


def low_memory_for(device_info: DeviceInfo) -> LowMemory:
    """What the environment asks for on a device.

    Raises DeviceError, naming the variables, for a value that is not allowed, without a GPU, and together
    with what needs the models to stay on it.
    """
    asked = LowMemory(offload(), vae_tiling())
    if asked.offload == "none":
        return asked
    value = f"{OFFLOAD_VARIABLE}: {asked.offload}"
    if not device_info.is_gpu:
        raise DeviceError(f"{value} needs a GPU whose memory is to be spared; here is {device_info.name}")
    if records_graphs():
        raise DeviceError(
            f"{value} and {GRAPHS_VARIABLE}=1 exclude each other: recorded work needs weights that stay"
        )
    if asked.offload == "sequential" and compile_mode() != "off":
        raise DeviceError(
            f"{value} and {COMPILE_VARIABLE}={compile_mode()} exclude each other: compiled blocks need all "
            "of their layers at once"
        )
    return asked


def check_tiles(asked: LowMemory, family: Family) -> None:
    """Raise DeviceError for tiles that a family's VAE cannot work in."""
    if asked.vae_tiles and not family.vae_tiles:
        problem = f"the VAE of {family.title} draws every picture whole"
        raise DeviceError(f"{VAE_TILING_VARIABLE}: 1 cannot be had: {problem}")


def begin_offload(pipeline: Any, how: Offload, device: str) -> None:
    """Set the hooks that bring models or layers to the device; for a pipeline whose models wait elsewhere."""
    if how == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif how == "sequential":
        # As the pipeline's own `enable_sequential_cpu_offload`, which takes no device but a GPU.
        for name, model in pipeline.components.items():
            if not hasattr(model, "parameters"):
                continue
            if name in pipeline._exclude_from_cpu_offload:
                model.to(device)
            else:
                cpu_offload(model, device, preload_module_classes=WHOLE)


def put_in_tiles(vae: Any, scale_factor: int) -> None:
    """Let the VAE work in tiles; the configuration's own tile size would leave 1024 pixels whole."""
    vae.enable_slicing()
    vae.enable_tiling()
    vae.tile_sample_min_size = VAE_TILE
    vae.tile_latent_min_size = VAE_TILE // scale_factor
