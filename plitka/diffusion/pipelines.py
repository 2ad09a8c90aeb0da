"""The diffusers pipelines: a base model, and variants of it on demand that share every one of its weights.

Variants (`plitka.diffusion.variants`) are made on first use. When the GPU's memory is short, the models wait
in the machine's memory between uses, and as a last resort the VAE works in tiles.
"""

import logging
import math
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from diffusers.utils import logging as diffusers_logging
from numpy.typing import NDArray
from PIL import Image
from transformers.utils import logging as transformers_logging

from plitka.choices import ControlKind
from plitka.device.select import DeviceInfo, manage_gpu_memory
from plitka.diffusion.acceleration import (
    UNACCELERATED,
    Acceleration,
    compile_model,
    fuse,
    put_channels_last,
)
from plitka.diffusion.checkpoints.base_files import bytes_in_files, check_read
from plitka.diffusion.checkpoints.controlnet_shapes import check_controlnets, check_hinted, check_types
from plitka.diffusion.checkpoints.pretrained import HOW_TO_GET_WEIGHTS, check_parts, read_base
from plitka.diffusion.checkpoints.read_ahead import read_ahead
from plitka.diffusion.checkpoints.read_controlnet import read_controlnet, read_hinted
from plitka.diffusion.checkpoints.to_device import DeviceCopier
from plitka.diffusion.checkpoints.weight_checks import check_finite
from plitka.diffusion.controlnets import ControlNetCache, LoadedControlNet, usable_bytes
from plitka.diffusion.decoding import decoded, encoded
from plitka.diffusion.families.known import family_of
from plitka.diffusion.offload import ALL_OF_IT, LowMemory, begin_offload, check_tiles, put_in_tiles
from plitka.diffusion.recordings import Recordings
from plitka.diffusion.schedulers import make_scheduler
from plitka.diffusion.seamless import CIRCULAR, circular
from plitka.diffusion.variants import make_variant
from plitka.errors import remedied
from plitka.weights.locate import EngineFiles, Location
from plitka.weights.manifest import ControlNetSource

# What a 1024-pixel picture in half precision takes beside the weights: 14 GB with a ControlNet, less 9.5 GB.
WORKING_BYTES = 4_500_000_000

# Of a ControlNet in the manifest, or the kinds of several together; None for the base model alone.
Key = str | tuple[ControlKind, ...] | None

log = logging.getLogger(__name__)


class Pipelines:
    """The base model on its device, and its variants."""

    def __init__(
        self,
        files: EngineFiles,
        device_info: DeviceInfo,
        acceleration: Acceleration = UNACCELERATED,
        low_memory: LowMemory = ALL_OF_IT,
    ) -> None:
        """Load the base model and put it on the device. Raises ModelFileError if it does not load."""
        _quiet_libraries()
        self._files = files
        self.device_info = device_info
        self.acceleration = acceleration
        self.dtype = getattr(torch, device_info.dtype)
        self.low_memory = ALL_OF_IT
        self.recordings = Recordings()
        if not acceleration.graphs:
            self.recordings.turn_off("not asked for")
        with DeviceCopier(device_info.device) as copier:
            free = usable_bytes(device_info) if device_info.is_gpu else math.inf
            stays = low_memory.offload == "none"
            fits = stays and free >= bytes_in_files(files, self.dtype) + WORKING_BYTES
            self.base = read_base(files, self.dtype, copier.start if fits else lambda model: None)
            self.family = family_of(self.base)
            check_tiles(low_memory, self.family)
            check_read(files)
            check_types(files, self.family)
            if self.family.hinted:
                check_hinted(files, self.family.hinted, self.base.unet)
            else:
                check_controlnets(files, self.base.unet, self.base.vae_scale_factor)
            self.scheduler_config = self.base.scheduler.config
            self.controlnets = ControlNetCache(files, device_info, self._load_controlnet, self._forget)
            self._variants: dict[tuple[Key, bool], Any] = {(None, False): self.base}
            weights = [weight for model in self._models() for weight in model.parameters()]
            if stays and free >= sum(weight.nbytes for weight in weights) + WORKING_BYTES:
                copier.finish(self._models())
            else:
                copier.wait()
                low_memory = LowMemory("model", low_memory.vae_tiles) if stays else low_memory
        if low_memory != self.low_memory:
            self.save_memory(low_memory)
        # Here and not before, because a GPU looks through the weights in no time.
        with remedied(HOW_TO_GET_WEIGHTS):
            check_parts(check_finite, self.base, files)
        if acceleration.channels_last:
            put_channels_last(self.base.unet)
            put_channels_last(self.base.vae)

    @property
    def offload_level(self) -> str:
        """Where the models wait between uses, and whether the VAE works in tiles, in words."""
        return str(self.low_memory)

    @property
    def is_offloaded(self) -> bool:
        """Whether models wait in the machine's memory between uses."""
        return self.low_memory.offload != "none"

    @property
    def variants(self) -> tuple[tuple[Key, bool], ...]:
        """The pipelines made so far: the ControlNet's key, and whether the pictures start from an image."""
        return tuple(self._variants)

    def get(
        self, kind: ControlKind | None, from_image: bool, scheduler: str, skipped: int = 0
    ) -> tuple[Any, LoadedControlNet | None]:
        """The pipeline for a kind of edge or none, with a fresh sampler, ready to be called; its ControlNet.

        `skipped` steps at the beginning of the sampler's schedule will not be run.
        Raises ModelFileError if the ControlNet does not load.
        """
        controlnet = None if kind is None else self._loaded((kind,))[0]
        key = (controlnet.key if controlnet else None, from_image)
        if key not in self._variants:
            self._variants[key] = make_variant(self.base, self.family, controlnet, from_image, self.dtype)
        return self._ready(key, scheduler, skipped), controlnet

    def get_several(
        self, kinds: tuple[ControlKind, ...], from_image: bool, scheduler: str, skipped: int = 0
    ) -> tuple[Any, LoadedControlNet]:
        """The same for several kinds together, or one that guides a part of the steps."""
        parts, key = self._loaded(kinds), (kinds, from_image)
        controlnet = self.controlnets.together(kinds, parts)
        if key not in self._variants:
            self._variants[key] = make_variant(self.base, self.family, controlnet, from_image, self.dtype)
        pipeline = self._ready(key, scheduler, skipped)
        return pipeline, replace(controlnet, model=pipeline.controlnet)

    def _ready(self, key: tuple[Key, bool], scheduler: str, skipped: int) -> Any:
        pipeline = self._variants[key]
        pipeline.scheduler = make_scheduler(scheduler, self.scheduler_config, skipped)
        self.make_ready(pipeline)
        return pipeline

    @contextmanager
    def seamless(self, controlnet: LoadedControlNet | None) -> Generator[None]:
        """Have UNet, VAE and ControlNet draw pictures that go on over their edges while the block runs."""
        models = [self.base.unet, self.base.vae, *([controlnet.model] if controlnet else [])]
        self.recordings.variant = CIRCULAR
        try:
            with circular(models):
                yield
        finally:
            self.recordings.variant = ""

    def accelerate(self) -> None:
        """Have the models fused, compiled and recorded; for models that carry their adapters."""
        for model in (self.base.unet, self.base.vae):
            fuse(model, self.acceleration.fused, self.device_info.device)
        compile_model(self.base.unet, self.acceleration.compile)
        for name in self.family.recorded:
            component, _, part = name.partition(".")
            self.recordings.record(name, getattr(self.base, component).get_submodule(part))

    def make_ready(self, pipeline: Any) -> None:
        """Under offload, set the hooks again for this pipeline: they are on the shared models, not on it."""
        if self.is_offloaded:
            self._to_cpu()
            begin_offload(pipeline, self.low_memory.offload, self.device_info.device)

    def bring_home(self) -> None:
        """Have every weight where its model is, to be changed in place: layers that wait have none."""
        if self.low_memory.offload == "sequential":
            self._to_cpu()

    def drop_recordings(self) -> bool:
        """Free the memory of recorded work and record no more; False if there was none."""
        dropped = self.recordings.turn_off("the GPU's memory ran out")
        if dropped:
            log.warning("recorded GPU work is dropped, and nothing is recorded any more")
            manage_gpu_memory(self.device_info, "clear")
        return dropped

    def lower(self) -> bool:
        """Free what can be freed and go one offload level further; False if there is none left."""
        further = self.low_memory.lower
        if further is None or (further.vae_tiles and not self.family.vae_tiles):
            manage_gpu_memory(self.device_info, "clear")
            return False
        self.controlnets.evict_all()
        self.save_memory(further)
        return True

    def save_memory(self, low_memory: LowMemory) -> None:
        """From now on, do this to take less of the GPU's memory."""
        self.low_memory = low_memory
        log.warning("offload: %s", self.offload_level)
        if low_memory.vae_tiles:
            put_in_tiles(self.base.vae, self.base.vae_scale_factor)
        if self.is_offloaded:
            # Recordings know where the weights were.
            self.recordings.turn_off(f"offload: {self.offload_level}")
            self._to_cpu()
            manage_gpu_memory(self.device_info, "clear")

    def decode(self, latents: torch.Tensor) -> NDArray[np.uint8]:
        """One picture, as `plitka.diffusion.decoding.decoded` makes it, and raises."""
        return decoded(self.base, self.family, latents)

    def encode(self, image: Image.Image) -> torch.Tensor:
        """The latents of a picture, as `plitka.diffusion.decoding.encoded` makes them."""
        return encoded(self.base, self.family, image, self.device_info.device)

    def close(self) -> None:
        """Release every model."""
        self.recordings.turn_off("the engine is closed")
        self.controlnets.evict_all()
        self._variants.clear()
        del self.base
        manage_gpu_memory(self.device_info, "clear")

    def _loaded(self, kinds: tuple[ControlKind, ...]) -> list[LoadedControlNet]:
        controlnets = self.controlnets.get_all(kinds, WORKING_BYTES)
        if self._is_short() and (not self.drop_recordings() or self._is_short()):
            log.warning("too little GPU memory is left beside the ControlNet")
            self.save_memory(LowMemory("model", self.low_memory.vae_tiles))
        return controlnets

    def _is_short(self) -> bool:
        """Whether what is left may not suffice for a picture while the models stay on the GPU."""
        on_gpu = not self.is_offloaded and self.device_info.is_gpu
        return on_gpu and usable_bytes(self.device_info) < WORKING_BYTES

    @remedied(HOW_TO_GET_WEIGHTS)
    def _load_controlnet(self, source: ControlNetSource, location: Location) -> Any:
        read_ahead(location.weight_files)
        key = next(key for key, one in self._files.models.controlnets.items() if one is source)
        name = f"controlnet.{key}"
        if self.family.hinted:
            model = read_hinted(self._files, key, self.family.hinted, self.base.unet, self.dtype)
            self._put_in_use(model, location, "unet")
            self.recordings.record(name, model)
        else:
            model = read_controlnet(self._files, key, self.base, self.dtype)
            self._put_in_use(model, location)
            self.recordings.record_controlnet(name, model)
        return model

    def _put_in_use(self, model: Any, location: Location, part: str = "") -> None:
        """Bring a model to where the others are, as fast as they are; `part` is its folder in `location`."""
        if not self.is_offloaded:
            with DeviceCopier(self.device_info.device) as copier:
                copier.finish([model])
        check_finite(model, location, part)
        if self.acceleration.channels_last:
            put_channels_last(model)
        fuse(model, self.acceleration.fused, self.device_info.device)
        compile_model(model, self.acceleration.compile)

    def _forget(self, key: str) -> None:
        self.recordings.forget(f"controlnet.{key}")
        for variant in [variant for variant in self._variants if self.controlnets.uses(variant[0], key)]:
            del self._variants[variant]

    def _to_cpu(self) -> None:
        """Take every model off the device, whatever a broken-off run has left there."""
        for variant in self._variants.values():
            variant.remove_all_hooks()
        self.base.to("cpu", silence_dtype_warnings=True)
        for controlnet in self.controlnets.loaded:
            controlnet.model.to("cpu")

    def _models(self) -> list[torch.nn.Module]:
        return [part for part in self.base.components.values() if isinstance(part, torch.nn.Module)]


def _quiet_libraries() -> None:
    """Loading bars and remarks off: what they warn of is checked here, and raised."""
    for library in (diffusers_logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()
