"""What stands beside a LoRA's tensors: understood or neutral, or the file is refused with the key's name."""

import copy
import dataclasses
import json
import warnings

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from diffusers.training_utils import _collate_lora_metadata
from hypothesis import assume, given
from hypothesis import strategies as st
from lora_layouts import LAYERS, LAYOUTS, TEXT, TEXT_2, UNET, Change
from peft import (
    EvaConfig,
    LoraConfig,
    PeftType,
    get_peft_model,
    get_peft_model_state_dict,
    inject_adapter_in_model,
)
from peft.tuners.lora import LoraLayer
from peft.utils.other import get_pattern_key
from thorough import examples

from plitka.diffusion.adapters.lora import load_lora
from plitka.errors import ModelFileError

CONV, LINEAR = "conv_in", "down_blocks.1.attentions.0.proj_in"
# Of all that PEFT's configuration has: what a loader has to act on, what changes nothing, and the rest.
STRENGTH = {"r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora"}
OF_NO_CONSEQUENCE = {
    *("auto_mapping", "base_model_name_or_path", "peft_version", "revision", "task_type", "inference_mode"),
    *("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "lora_dropout"),
    *("loftq_config", "eva_config", "corda_config", "lora_ga_config", "qalora_group_size", "megatron_core"),
}
DECIDE = {
    *("peft_type", "fan_in_fan_out", "bias", "modules_to_save", "init_lora_weights", "megatron_config"),
    *("trainable_token_indices", "use_dora", "velora_config", "alora_invocation_tokens", "use_qalora"),
    *("monteclora_config", "layer_replication", "runtime_config", "lora_bias", "target_parameters"),
    *("use_bdlora", "arrow_config", "kasa_config", "ensure_weight_tying"),
}
ALLOWED = {
    "peft_type": ["LORA"],
    "bias": ["none"],
    "init_lora_weights": [True, False, None, "gaussian", "eva", "orthogonal", "mica"],
}
NEUTRAL = [None, False, "", [], {}]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


def same(value, allowed):
    return any(type(value) is type(other) and value == other for other in allowed)


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


CONFIGURED = st.sampled_from(["PEFT", "diffusers, alphas in the header"])


def test_every_field_of_the_installed_pefts_configuration_is_decided_upon():
    fields = {field.name for field in dataclasses.fields(LoraConfig)}
    assert fields == STRENGTH | OF_NO_CONSEQUENCE | DECIDE


@examples(40)
@given(
    layout=CONFIGURED,
    key=st.sampled_from(sorted(DECIDE)) | st.from_regex(r"[a-z_]{3,20}", fullmatch=True),
    value=json_values | st.sampled_from(["all", "lora_only", "pissa", "olora", "LOHA", True]),
)
def test_a_setting_that_is_not_understood_is_named_unless_it_is_neutral(pipeline, place, layout, key, value):
    assume(key not in STRENGTH | OF_NO_CONSEQUENCE)
    path = some_lora(layout, **{key: value}).write(place)
    if same(value, ALLOWED.get(key, NEUTRAL)):
        assert load_lora(pipeline, path).modules == 2
        return
    problem = refused(pipeline, path)
    assert "not a plain LoRA" in problem
    assert key in problem
    assert json.dumps(value)[:100] in problem


@examples(12)
@given(layout=CONFIGURED, key=st.sampled_from(sorted(OF_NO_CONSEQUENCE)), value=json_values)
def test_a_setting_of_no_consequence_may_be_anything(pipeline, place, layout, key, value):
    assert load_lora(pipeline, some_lora(layout, **{key: value}).write(place)).modules == 2


@pytest.mark.parametrize("name", [name for name in PeftType.__members__ if name != "LORA"])
def test_every_other_kind_of_peft_adapter_is_refused(pipeline, place, name):
    assert f"'peft_type' is \"{name}\"" in refused(pipeline, some_lora(peft_type=name).write(place))


@pytest.mark.parametrize(
    "start",
    [True, False, "gaussian", "orthogonal", "mica", "eva", "olora", "pissa", "pissa_niter_4"],
)
def test_a_start_that_peft_makes_by_changing_the_base_weights_is_refused(pipeline, place, start):
    """PEFT itself is asked: whether the layer's own weight is another after the adapter was put in."""
    layer = torch.nn.Sequential(torch.nn.Linear(64, 64))
    before = layer[0].weight.clone()
    eva = EvaConfig() if start == "eva" else None
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["0"], init_lora_weights=start, eva_config=eva)
    with warnings.catch_warnings(action="ignore"):
        inject_adapter_in_model(config, layer)
    changed = not torch.equal(layer[0].get_base_layer().weight, before)
    path = some_lora(init_lora_weights=start).write(place)
    if changed:
        assert "'init_lora_weights'" in refused(pipeline, path)
    else:
        assert load_lora(pipeline, path).modules == 2


@pytest.mark.parametrize("start", ["corda", "loftq", "lora_ga", "PiSSA", "tomorrow"])
def test_a_start_of_another_name_is_refused(pipeline, place, start):
    assert f"'init_lora_weights' is \"{start}\"" in refused(
        pipeline, some_lora(init_lora_weights=start).write(place)
    )


def randomise(model, seed):
    random = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.data = torch.randn(weight.shape, generator=random) * 0.1


def layers_of(trained):
    return [(name, module) for name, module in trained.named_modules() if isinstance(module, LoraLayer)]


def matching(patterns, name):
    """The values of all patterns that fit a module, as PEFT fits them."""
    return {value for key, value in patterns.items() if get_pattern_key([key], name) == key}


def assert_merged(ours, trained):
    """Our weights are PEFT's merged ones, in every layer that it trained; the others are the base's."""
    layers = layers_of(trained)
    for name, module in layers:
        module.merge()
        merged, weight = module.get_base_layer().weight, ours.get_submodule(name).weight
        torch.testing.assert_close(weight, merged, rtol=1e-5, atol=1e-5, msg=name)
    assert layers


modules = st.sampled_from(sorted(LAYERS[UNET]))
patterns = modules | st.sampled_from(
    ["to_q", "conv2", "attn1.to_k", r"down_blocks.*", r"^mid_block.*proj_in", r".*\.ff\..*", "proj_(in|out)"]
)


# PEFT and diffusers as judges


@pytest.mark.long
@examples(5)
@given(
    ranks=st.dictionaries(patterns, st.integers(1, 6), max_size=3),
    alphas=st.dictionaries(patterns, st.integers(1, 16), max_size=3),
    rooted=st.booleans(),
)
def test_what_peft_saves_is_what_peft_merges(pipeline, model_folder, place, ranks, alphas, rooted):
    config = LoraConfig(
        r=4,
        lora_alpha=6,
        target_modules=["to_q", "to_k", "to_out.0", "conv2", "proj_in", "ff.net.2"],
        rank_pattern=ranks,
        alpha_pattern=alphas,
        use_rslora=rooted,
        init_lora_weights="gaussian",
    )
    with warnings.catch_warnings(action="ignore"):  # of patterns that fit no module
        trained = get_peft_model(copy.deepcopy(pipeline.unet), config)
    # A text, which the card that it writes can show, and a folder here, which is not looked up on the hub.
    trained.peft_config["default"].base_model_name_or_path = str(model_folder / "base/unet")
    randomise(trained, seed=len(ranks))
    trained.save_pretrained(place / "peft")
    if any(len(matching(alphas, name)) > 1 for name, _ in layers_of(trained.get_base_model())):
        # The first counted, but the patterns are sorted in the file.
        assert "says two alphas" in refused(pipeline, place / "peft/adapter_model.safetensors")
        return
    lora = load_lora(pipeline, place / "peft/adapter_model.safetensors")
    lora.apply(1.0)
    try:
        assert_merged(pipeline.unet, trained.get_base_model())
    finally:
        lora.apply(0.0)


def test_what_diffusers_saves_of_three_models_is_what_peft_merges(model_folder, place):
    """As diffusers' training scripts save: three configurations in the header."""
    base = model_folder / "base"
    ours, trained = (
        StableDiffusionXLPipeline.from_pretrained(base, variant="fp16", dtype=torch.float32) for _ in range(2)
    )
    targets = {UNET: ["to_q", "to_v"], TEXT: ["q_proj", "fc1"], TEXT_2: ["out_proj", "text_projection"]}
    layers = {}
    models = {}
    for number, (component, names) in enumerate(targets.items()):
        config = LoraConfig(
            r=2 + number,
            lora_alpha=5,
            target_modules=names,
            alpha_pattern={names[1]: 3},
            use_rslora=number == 1,
        )
        models[component] = getattr(trained, component)
        models[component].add_adapter(config)
        randomise(models[component], number)
        layers[component] = get_peft_model_state_dict(models[component])
    StableDiffusionXLPipeline.save_lora_weights(
        place / "diffusers",
        *layers.values(),
        **_collate_lora_metadata(models),
    )
    load_lora(ours, place / "diffusers/pytorch_lora_weights.safetensors").apply(1.0)
    for component, model in models.items():
        assert_merged(getattr(ours, component), model)
