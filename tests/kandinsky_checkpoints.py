"""Small random models in the format of Kandinsky 2.2: a prior, a decoder, and a decoder that takes a hint.

Every shape that the code looks at is kept (one width for text and image embeddings, a UNet that predicts a
variance too, a MoVQ of four blocks), and everything else is as small as it goes.
"""

import json
from pathlib import Path

import torch
from checkpoints import text_config, write_tokenizer
from diffusers import DDPMScheduler, PriorTransformer, UnCLIPScheduler, UNet2DConditionModel, VQModel
from transformers import CLIPTextModelWithProjection, CLIPVisionConfig, CLIPVisionModelWithProjection

WIDTH = 32  # 1280 in Kandinsky 2.2
UNET_CHANNELS = (32, 64)
# As few as its normalisation takes.
MOVQ_CHANNELS = (32, 32, 32, 32)
# The noise that Kandinsky's decoder was trained with.
SCHEDULER = {
    "num_train_timesteps": 1000,
    "beta_schedule": "linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "clip_sample": False,
    "variance_type": "learned_range",
}


def make_unet(hinted=False):
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=8 if hinted else 4,
        out_channels=8,
        addition_embed_type="image_hint" if hinted else "image",
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        block_out_channels=UNET_CHANNELS,
        layers_per_block=1,
        attention_head_dim=16,
        cross_attention_dim=WIDTH,
        encoder_hid_dim=WIDTH,
        encoder_hid_dim_type="image_proj",
        resnet_time_scale_shift="scale_shift",
    )


def make_hinted_unet():
    unet = make_unet(hinted=True)
    # A trained decoder follows its hint; random weights would hardly see it.
    for layer in unet.add_embedding.input_hint_block:
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)
    return unet


def make_movq(channels=MOVQ_CHANNELS):
    return VQModel(
        block_out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        vq_embed_dim=4,
        num_vq_embeddings=12,
        norm_num_groups=32,
        norm_type="spatial",
        mid_block_add_attention=False,
    )


def write_index(folder, name, **parts):
    document = {"_class_name": name, "_diffusers_version": "0.18.0.dev0"}
    document |= {part: list(classes) for part, classes in parts.items()}
    (folder / "model_index.json").write_text(json.dumps(document, indent=2))


def write_decoder(folder, seed=20, hinted=False, channels=MOVQ_CHANNELS):
    """`kandinsky-2-2-decoder` as the hub holds it, or `kandinsky-2-2-controlnet-depth`."""
    torch.manual_seed(seed)
    folder.mkdir(parents=True)
    unet = make_hinted_unet() if hinted else make_unet()
    unet.save_pretrained(folder / "unet")
    torch.manual_seed(seed + 1)
    make_movq(channels).save_pretrained(folder / "movq")
    DDPMScheduler(**SCHEDULER).save_pretrained(folder / "scheduler")
    write_index(
        folder,
        "KandinskyV22ControlnetPipeline" if hinted else "KandinskyV22Pipeline",
        movq=("diffusers", "VQModel"),
        scheduler=("diffusers", "DDPMScheduler"),
        unet=("diffusers", "UNet2DConditionModel"),
    )


def write_prior(folder, seed=30):
    """`kandinsky-2-2-prior` as the hub holds it."""
    torch.manual_seed(seed)
    vocab_size = write_tokenizer(folder / "tokenizer")
    prior = PriorTransformer(
        num_attention_heads=2, attention_head_dim=12, num_layers=1, embedding_dim=WIDTH, num_embeddings=77
    )
    # Zeros in a new one, which would make every embedding the same.
    prior.clip_std = torch.nn.Parameter(torch.ones_like(prior.clip_std))
    prior.save_pretrained(folder / "prior")
    CLIPTextModelWithProjection(text_config(WIDTH, vocab_size)).save_pretrained(folder / "text_encoder")
    vision = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        projection_dim=WIDTH,
        num_attention_heads=4,
        num_hidden_layers=1,
        image_size=28,
        patch_size=14,
    )
    CLIPVisionModelWithProjection(vision).save_pretrained(folder / "image_encoder")
    UnCLIPScheduler(
        variance_type="fixed_small_log", prediction_type="sample", clip_sample=True, clip_sample_range=5.0
    ).save_pretrained(folder / "scheduler")
    (folder / "image_processor").mkdir()
    (folder / "image_processor" / "preprocessor_config.json").write_text('{"size": 28}')
    write_index(
        folder,
        "KandinskyV22PriorPipeline",
        image_encoder=("transformers", "CLIPVisionModelWithProjection"),
        image_processor=("transformers", "CLIPImageProcessor"),
        prior=("diffusers", "PriorTransformer"),
        scheduler=("diffusers", "UnCLIPScheduler"),
        text_encoder=("transformers", "CLIPTextModelWithProjection"),
        tokenizer=("transformers", "CLIPTokenizer"),
    )


def write_kandinsky_folder(path) -> Path:
    """A complete model folder: prior, decoder, depth decoder, manifest."""
    path.mkdir(parents=True, exist_ok=True)
    write_decoder(path / "decoder")
    write_decoder(path / "depth", seed=25, hinted=True)
    write_prior(path / "prior")
    models = {
        "base": {"folder": "decoder"},
        "prior": {"folder": "prior"},
        "controlnets": {"depth": {"type": "UNet2DConditionModel", "folder": "depth"}},
        "control": {"depth": {"controlnet": "depth"}},
    }
    (path / "manifest.json").write_text(json.dumps({"models": {"sdxl": models}}, indent=2))
    return path
