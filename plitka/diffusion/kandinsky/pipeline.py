"""Kandinsky 2.2 as one pipeline: text to embeddings by the prior, embeddings to latents by a decoder.

diffusers has a pipeline for each way of the decoder. Those with a hint tell of no step and give no latents;
those from an image exchange its width and height; none scales its latents for samplers that need it. Here
one loop serves all four, and gives the bytes of diffusers' own where these do right.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from diffusers import DiffusionPipeline, KandinskyV22PriorPipeline, UnCLIPScheduler
from diffusers.image_processor import VaeImageProcessor
from diffusers.pipelines.pipeline_utils import ImagePipelineOutput
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image
from torch.nn import functional

from plitka.diffusion.samplers import ends_step

# What diffusers' own prior pipeline takes unless it is told otherwise.
PRIOR_STEPS = 25
PRIOR_GUIDANCE = 4.0


class _Given(NamedTuple):
    """What a decoder sees beside latents: embeddings (1 or 2, width), and the hint (as many, 3, h, w)."""

    embeddings: torch.Tensor
    hint: torch.Tensor | None


class KandinskyPipeline(DiffusionPipeline):  # type: ignore[misc]  # diffusers is untyped
    """Prior and decoder of Kandinsky 2.2.

    Attributes:
        vae: The MoVQ, an autoencoder whose latents are taken as they are.
        no_image: (1, width) the embedding of a black picture, which stands for no negative prompt.
        vae_scale_factor: Pixels on a side of a latent pixel.
    """

    model_cpu_offload_seq = "text_encoder->prior->unet->vae"
    # It has weights that are used after it has run.
    _exclude_from_cpu_offload = ["prior"]  # noqa: RUF012  # diffusers' own form
    no_image: torch.Tensor

    def __init__(
        self,
        unet: Any,
        vae: Any,
        scheduler: Any,
        prior: Any,
        prior_scheduler: Any,
        text_encoder: Any,
        tokenizer: Any,
    ) -> None:
        super().__init__()
        self.register_modules(
            unet=unet,
            vae=vae,
            scheduler=scheduler,
            prior=prior,
            prior_scheduler=prior_scheduler,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
        )
        self.vae_scale_factor = 2 ** (len(vae.config.block_out_channels) - 1)
        self.image_processor = VaeImageProcessor(vae_scale_factor=self.vae_scale_factor)

    def with_unet(self, unet: Any) -> KandinskyPipeline:
        """A pipeline with another decoder's UNet that shares every other part of this one."""
        other = KandinskyPipeline(**{**self.components, "unet": unet})
        other.no_image = self.no_image
        return other

    @property
    def do_classifier_free_guidance(self) -> bool:
        """Whether the UNet sees the negative prompt too."""
        return bool(self._guidance_scale > 1)

    @property
    def num_timesteps(self) -> int:
        """How often the UNet is called for a picture."""
        return self._num_timesteps

    def embed(
        self, prompt: str, negative: str, generator: torch.Generator, on_step: Callable[[], Any]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The image embeddings (1, width) that the prior finds for a prompt and for a negative one.

        Each is denoised, from noise of the generator. Without a negative prompt its embedding is `no_image`.
        `on_step` is called after each step.
        """

        def after(*_: Any) -> dict[str, Any]:
            on_step()
            return {}

        pipeline = KandinskyV22PriorPipeline(
            prior=self.prior,
            image_encoder=None,
            text_encoder=self.text_encoder,
            tokenizer=self.tokenizer,
            scheduler=UnCLIPScheduler.from_config(self.prior_scheduler.config),
            image_processor=None,
        )
        pipeline.set_progress_bar_config(disable=True)
        embeddings: tuple[torch.Tensor, torch.Tensor] = pipeline(
            prompt,
            negative_prompt=negative,
            num_inference_steps=PRIOR_STEPS,
            guidance_scale=PRIOR_GUIDANCE,
            generator=generator,
            return_dict=False,
            callback_on_step_end=after,
            callback_on_step_end_tensor_inputs=[],
        )
        found, against = embeddings
        return found, against if negative else self.no_image.to(found)

    @torch.no_grad()
    def __call__(
        self,
        image_embeds: torch.Tensor,
        negative_image_embeds: torch.Tensor,
        *,
        num_inference_steps: int,
        guidance_scale: float,
        generator: torch.Generator,
        width: int = 0,
        height: int = 0,
        image: Image.Image | None = None,
        strength: float = 1.0,
        hint: Image.Image | None = None,
        output_type: str = "latent",
        callback_on_step_end: Callable[..., Any] | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = (),
    ) -> ImagePipelineOutput:
        """Latents (1, channels, h, w) of a picture, from noise of `width` and `height` pixels or an image.

        From an image the last `strength` of the steps is run. `hint` is for a UNet that takes one: a depth
        image of the picture's size. The callback gets the pipeline, the number of the call, the timestep and
        an empty dictionary. `output_type` and the names of tensors are what every pipeline here is called
        with; there is nothing to choose.
        """
        device = self._execution_device
        self._guidance_scale = guidance_scale
        given = self._given(image_embeds, negative_image_embeds, hint, device)
        dtype = given.embeddings.dtype
        self.scheduler.set_timesteps(num_inference_steps, device=device)
        steps = num_inference_steps
        if image is not None:
            steps = min(int(steps * strength), steps)
        timesteps = self._begin(num_inference_steps - steps)
        latents = self._start(image, (height, width), timesteps[:1], generator, device, dtype)
        takes = inspect.signature(self.scheduler.step).parameters
        more = {"generator": generator} if "generator" in takes else {}
        self._num_timesteps = len(timesteps)
        with self.progress_bar(total=steps) as bar:
            for call, timestep in enumerate(timesteps):
                predicted = self._predict(latents, timestep, given)
                latents = self.scheduler.step(predicted, timestep, latents, **more, return_dict=False)[0]
                if callback_on_step_end is not None:
                    callback_on_step_end(self, call, timestep, {})
                if ends_step(call, len(timesteps), steps):
                    bar.update()
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=latents)

    def decode_latents(self, latents: torch.Tensor) -> torch.Tensor:
        """(1, 3, height, width) pixels from -1 to 1, as the MoVQ gives them."""
        pixels: torch.Tensor = self.vae.decode(
            latents.to(self.vae.dtype), force_not_quantize=True, return_dict=False
        )[0]
        return pixels

    def _given(
        self, found: torch.Tensor, against: torch.Tensor, hint: Image.Image | None, device: Any
    ) -> _Given:
        # The negative prompt first, as in every pipeline.
        embeddings = torch.cat([against, found]) if self.do_classifier_free_guidance else found
        embeddings = embeddings.to(device, self.unet.dtype)
        if hint is None:
            return _Given(embeddings, None)
        processor = self.image_processor
        # Black is 0 and white 1.
        pixels = processor.numpy_to_pt(processor.pil_to_numpy(hint))
        pixels = _padded(pixels, self._grain * self.vae_scale_factor)
        return _Given(embeddings, torch.cat([pixels.to(embeddings)] * len(embeddings)))

    def _begin(self, skipped: int) -> torch.Tensor:
        """The timesteps of the sampler without those of the first steps."""
        first = skipped * self.scheduler.order
        if skipped and hasattr(self.scheduler, "set_begin_index"):
            self.scheduler.set_begin_index(first)
        timesteps: torch.Tensor = self.scheduler.timesteps[first:]
        return timesteps

    def _start(
        self,
        image: Image.Image | None,
        size: tuple[int, int],
        first: torch.Tensor,
        generator: torch.Generator,
        device: Any,
        dtype: torch.dtype,
    ) -> torch.Tensor:
        """Noise, or the latents of an image with as much noise as the first timestep has."""
        if image is None:
            rows, columns = (side // self.vae_scale_factor for side in size)
            shape = (1, self.vae.config.latent_channels, rows, columns)
            noise = randn_tensor(shape, generator=generator, device=device, dtype=dtype)
            return noise * self.scheduler.init_noise_sigma
        pixels = self.image_processor.preprocess(image).to(device, dtype)
        latents = self.vae.encode(pixels, return_dict=False)[0]
        noise = randn_tensor(latents.shape, generator=generator, device=device, dtype=dtype)
        noisy: torch.Tensor = self.scheduler.add_noise(latents, noise, first)
        return noisy

    def _predict(self, latents: torch.Tensor, timestep: torch.Tensor, given: _Given) -> torch.Tensor:
        """What the UNet predicts of the noise, guided; without the variance, which no sampler here takes."""
        seen = self.scheduler.scale_model_input(latents, timestep)
        # Copies: rows that share their memory would be rounded otherwise where a hook sends them to a device.
        seen = torch.cat([_padded(seen, self._grain)] * len(given.embeddings))
        conditions = {"image_embeds": given.embeddings}
        if given.hint is not None:
            conditions["hint"] = given.hint
        predicted = self.unet(
            seen,
            timestep,
            encoder_hidden_states=None,
            added_cond_kwargs=conditions,
            return_dict=False,
        )[0]
        channels, rows, columns = latents.shape[1:]
        predicted = predicted[:, :channels, :rows, :columns]
        if not self.do_classifier_free_guidance:
            return predicted
        against, found = predicted.chunk(2)
        return against + self._guidance_scale * (found - against)

    @property
    def _grain(self) -> int:
        """Sides of latents that the UNet can halve and double again are multiples of this."""
        return 2 ** (len(self.unet.config.block_out_channels) - 1)


def _padded(tensor: torch.Tensor, multiple: int) -> torch.Tensor:
    """(…, h, w) with sides that are multiples, by its own mirror image to the right and below."""
    below, right = (-side % multiple for side in tensor.shape[-2:])
    return functional.pad(tensor, (0, right, 0, below), "reflect") if below or right else tensor
