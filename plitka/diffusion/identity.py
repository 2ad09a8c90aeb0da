"""What makes an engine's pictures: models with revisions or hashes, libraries, device. Pictures carry it."""

from importlib.metadata import version

from plitka.device.select import DeviceInfo
from plitka.settings import cudnn_benchmark
from plitka.weights.locate import Adapters, EngineFiles

VERSIONED_LIBRARIES = ("torch", "diffusers", "transformers", "peft")


def identity_of(name: str, device_info: DeviceInfo, files: EngineFiles, adapters: Adapters) -> dict[str, str]:
    """What makes the pictures; the same text on every run."""
    parts = {"engine": name, "base": files.base.name, "vae": files.vae.name if files.vae else files.base.name}
    parts |= {f"controlnet.{key}": location.name for key, location in files.controlnets.items()}
    for part, file in (("lora", adapters.lora), ("embeddings", adapters.embeddings)):
        parts[part] = f"{file.path.name} sha256:{file.sha256}" if file else "none"
    parts |= {library: version(library) for library in VERSIONED_LIBRARIES}
    # Kernels that round differently make another picture.
    kernels = (
        {"kernels": "chosen by timing" if cudnn_benchmark() else "chosen by rule"}
        if device_info.is_gpu
        else {}
    )
    return {**parts, "device": device_info.name, "dtype": device_info.dtype, **kernels}
