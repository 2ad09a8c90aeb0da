"""What a family of base models says of itself; the rest of the engine asks, and knows no family by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch

    from plitka.choices import ControlKind
    from plitka.request.profiles import Profile
    from plitka.request.prompt import Prompt
    from plitka.weights.locate import EngineFiles, Location

# What is expected of a request's prompt: pipeline, prompt, device, seed and what is called after each step of
# it, to arguments of every pipeline.
Embed = Callable[[Any, "Prompt", "torch.device", int, Callable[[], object]], Mapping[str, "torch.Tensor"]]
# A base model's files and its `model_index.json`, to the noise schedule that its samplers are made with.
Check = Callable[["EngineFiles", Mapping[str, Any]], dict[str, Any]]
# Files, dtype, scheduler and what is called with each model that is there, to the base pipeline on the CPU.
Read = Callable[["EngineFiles", "torch.dtype", Any, Callable[[Any], None]], Any]
# A pipeline and its latents (1, channels, h, w) to pixels (1, 3, height, width), -1 to 1.
Decode = Callable[[Any, "torch.Tensor"], "torch.Tensor"]


# What trainers leave beside a model in a single file, and nobody reads: averaged weights, lists of noise
# levels, counters. The VAE's own tensors are left to the library.
BESIDE_THE_MODEL = (
    r"(model_ema|denoiser|first_stage_model)\..*"
    r"|(log_|sqrt_)?(one_minus_|recip_|recipm1_)?alphas_cumprod(_prev)?"
    r"|betas|posterior_\w+|logvar|global_step|(.*\.)?(logit_scale|position_ids)"
)


@dataclass(frozen=True)
class TextEncoder:
    """A text encoder and its tokenizer, by the names of the pipeline's components.

    Attributes:
        name: The encoder.
        tokenizer: Its tokenizer.
        classes: transformers' classes that it may be.
        vectors: What files of embeddings call the vectors for it.
        prefix: What the names of its tensors begin with in a single file.
        is_open_clip: Whether it stands there as OpenCLIP has it.
        penultimate: Whether the UNet takes its last layer but one, as it is; else the last, normalized.
    """

    name: str
    tokenizer: str
    classes: tuple[str, ...]
    vectors: str
    prefix: str
    is_open_clip: bool = False
    penultimate: bool = False


class HintedDecoder(NamedTuple):
    """A decoder beside the base model's, in place of ControlNets, whose UNet takes a control image as hint.

    Attributes:
        kind: The kind of control image.
        type: Its class in the manifest and among `Family.pipelines`.
        grain: Sides of seamless pictures are multiples of so many pixels: the UNet halves them so often.
        check: Whether files are of such a decoder, given the base model's UNet; raises ModelFileError.
        read: From its files to its UNet on the CPU, complete.
        join: From the base pipeline and such a UNet to a pipeline that shares everything else.
    """

    kind: ControlKind
    type: str
    grain: int
    check: Callable[[Location, Any], None]
    read: Callable[[Location, torch.dtype], Any]
    join: Callable[[Any, Any], Any]


class SingleFile(NamedTuple):
    """A base model of the family in one `.safetensors` file, beside its UNet, VAE and text encoders.

    Attributes:
        harmless: Tensors beside the model that nobody reads.
        other_architectures: Words of `modelspec.architecture` for what is not this family's base model.
    """

    harmless: re.Pattern[str]
    other_architectures: re.Pattern[str]


@dataclass(frozen=True)
class Family:
    """A family of base models.

    Attributes:
        name: What it is called in metadata and documentation, and in `plitka.weights.base_kind.SIGNS`.
        title: What messages call it.
        auto: Its key in the mappings of diffusers' AutoPipeline classes.
        parts: The components that a base model must have, each with the classes that it may be.
        models: Those of them that have weights.
        pipelines: By ControlNet class (None without one) and by whether the picture starts from an image.
        pipeline_options: What every pipeline is made with, beside the components.
        text_encoders: Those that embeddings (textual inversion) have vectors for, in the order of the UNet's
            input; none where a family takes no embeddings.
        token_limit: Tokens that the encoders read, start and end included.
        embeddings: The pipelines' arguments that `encode_prompt` gives, in its order.
        native_size: Pixels on a side of the pictures that it was trained on.
        conditioning: The pipelines' arguments about sizes; empty for a UNet that is not told any.
        addition_embed_type: The UNet's setting of this name: "text_time" for the pooled embedding and sizes.
        unet_settings: Other settings of the UNet that it has without fail, each with the name of the models
            that have another one.
        lora_targets: The components that a LoRA may change; none where no LoRA is taken.
        few_step: Whether there are models of it that draw in a few steps.
        recorded: Components, and parts of them, whose work is recorded on a GPU.
        single_file: How its checkpoints in one file look; None if they are not read.
        vae_may_overflow: Whether `force_upcast` in the VAE's configuration means that half precision is too
            narrow for it.
        check: Whether the files are a base model of the family, where its parts are other than these: a
            UNet, a VAE and the text encoders.
        read: From files to the base pipeline, where its parts are other ones.
        embed: From a prompt to arguments of every pipeline, where that is not `encode_prompt` alone: the
            first of two stages.
        decode: From latents to pixels, where that is not the component `vae`.
        places: Where models lie that are not in the base model's folder of their own name: "base" or "prior"
            of `EngineFiles`, and the folder there.
        takes_embeddings: Whether embeddings can be put into the text encoders.
        hinted: What it has in place of ControlNets; None where it takes ControlNets.
        vae_tiles: Whether the VAE can work in tiles.
        profiles: Steps and guidance of every quality, where the manifest has none; None for the usual ones.
    """

    name: str
    title: str
    auto: str
    parts: Mapping[str, tuple[str, ...]]
    models: tuple[str, ...]
    pipelines: Mapping[tuple[str | None, bool], Any]
    pipeline_options: Mapping[str, Any]
    text_encoders: tuple[TextEncoder, ...]
    token_limit: int
    embeddings: tuple[str, ...]
    native_size: int
    conditioning: Mapping[str, Any] = field(default_factory=dict)
    addition_embed_type: str | None = None
    unet_settings: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    lora_targets: tuple[str, ...] = ()
    few_step: bool = True
    recorded: tuple[str, ...] = ()
    single_file: SingleFile | None = None
    vae_may_overflow: bool = True
    check: Check | None = None
    read: Read | None = None
    embed: Embed | None = None
    decode: Decode | None = None
    places: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    takes_embeddings: bool = True
    hinted: HintedDecoder | None = None
    vae_tiles: bool = True
    profiles: Mapping[str, Profile] | None = None

    @property
    def base_pipeline(self) -> Any:
        """The class of the base pipeline: text to image, without a ControlNet."""
        return self.pipelines[None, False]

    @property
    def has_pooled_embedding(self) -> bool:
        """Whether the UNet takes an embedding of the prompt as a whole beside those of its words."""
        return "pooled_prompt_embeds" in self.embeddings
