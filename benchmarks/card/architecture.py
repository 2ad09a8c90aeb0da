"""The models of production by their configurations: SDXL 1.0's own, and a small one for trying it all out.

The configurations are those of the published models (see `model_files/manifest.json` for the repositories);
`tests/test_card_models.py` holds them against the sizes of the published files.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from diffusers import AutoencoderKL, ControlNetModel, ControlNetUnionModel, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

Part = Literal["unet", "text_encoder", "text_encoder_2", "vae", "controlnet", "union"]


@dataclass(frozen=True, eq=False)
class Architecture:
    """Configurations of every model, and the pictures that the benchmark draws with them.

    Attributes:
        name: "sdxl" or "small".
        unet, text_encoder, text_encoder_2, vae, controlnet, union: Arguments of the models' classes.
        lora_rank: Rank of the LoRA.
        sizes: Pixels on a side of preview and final picture.
        steps: Denoising steps of the two.
    """

    name: str
    unet: dict[str, Any]
    text_encoder: dict[str, Any]
    text_encoder_2: dict[str, Any]
    vae: dict[str, Any]
    controlnet: dict[str, Any]
    union: dict[str, Any]
    lora_rank: int
    sizes: tuple[int, int]
    steps: tuple[int, int]

    def empty(self, part: Part) -> Any:
        """A model without memory for its weights (on torch's meta device)."""
        with torch.device("meta"):
            return self._build(part)

    def _build(self, part: Part) -> Any:
        if part == "unet":
            return UNet2DConditionModel(**self.unet)
        if part == "text_encoder":
            return CLIPTextModel(CLIPTextConfig(**self.text_encoder))
        if part == "text_encoder_2":
            return CLIPTextModelWithProjection(CLIPTextConfig(**self.text_encoder_2))
        if part == "vae":
            return AutoencoderKL(**self.vae)
        if part == "controlnet":
            return ControlNetModel(**self.controlnet)
        return ControlNetUnionModel(**self.union)


def _unet(channels: tuple[int, ...], layers: int, heads: tuple[int, ...], **more: Any) -> dict[str, Any]:
    plain, attending = len(channels) - 1, len(channels) - 1
    return {
        "block_out_channels": channels,
        "layers_per_block": layers,
        "down_block_types": ("DownBlock2D", *("CrossAttnDownBlock2D",) * attending),
        "up_block_types": (*("CrossAttnUpBlock2D",) * plain, "UpBlock2D"),
        "attention_head_dim": heads,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        **more,
    }


def _controlnet(unet: dict[str, Any], hint_channels: tuple[int, ...]) -> dict[str, Any]:
    """The UNet's first half, with a small network for the control picture."""
    left_out = ("up_block_types", "sample_size")
    kept = {name: value for name, value in unet.items() if name not in left_out}
    return {**kept, "conditioning_embedding_out_channels": hint_channels}


def _vae(channels: tuple[int, ...], layers: int, **more: Any) -> dict[str, Any]:
    return {
        "block_out_channels": channels,
        "down_block_types": ("DownEncoderBlock2D",) * len(channels),
        "up_block_types": ("UpDecoderBlock2D",) * len(channels),
        "layers_per_block": layers,
        "latent_channels": 4,
        "scaling_factor": 0.13025,
        **more,
    }


def _text(width: int, layers: int, heads: int, activation: str, vocabulary: int = 49408) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "projection_dim": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "hidden_act": activation,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "pad_token_id": 1,
    }


_SDXL_UNET = _unet(
    (320, 640, 1280),
    2,
    (5, 10, 20),
    sample_size=128,
    transformer_layers_per_block=(1, 2, 10),
    cross_attention_dim=2048,
    addition_time_embed_dim=256,
    projection_class_embeddings_input_dim=2816,
)
_SDXL_CONTROLNET = _controlnet(_SDXL_UNET, (16, 32, 96, 256))
SDXL = Architecture(
    name="sdxl",
    unet=_SDXL_UNET,
    text_encoder=_text(768, 12, 12, "quick_gelu"),
    text_encoder_2=_text(1280, 32, 20, "gelu"),
    vae=_vae((128, 256, 512, 512), 2, sample_size=1024),
    controlnet=_SDXL_CONTROLNET,
    union={**_SDXL_CONTROLNET, "num_control_type": 6, "num_trans_channel": 320, "num_proj_channel": 320},
    lora_rank=32,
    sizes=(512, 1024),
    steps=(35, 50),
)

_SMALL_UNET = _unet(
    (32, 64),
    1,
    (2, 4),
    sample_size=32,
    norm_num_groups=8,
    transformer_layers_per_block=1,
    cross_attention_dim=32 + 48,
    addition_time_embed_dim=8,
    projection_class_embeddings_input_dim=6 * 8 + 48,
)
_SMALL_CONTROLNET = _controlnet(_SMALL_UNET, (4, 8, 8, 8))
SMALL = Architecture(
    name="small",
    unet=_SMALL_UNET,
    text_encoder=_text(32, 2, 4, "quick_gelu", 2048),
    text_encoder_2=_text(48, 2, 4, "gelu", 2048),
    vae=_vae((8, 16, 16, 16), 1, norm_num_groups=4, sample_size=256),
    controlnet=_SMALL_CONTROLNET,
    union={
        **_SMALL_CONTROLNET,
        "num_control_type": 6,
        "num_trans_channel": 32,
        "num_trans_head": 4,
        "num_proj_channel": 32,
    },
    lora_rank=4,
    sizes=(64, 128),
    steps=(3, 4),
)
