"""The diffusers pipelines: a base model, and variants of it on demand that share every one of its weights.

Text to image and image to image, without a ControlNet, with a plain one or with a union one, are made by
`from_pipe` on first use. When the GPU's memory is short, the models wait in the machine's memory between
uses, and as a last resort the VAE works in tiles.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    StableDiffusionXLControlNetImg2ImgPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLControlNetUnionImg2ImgPipeline,
    StableDiffusionXLControlNetUnionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
)
from diffusers.utils import logging as diffusers_logging
from numpy.typing import NDArray
from transformers.utils import logging as transformers_logging

from plitka.acceleration import UNACCELERATED, Acceleration, compile_model, put_channels_last
from plitka.control import ControlKind
from plitka.controlnets import CLASSES, ControlNetCache, LoadedControlNet, check_fit, usable_bytes
from plitka.device import DeviceInfo, manage_gpu_memory
from plitka.engine import DrawingError
from plitka.gpu_errors import is_out_of_memory
from plitka.graphs import forget_recordings, record_forward
from plitka.loaded_weights import check_complete, check_finite
from plitka.manifest import ControlNetSource
from plitka.models import EngineFiles, Location
from plitka.read_ahead import read_ahead
from plitka.schedulers import make_scheduler
from plitka.weight_files import ModelFileError, in_one_line

# By ControlNet class and by whether the picture starts from an image.
VARIANTS: dict[tuple[str | None, bool], Any] = {
    (None, False): StableDiffusionXLPipeline,
    (None, True): StableDiffusionXLImg2ImgPipeline,
    ("ControlNetModel", False): StableDiffusionXLControlNetPipeline,
    ("ControlNetModel", True): StableDiffusionXLControlNetImg2ImgPipeline,
    ("ControlNetUnionModel", False): StableDiffusionXLControlNetUnionPipeline,
    ("ControlNetUnionModel", True): StableDiffusionXLControlNetUnionImg2ImgPipeline,
}
OFFLOAD_LEVELS = ("none", "models", "models and VAE tiles")
# What a 1024-pixel picture in half precision takes beside the weights: 14 GB with a ControlNet, less 9.5 GB.
WORKING_BYTES = 4_500_000_000
# Pixels on a side of one VAE tile.
VAE_TILE = 512
HOW_TO_GET_WEIGHTS = "See model_files/README.md."

log = logging.getLogger(__name__)


class NonFiniteImageError(DrawingError):
    """The model's numbers overflowed; the picture would be black or noise."""


class Pipelines:
    """The base model on its device, and its variants."""

    def __init__(
        self, files: EngineFiles, device_info: DeviceInfo, acceleration: Acceleration = UNACCELERATED
    ) -> None:
        """Load the base model and put it on the device. Raises ModelFileError if it does not load."""
        _quiet_libraries()
        self._files = files
        self.device_info = device_info
        self.acceleration = acceleration
        self.dtype = getattr(torch, device_info.dtype)
        self.base = read_base(files, self.dtype)
        self.offload = 0
        self._scheduler_config = self.base.scheduler.config
        self.controlnets = ControlNetCache(files, device_info, self._load_controlnet, self._forget)
        self._variants: dict[tuple[str | None, bool], Any] = {(None, False): self.base}
        if device_info.is_gpu and usable_bytes(device_info) < self._base_bytes() + WORKING_BYTES:
            self._set_offload(1)
        else:
            self.base.to(device_info.device)
        # Here and not before, because a GPU looks through the weights in no time.
        _check_parts(check_finite, self.base, files)
        if acceleration.channels_last:
            put_channels_last(self.base.unet)
            put_channels_last(self.base.vae)

    @property
    def offload_level(self) -> str:
        """Where the models wait between uses: one of OFFLOAD_LEVELS."""
        return OFFLOAD_LEVELS[self.offload]

    def get(
        self, kind: ControlKind | None, from_image: bool, scheduler: str
    ) -> tuple[Any, LoadedControlNet | None]:
        """The pipeline for a kind of edge or none, with a fresh sampler, ready to be called; its ControlNet.

        Raises ModelFileError if the ControlNet does not load.
        """
        controlnet = None if kind is None else self._controlnet(kind)
        key = (controlnet.key if controlnet else None, from_image)
        if key not in self._variants:
            parts = {"controlnet": controlnet.model} if controlnet else {}
            variant = VARIANTS[controlnet.type if controlnet else None, from_image]
            # Without the dtype `from_pipe` would cast the shared weights to float32.
            self._variants[key] = variant.from_pipe(
                self.base, dtype=self.dtype, add_watermarker=False, **parts
            )
        pipeline = self._variants[key]
        pipeline.scheduler = make_scheduler(scheduler, self._scheduler_config)
        self.make_ready(pipeline)
        return pipeline, controlnet

    def accelerate(self) -> None:
        """Have the UNet compiled and recorded as it first runs; for models that carry their adapters."""
        compile_model(self.base.unet, self.acceleration.compile)
        if self.acceleration.graphs and self.offload == 0:
            record_forward(self.base.unet)

    def make_ready(self, pipeline: Any) -> None:
        """Under offload, hang the hooks anew for this pipeline: they are on the shared models, not on it."""
        if self.offload > 0:
            self._to_cpu()
            pipeline.enable_model_cpu_offload(device=self.device_info.device)

    def lower(self) -> bool:
        """Free what can be freed and go one offload level further; False if there is none left."""
        if self.offload + 1 == len(OFFLOAD_LEVELS):
            manage_gpu_memory(self.device_info, "clear")
            return False
        self.controlnets.evict_all()
        self._set_offload(self.offload + 1)
        return True

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> NDArray[np.uint8]:
        """Latents (1, 4, h, w) to one picture, (height, width, 3) uint8. Raises NonFiniteImageError."""
        vae = self.base.vae
        if not torch.isfinite(latents).all():
            raise NonFiniteImageError("the denoised latents are not all finite numbers")
        pixels = vae.decode(_denormalized(latents, vae.config).to(vae.dtype), return_dict=False)[0]
        if not torch.isfinite(pixels).all():
            raise NonFiniteImageError("the decoded picture is not all finite numbers: the VAE overflowed")
        # Rounded on the device, which has to send a quarter of the bytes then.
        image = (self.base.image_processor.denormalize(pixels)[0].float() * 255).round().to(torch.uint8)
        return image.permute(1, 2, 0).contiguous().cpu().numpy()

    def close(self) -> None:
        """Release every model."""
        self.controlnets.evict_all()
        self._variants.clear()
        del self.base
        manage_gpu_memory(self.device_info, "clear")

    def _controlnet(self, kind: ControlKind) -> LoadedControlNet:
        controlnet = self.controlnets.get(kind, WORKING_BYTES)
        if self.offload == 0 and self.device_info.is_gpu and usable_bytes(self.device_info) < WORKING_BYTES:
            log.warning("too little GPU memory is left beside the ControlNet")
            self._set_offload(1)
        return controlnet

    def _load_controlnet(self, source: ControlNetSource, location: Location) -> Any:
        read_ahead(location.weight_files)
        model = _from_pretrained(CLASSES[source.type], location, self.dtype)
        check_fit(model, self.base.unet, self.base.vae_scale_factor, location.name)
        check_complete(model, location, HOW_TO_GET_WEIGHTS)
        if self.offload == 0:
            model.to(self.device_info.device)
        check_finite(model, location, HOW_TO_GET_WEIGHTS)
        if self.acceleration.channels_last:
            put_channels_last(model)
        compile_model(model, self.acceleration.compile)
        return model

    def _forget(self, key: str) -> None:
        for variant in [variant for variant in self._variants if variant[0] == key]:
            del self._variants[variant]

    def _set_offload(self, level: int) -> None:
        self.offload = level
        log.warning("offload: %s", self.offload_level)
        # Recordings know where the weights were.
        forget_recordings(self.base.unet)
        if level == 2:
            _tile(self.base.vae, self.base.vae_scale_factor)
        self._to_cpu()
        manage_gpu_memory(self.device_info, "clear")

    def _to_cpu(self) -> None:
        """Take every model off the device, whatever a broken-off run has left there."""
        for variant in self._variants.values():
            variant.remove_all_hooks()
        self.base.to("cpu", silence_dtype_warnings=True)
        for controlnet in self.controlnets.loaded:
            controlnet.model.to("cpu")

    def _base_bytes(self) -> int:
        models = (part for part in self.base.components.values() if isinstance(part, torch.nn.Module))
        return sum(weight.nbytes for model in models for weight in model.parameters())


def read_base(files: EngineFiles, dtype: torch.dtype) -> Any:
    """The base pipeline with the manifest's VAE in place of its own, complete, on the CPU.

    Raises ModelFileError if it does not load, or for half precision with a VAE that overflows in it. Whether
    every weight is a number is not looked at here.
    """
    options: dict[str, Any] = {"dtype": dtype, "add_watermarker": False}
    if files.vae is not None:
        options["vae"] = _from_pretrained(AutoencoderKL, files.vae, dtype)
    if files.base_config is not None:
        base = _from_single_file(files, files.base_config, options)
    else:
        base = _from_pretrained(StableDiffusionXLPipeline, files.base, **options)
    _check_parts(check_complete, base, files)
    if dtype == torch.float16 and base.vae.config.force_upcast:
        name = files.vae.name if files.vae else files.base.name
        problem = "its VAE overflows in half precision (force_upcast is set) and would give black pictures"
        raise ModelFileError(name, problem, "Name a half-precision safe VAE in the manifest.")
    return base


def _check_parts(check: Callable[..., None], base: Any, files: EngineFiles) -> None:
    """Put every model of the base pipeline to one of the checks of `plitka.loaded_weights`."""
    if files.vae is not None:
        check(base.vae, files.vae, HOW_TO_GET_WEIGHTS)
    for part in ["unet", "text_encoder", "text_encoder_2", *(["vae"] if files.vae is None else [])]:
        check(getattr(base, part), files.base, HOW_TO_GET_WEIGHTS, part)


def _from_pretrained(model_class: Any, location: Location, dtype: torch.dtype, **options: Any) -> Any:
    """Load from a folder or the hub; safetensors only, since a pickle runs code."""
    with _errors_of(location.name):
        return model_class.from_pretrained(
            location.path,
            revision=location.revision,
            variant=location.variant,
            local_files_only=location.is_local,
            use_safetensors=True,
            dtype=dtype,
            **options,
        )


def _from_single_file(files: EngineFiles, config: Location, options: dict[str, Any]) -> Any:
    """Load one `.safetensors` file; what it does not say, the base model's configuration files do."""
    with _errors_of(files.base.path):
        return StableDiffusionXLPipeline.from_single_file(
            files.base.path,
            config=config.path,
            revision=config.revision,
            local_files_only=config.is_local,
            **options,
        )


@contextmanager
def _errors_of(name: str | Path) -> Iterator[None]:
    """Whatever the libraries raise at a model's files, with its name; a lack of memory is none of theirs."""
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise ModelFileError(name, f"it does not load: {in_one_line(error)}", HOW_TO_GET_WEIGHTS) from error


def _denormalized(latents: torch.Tensor, config: Any) -> torch.Tensor:
    """Undo the scaling that the VAE's configuration puts on latents."""
    if config.latents_mean is None or config.latents_std is None:
        return latents / config.scaling_factor
    mean, std = (
        torch.tensor(values, device=latents.device, dtype=latents.dtype).view(1, -1, 1, 1)
        for values in (config.latents_mean, config.latents_std)
    )
    return latents * std / config.scaling_factor + mean


def _tile(vae: Any, scale_factor: int) -> None:
    """Let the VAE work in tiles; the configuration's own tile size would leave 1024 pixels whole."""
    vae.enable_slicing()
    vae.enable_tiling()
    vae.tile_sample_min_size = VAE_TILE
    vae.tile_latent_min_size = VAE_TILE // scale_factor


def _quiet_libraries() -> None:
    """Loading bars and remarks off: what they warn of is checked here, and raised."""
    for library in (diffusers_logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()
