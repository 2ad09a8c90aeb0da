"""LoRA files of every trainer, at every scale, and those that do not fit."""

import json
import math

import pytest
import torch
from checkpoints import write_embeddings
from diffusers import StableDiffusionXLPipeline
from interruptions import BreaksOff, Cancelled
from lora_files import (
    RANK,
    make_lora,
    write_lora_diffusers,
    write_lora_kohya,
    write_lora_old_diffusers,
    write_lora_peft,
)
from safetensors.torch import load_file, save_file

from plitka.diffusion.adapters.lora import load_lora
from plitka.errors import ModelFileError

SCALE = 0.75
LAYOUTS = {
    "peft": write_lora_peft,
    "diffusers": write_lora_diffusers,
    "old diffusers": write_lora_old_diffusers,
    "kohya": write_lora_kohya,
    "kohya, original names": lambda path, unet, **options: write_lora_kohya(
        path, unet, original_names=True, **options
    ),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lora.safetensors"


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def fused_by_hand(before, pairs, scale):
    """The weights that the definition of a LoRA gives."""
    after = dict(before)
    for name, (down, up) in pairs.items():
        weight = before[f"{name}.weight"]
        after[f"{name}.weight"] = weight + scale * (up.flatten(1) @ down.flatten(1)).view_as(weight)
    return after


def assert_same(one, other):
    assert one.keys() == other.keys()
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert different == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_unet_that_the_definition_gives(pipeline, path, layout):
    before, pairs = weights(pipeline.unet), make_lora(pipeline.unet)
    LAYOUTS[layout](path, pipeline.unet)
    lora = load_lora(pipeline, path)
    assert_same(weights(pipeline.unet), before)
    lora.apply(SCALE)
    assert lora.modules == len(pairs)
    assert any("conv2" in name for name in pairs)
    assert_same(weights(pipeline.unet), fused_by_hand(before, pairs, SCALE))


def test_the_models_keep_their_plain_modules(pipeline, path):
    names = [name for name, _ in pipeline.unet.named_modules()]
    write_lora_peft(path, pipeline.unet)
    load_lora(pipeline, path).apply(SCALE)
    assert [name for name, _ in pipeline.unet.named_modules()] == names


def test_another_scale_and_back_is_exact_to_the_bit_in_half_precision(model_folder, path):
    base = model_folder / "base"
    pipeline = StableDiffusionXLPipeline.from_pretrained(base, variant="fp16", dtype=torch.float16)
    before = weights(pipeline.unet)
    write_lora_peft(path, pipeline.unet)
    lora = load_lora(pipeline, path)
    lora.apply(SCALE)
    default = weights(pipeline.unet)
    for scale in (0.1, 2.0, 1.3333):
        lora.apply(scale)
        lora.apply(SCALE)
        assert_same(weights(pipeline.unet), default)
    lora.apply(0.0)
    assert_same(weights(pipeline.unet), before)


def test_a_change_of_scale_that_is_broken_off_is_done_again_in_full(pipeline, path):
    write_lora_peft(path, pipeline.unet)
    lora = load_lora(pipeline, path)
    lora.apply(SCALE)
    default = weights(pipeline.unet)
    with BreaksOff(Cancelled(), lora.modules // 2), pytest.raises(Cancelled):
        lora.apply(1.5)
    assert lora.scale is None
    lora.apply(SCALE)
    assert_same(weights(pipeline.unet), default)


@pytest.mark.parametrize("alpha", [2, 8])
def test_kohyas_alpha_is_its_strength(pipeline, path, alpha):
    before, pairs = weights(pipeline.unet), make_lora(pipeline.unet)
    write_lora_kohya(path, pipeline.unet, alpha=alpha)
    load_lora(pipeline, path).apply(SCALE)
    assert_same(weights(pipeline.unet), fused_by_hand(before, pairs, SCALE * alpha / RANK))


@pytest.mark.parametrize(
    ("config", "factor"),
    [
        ({"lora_alpha": 8}, 8 / RANK),
        ({"lora_alpha": 8, "use_rslora": True}, 8 / math.sqrt(RANK)),
        ({"lora_alpha": 8, "alpha_pattern": {"conv2": 2}}, None),
    ],
)
def test_pefts_configuration_beside_the_file_tells_the_alpha(pipeline, path, config, factor):
    before, pairs = weights(pipeline.unet), make_lora(pipeline.unet)
    write_lora_peft(path, pipeline.unet)
    (path.parent / "adapter_config.json").write_text(json.dumps({"r": RANK, **config}))
    load_lora(pipeline, path).apply(1.0)
    scaled = {
        name: (down, up * (factor or (2 if "conv2" in name else 8) / RANK))
        for name, (down, up) in pairs.items()
    }
    assert_same(weights(pipeline.unet), fused_by_hand(before, scaled, 1.0))


def test_the_alpha_in_the_metadata_of_diffusers_own_files_counts(pipeline, path):
    before, pairs = weights(pipeline.unet), make_lora(pipeline.unet)
    layers = {}
    for name, (down, up) in pairs.items():
        layers |= {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}
    config = {"r": RANK, "lora_alpha": 8, "target_modules": sorted(pairs)}
    StableDiffusionXLPipeline.save_lora_weights(
        path.parent, layers, weight_name=path.name, unet_lora_adapter_metadata=config
    )
    load_lora(pipeline, path).apply(1.0)
    assert_same(weights(pipeline.unet), fused_by_hand(before, pairs, 8 / RANK))


def test_a_lora_for_the_text_encoders_is_taken_too(pipeline, path):
    width, random = pipeline.text_encoder.config.hidden_size, torch.Generator().manual_seed(1)
    name = "lora_te1_text_model_encoder_layers_0_mlp_fc1"
    tensors = {
        f"{name}.lora_down.weight": torch.randn(RANK, width, generator=random),
        f"{name}.lora_up.weight": torch.randn(2 * width, RANK, generator=random),
        f"{name}.alpha": torch.tensor(float(RANK)),
    }
    save_file(tensors, path)
    before = weights(pipeline.text_encoder)
    lora = load_lora(pipeline, path)
    lora.apply(1.0)
    changed = [
        name for name, value in weights(pipeline.text_encoder).items() if not before[name].equal(value)
    ]
    assert lora.modules == 1
    assert [name.removeprefix("text_model.") for name in changed] == ["encoder.layers.0.mlp.fc1.weight"]


# Refused


def rename(path, old, new):
    save_file({name.replace(old, new): value for name, value in load_file(path).items()}, path)


def test_a_lora_that_touches_no_module_is_an_error(pipeline, path):
    write_lora_peft(path, pipeline.unet)
    rename(path, "down_blocks", "elsewhere")
    rename(path, "up_blocks", "elsewhere_too")
    rename(path, "mid_block", "nowhere")
    with pytest.raises(ModelFileError, match=r"lora\.safetensors: it does not fit the base model"):
        load_lora(pipeline, path)


@pytest.mark.parametrize("layout", ["peft", "diffusers", "kohya"])
def test_a_lora_with_pairs_left_over_is_an_error(pipeline, path, layout):
    LAYOUTS[layout](path, pipeline.unet)
    rename(path, "mid_block", "mid_blocks")
    with pytest.raises(ModelFileError, match=r"no module for '\S*mid_blocks\S*' and \d+ more"):
        load_lora(pipeline, path)


def test_a_lora_for_a_model_of_another_size_is_an_error(pipeline, path):
    write_lora_peft(path, pipeline.unet)
    wide = {
        name: value.repeat_interleave(2, dim=1) for name, value in load_file(path).items() if "lora_A" in name
    }
    save_file({**load_file(path), **wide}, path)
    with pytest.raises(ModelFileError, match="it does not fit the base model"):
        load_lora(pipeline, path)


@pytest.mark.parametrize("extra", ["dora_scale", "lora_magnitude_vector.weight", "lora_B.bias"])
def test_adapters_that_are_more_than_a_lora_are_refused(pipeline, path, extra):
    write_lora_peft(path, pipeline.unet)
    save_file({**load_file(path), f"base_model.model.conv_in.{extra}": torch.ones(1)}, path)
    with pytest.raises(ModelFileError, match=f"not a plain LoRA: it holds .*{extra}"):
        load_lora(pipeline, path)


def test_a_lora_that_changes_nothing_or_is_not_finite_is_an_error(pipeline, path):
    write_lora_peft(path, pipeline.unet)
    tensors = load_file(path)
    save_file({name: value * (0 if "lora_B" in name else 1) for name, value in tensors.items()}, path)
    with pytest.raises(ModelFileError, match="it changes nothing"):
        load_lora(pipeline, path)
    save_file({name: value / 0 for name, value in tensors.items()}, path)
    with pytest.raises(ModelFileError, match="not all finite"):
        load_lora(pipeline, path)


def test_a_file_without_lora_weights_is_an_error(pipeline, path):
    write_embeddings(path)
    with pytest.raises(ModelFileError, match="no LoRA weights"):
        load_lora(pipeline, path)
