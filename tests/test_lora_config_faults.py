"""What is said beside a LoRA's tensors and contradicts them, or cannot be read."""

import json

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from lora_layouts import LAYOUTS, TEXT, UNET, Change, File

from plitka.diffusion.adapters.lora import load_lora
from plitka.errors import ModelFileError

CONV, LINEAR = "conv_in", "down_blocks.1.attentions.0.proj_in"


@pytest.fixture(scope="module")
def pipeline(model_folder):
    return StableDiffusionXLPipeline.from_pretrained(
        model_folder / "base", variant="fp16", dtype=torch.float32
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("lora")


def some_lora(layout="PEFT", rank=4, **config):
    changes = [Change(UNET, CONV, rank, 8.0, torch.float32), Change(UNET, LINEAR, rank, 8.0, torch.float32)]
    file = LAYOUTS[layout].file(changes)
    if file.config is not None:
        file.config |= config
    if text := file.header.get("lora_adapter_metadata"):
        metadata = json.loads(text) | {f"unet.{key}": value for key, value in config.items()}
        file.header["lora_adapter_metadata"] = json.dumps(metadata)
    return file


def refused(pipeline, path):
    with pytest.raises(ModelFileError) as caught:
        load_lora(pipeline, path)
    return str(caught.value)


def test_a_rank_that_is_not_the_tensors_is_refused(pipeline, place):
    problem = refused(pipeline, some_lora(rank=8, r=4).write(place))
    assert f"rank 4 for '{CONV}', whose pair has rank 8" in problem
    problem = refused(pipeline, some_lora(rank_pattern={"proj_in": 2}).write(place))
    assert f"rank 2 for '{LINEAR}', whose pair has rank 4" in problem


def test_a_rank_that_the_patterns_name_is_the_one_that_counts(pipeline, place):
    assert load_lora(pipeline, some_lora(rank=8, r=4, rank_pattern={".*": 8}).write(place)).modules == 2


@pytest.mark.parametrize("layout", ["kohya", "diffusers"])
def test_a_configuration_beside_a_file_with_other_alphas_is_refused(pipeline, place, layout):
    file = some_lora(layout)
    file.config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8}
    assert load_lora(pipeline, file.write(place)).modules == 2
    file.config["lora_alpha"] = 4
    problem = refused(pipeline, file.write(place))
    assert "different strengths" in problem
    assert "2 and 1" in problem


def test_a_configuration_says_the_alpha_for_a_file_of_another_layout_that_has_none(pipeline, place):
    change = Change(UNET, CONV, 4, None, torch.float32)
    file = LAYOUTS["diffusers"].file([change])
    file.config = {"peft_type": "LORA", "r": 4, "lora_alpha": 12}
    before = pipeline.unet.conv_in.weight.clone()
    lora = load_lora(pipeline, file.write(place))
    lora.apply(1.0)
    after = pipeline.unet.conv_in.weight.clone()
    lora.apply(0.0)
    torch.testing.assert_close(after, (before.double() + 3 * change.meaning()).float())


def test_a_configuration_of_the_unet_says_nothing_of_the_text_encoders(pipeline, place):
    changes = [
        Change(UNET, CONV, 4, 8.0, torch.float32),
        Change(TEXT, "encoder.layers.0.mlp.fc1", 2, 2.0, torch.float32),
    ]
    file = LAYOUTS["kohya"].file(changes)
    file.config = {"r": 4, "lora_alpha": 8}
    assert load_lora(pipeline, file.write(place)).modules == 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lora_alpha", None),
        ("lora_alpha", "8"),
        ("lora_alpha", float("nan")),
        ("lora_alpha", 10**400),
        ("lora_alpha", True),
        ("r", 0),
        ("r", -4),
        ("r", "4"),
        ("use_rslora", "yes"),
        ("use_rslora", 1),
        ("alpha_pattern", ["to_q"]),
        ("alpha_pattern", {"to_q": None}),
        ("rank_pattern", {"(": 4}),
    ],
)
def test_a_strength_that_cannot_be_read_is_named(pipeline, place, key, value):
    assert f"'{key}'" in refused(pipeline, some_lora(**{key: value}).write(place))
    header = some_lora("diffusers, alphas in the header", **{key: value}).write(place)
    assert f"'unet.{key}'" in refused(pipeline, header)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", "[" * 100_000, '{"a": ' * 100_000, "\udcff"])
def test_a_configuration_that_is_no_json_object_is_named(pipeline, place, text):
    path = some_lora().write(place)
    (place / "adapter_config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert "adapter_config.json" in refused(pipeline, path)


@pytest.mark.parametrize("text", ["{", "[]", '{"transformer.r": 4}', '{"r": 4}'])
def test_a_header_that_no_one_knows_is_named(pipeline, place, text):
    file = some_lora("diffusers")
    file.header = {"lora_adapter_metadata": text}
    assert "'lora_adapter_metadata'" in refused(pipeline, file.write(place))


KOHYA_SETTINGS = {
    "ss_network_module": "lycoris.kohya",
    "ss_network_dim": "128",
    "ss_network_alpha": "1.0",
    "ss_scale_weight_norms": "1.0",
    "ss_v2": "False",
}


@pytest.mark.parametrize(
    "arguments",
    [
        '{"algo": "locon", "rs_lora": "True", "conv_dim": "8", "rank_dropout": "0.1"}',
        "{}",
        "null",
        "None",
        "",
    ],
)
def test_kohyas_settings_change_nothing_that_the_tensors_say(pipeline, place, arguments):
    file: File = some_lora("kohya")
    before = pipeline.unet.conv_in.weight.clone()
    expected = before.double() + Change(UNET, CONV, 4, 8.0, torch.float32).meaning()
    file.header = {**KOHYA_SETTINGS, "ss_network_args": arguments}
    lora = load_lora(pipeline, file.write(place))
    lora.apply(1.0)
    torch.testing.assert_close(pipeline.unet.conv_in.weight.double(), expected, rtol=1e-5, atol=1e-5)
    lora.apply(0.0)
    assert torch.equal(pipeline.unet.conv_in.weight, before)


@pytest.mark.parametrize("setting", ["rank_stabilized", "initialize"])
def test_kohyas_settings_that_change_what_the_tensors_mean_are_named(pipeline, place, setting):
    file = some_lora("kohya")
    for value in ("False", "None", None, False):
        file.header = {"ss_network_args": json.dumps({setting: value})}
        assert load_lora(pipeline, file.write(place)).modules == 2
    file.header = {"ss_network_args": json.dumps({setting: "pissa" if setting == "initialize" else "True"})}
    assert f"'{setting}'" in refused(pipeline, file.write(place))
