"""What makes an engine's pictures: models with revisions or hashes, libraries, device. Pictures carry it."""

from collections.abc import Mapping
from importlib.metadata import version

from plitka.device.select import DeviceInfo
from plitka.diffusion.acceleration import Acceleration
from plitka.settings import cudnn_benchmark
from plitka.weights.adapter_list import ListedAdapter
from plitka.weights.find_adapters import Adapters
from plitka.weights.locate import EngineFiles

VERSIONED_LIBRARIES = ("torch", "diffusers", "transformers", "compel", "peft")


def identity_of(name: str, device_info: DeviceInfo, files: EngineFiles, adapters: Adapters) -> dict[str, str]:
    """What makes the pictures; the same text on every run."""
    parts = {"engine": name, "base": files.base.name, "vae": files.vae.name if files.vae else files.base.name}
    parts |= {"prior": files.prior.name} if files.prior else {}
    parts |= {f"controlnet.{key}": location.name for key, location in files.controlnets.items()}
    parts |= _files_of(adapters)
    parts |= {library: version(library) for library in VERSIONED_LIBRARIES}
    # Kernels that round differently make another picture.
    kernels = (
        {"kernels": "chosen by timing" if cudnn_benchmark() else "chosen by rule"}
        if device_info.is_gpu
        else {}
    )
    return {**parts, "device": device_info.name, "dtype": device_info.dtype, **kernels}


def identity_of_acceleration(acceleration: Acceleration) -> dict[str, str]:
    """What is asked for that makes the models round differently; empty by default."""
    compiled = {} if acceleration.compile == "off" else {"compiled": acceleration.compile}
    return compiled | ({"fused": ", ".join(acceleration.fused)} if acceleration.fused else {})


def identity_of_adapter(adapter: ListedAdapter, files: Adapters, scale: float) -> dict[str, str]:
    """What an adapter of the list changes in the identity of its engine."""
    words = {"adapter.trigger": adapter.trigger} if adapter.trigger else {}
    words |= {"adapter.tokens": " ".join(adapter.tokens)} if adapter.tokens else {}
    named = {"adapter": adapter.name, "adapter.sha256": adapter.sha256, "adapter.scale": f"{scale:g}"}
    return {**_files_of(files), **named, **words}


def identities_of(
    own: Mapping[str, str],
    listed: Mapping[str, ListedAdapter],
    archives: Mapping[str, Adapters],
    scales: Mapping[str, float],
) -> dict[str | None, dict[str, str]]:
    """By an adapter's name, the identity of the engine with it; by None, the engine's `own`."""
    identities: dict[str | None, dict[str, str]] = {None: dict(own)}
    for name, files in archives.items():
        identities[name] = {**own, **identity_of_adapter(listed[name], files, scales[name])}
    return identities


def _files_of(adapters: Adapters) -> dict[str, str]:
    """The names and hashes of LoRA and embeddings."""
    files = {"lora": adapters.lora, "embeddings": adapters.embeddings}
    return {
        part: f"{file.path.name} sha256:{file.sha256}" if file else "none" for part, file in files.items()
    }
