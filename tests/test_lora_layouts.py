"""Every LoRA file that is read changes the models by what it says for each module; all others are refused."""

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from hypothesis import assume, given
from hypothesis import strategies as st
from lora_layouts import LAYERS, LAYOUTS, TEXT, TEXT_2, UNET, Change
from lora_layouts import kohya as kohya_name
from thorough import examples

from plitka.diffusion.adapters.lora import load_lora
from plitka.errors import ModelFileError

COMPONENTS = (UNET, TEXT, TEXT_2)
# Endings of tensors that make an adapter more than a low-rank pair, or something else altogether.
STRANGE_ENDINGS = (
    "dora_scale",
    "lora_magnitude_vector",
    "lora_magnitude_vector.weight",
    "lora_B.bias",
    "lora_up.bias",
    "lora_embedding_A",
    "lokr_w1",
    "lokr_t2",
    "hada_w1_a",
    "hada_t1",
    "oft_blocks",
    "diff",
    "diff_b",
    "w_norm",
    "b_norm",
    "scalar",
    "on_input",
    "a1.weight",
    "lora_velora_embed",
    "lora_diag",
    "weight",
)


@pytest.fixture(scope="module")
def pipelines(model_folder):
    """The base model in single and half precision."""
    return {
        dtype: StableDiffusionXLPipeline.from_pretrained(model_folder / "base", variant="fp16", dtype=dtype)
        for dtype in (torch.float32, torch.float16)
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("lora")


def weights_now(pipeline):
    """The weights by name, which change with the pipeline's."""
    return {
        f"{component}.{name.removeprefix('text_model.')}": value
        for component in COMPONENTS
        for name, value in getattr(pipeline, component).state_dict().items()
    }


def weights(pipeline):
    return {name: value.clone() for name, value in weights_now(pipeline).items()}


def assert_unchanged(pipeline, before):
    after = weights_now(pipeline)
    assert [name for name in before if not torch.equal(before[name], after[name])] == []


@pytest.mark.each_value
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@examples(6)
@given(data=st.data())
def test_a_lora_changes_every_module_by_what_the_file_says_for_it(pipelines, place, layout, dtype, data):
    layout, pipeline = LAYOUTS[layout], pipelines[dtype]
    changes = data.draw(layout.changes())
    assume(any(change.alpha != 0 for change in changes))
    rooted = layout.alphas == "config" and data.draw(st.booleans())
    scale = data.draw(st.floats(0.05, 2))
    before = weights(pipeline)
    expected = {
        f"{change.component}.{change.module}.weight": scale * change.meaning(rooted) for change in changes
    }
    lora = load_lora(pipeline, layout.file(changes, rooted).write(place))
    assert_unchanged(pipeline, before)
    assert lora.modules == len(changes)
    lora.apply(scale)
    after = weights_now(pipeline)
    for name, original in before.items():
        if name not in expected:
            assert torch.equal(after[name], original), name
            continue
        wanted = original.double() + expected[name]
        size = float(wanted.abs().max())
        torch.testing.assert_close(
            after[name].double(), wanted, rtol=torch.finfo(dtype).eps, atol=4e-6 * size, msg=name
        )
    lora.apply(0.0)
    assert_unchanged(pipeline, before)


@pytest.mark.long
@pytest.mark.parametrize(
    "layout", ["kohya", "kohya, original names", "diffusers", "diffusers, older", "attention processors"]
)
def test_where_all_ranks_and_alphas_are_the_same_diffusers_and_peft_agree(pipeline, place, layout):
    chosen = LAYOUTS[layout]
    # diffusers finds no module for the first under diffusers' own block names.
    missed = ("add_embedding",) if layout == "kohya" else ()
    changes = [
        Change(component, module, 4, 4.0 if "kohya" in layout else None, torch.float32, seed=seed)
        for component in COMPONENTS
        for seed, module in enumerate(LAYERS[component])
        if (not chosen.only or module.endswith(chosen.only)) and not module.startswith(missed)
    ]
    path = chosen.file(changes).write(place)
    load_lora(pipeline, path).apply(1.0)
    ours = weights(pipeline)
    other = pipeline.from_pretrained(pipeline.config._name_or_path, variant="fp16", dtype=torch.float32)
    other.load_lora_weights(str(place), weight_name=path.name)
    other.fuse_lora()
    other.unload_lora_weights()
    for name, value in weights(other).items():
        torch.testing.assert_close(ours[name], value, rtol=1e-5, atol=1e-5, msg=name)


# Refused


def refused(pipeline, path):
    before = weights(pipeline)
    with pytest.raises(ModelFileError) as caught:
        load_lora(pipeline, path)
    assert_unchanged(pipeline, before)
    assert str(path.name) in caught.value.path
    return caught.value.problem


files = st.sampled_from(sorted(LAYOUTS)).flatmap(
    lambda name: LAYOUTS[name].changes().map(lambda changes: (LAYOUTS[name], changes))
)


def parts_of(file, *endings):
    return sorted(name for name in file.tensors if name.endswith(endings))


DOWN = ("lora_A.weight", "down.weight")
UP = ("lora_B.weight", "up.weight")
MID = ("lora_mid.weight",)


@examples(10)
@given(case=files, data=st.data())
def test_a_tensor_without_its_partner_is_named(pipelines, place, case, data):
    layout, changes = case
    file, own = layout.file(changes), layout.file(changes[:1])
    dropped = data.draw(st.sampled_from(parts_of(own, *DOWN, *UP)))
    del file.tensors[dropped]
    problem = refused(pipelines[torch.float32], file.write(place))
    assert any(repr(name) in problem for name in own.tensors if name != dropped), problem
    assert "has no partner" in problem


@examples(12)
@given(case=files, ending=st.sampled_from(STRANGE_ENDINGS) | st.from_regex(r"[a-z_]{1,12}", fullmatch=True))
def test_a_tensor_that_nothing_reads_is_named(pipelines, place, case, ending):
    layout, changes = case
    file = layout.file(changes)
    assume(ending != "alpha")
    stem = layout.spell(changes[0])
    file.tensors[f"{stem}.{ending}"] = torch.ones(3)
    assert repr(f"{stem}.{ending}") in refused(pipelines[torch.float32], file.write(place))


@examples(7)
@given(name=st.text(max_size=30).filter(lambda name: name != "__metadata__" and not name.endswith(".alpha")))
def test_a_tensor_of_any_other_name_is_named(pipelines, place, name):
    file = LAYOUTS["kohya"].file([Change(UNET, "conv_in", 2, 1.0, torch.float32)])
    assume(name not in file.tensors)
    file.tensors[name] = torch.ones(3)
    assert repr(name) in refused(pipelines[torch.float32], file.write(place))


@examples(10)
@given(case=files, data=st.data())
def test_a_module_that_the_model_does_not_have_is_named(pipelines, place, case, data):
    layout, changes = case
    file, own = layout.file(changes), layout.file(changes[:1])
    stem = layout.spell(changes[0])
    where = data.draw(st.integers(len(stem) - 1, len(stem)))
    wrong = stem[:where] + data.draw(st.sampled_from(["x", "7", "_9", ".9", "__"])) + stem[where:]
    for name in own.tensors:
        file.tensors[name.replace(stem, wrong, 1)] = file.tensors.pop(name)
    problem = refused(pipelines[torch.float32], file.write(place))
    assert f"no module for '{wrong}" in problem, problem


@examples(10)
@given(case=files, data=st.data())
def test_a_tensor_of_another_shape_is_named(pipelines, place, case, data):
    layout, changes = case
    file = layout.file(changes)
    name = data.draw(st.sampled_from(parts_of(file, *DOWN, *UP, *MID)))
    value = file.tensors[name]
    # Of down the rank is whatever it says, and up is wrong then; of the others every size is given.
    dimension = data.draw(st.integers(0, 1))
    file.tensors[name] = torch.cat([value, value], dim=dimension)
    problem = refused(pipelines[torch.float32], file.write(place))
    assert "has the shape" in problem
    if dimension or not name.endswith(DOWN):
        assert repr(name) in problem


@examples(7)
@given(case=files, data=st.data(), number=st.sampled_from([float("nan"), float("inf"), -float("inf")]))
def test_a_number_that_is_not_finite_is_named(pipelines, place, case, data, number):
    layout, changes = case
    file = layout.file(changes)
    name = data.draw(st.sampled_from(sorted(file.tensors)))
    file.tensors[name] = file.tensors[name].clone()
    file.tensors[name].view(-1)[data.draw(st.integers(0, file.tensors[name].numel() - 1))] = number
    assert repr(name) in refused(pipelines[torch.float32], file.write(place))


@examples(7)
@given(first=st.sampled_from(sorted(LAYOUTS)), second=st.sampled_from(sorted(LAYOUTS)), data=st.data())
def test_names_of_two_layouts_in_one_file_are_refused(pipelines, place, first, second, data):
    kinds = {name: name.split(",")[0] for name in LAYOUTS}
    kinds |= dict.fromkeys(("attention processors", "Replicate"), "diffusers")
    assume(kinds[first] != kinds[second])
    one, other = (LAYOUTS[name].file(data.draw(LAYOUTS[name].changes())) for name in (first, second))
    one.tensors |= other.tensors
    problem = refused(pipelines[torch.float32], one.write(place))
    assert "mixes names" in problem
    assert sum(repr(name) in problem for name in one.tensors) == 2


@examples(5)
@given(
    pairs=st.sampled_from([("kohya", "kohya, original names"), ("diffusers", "diffusers, older")]),
    data=st.data(),
)
def test_two_pairs_for_one_module_are_refused(pipelines, place, pairs, data):
    change = data.draw(LAYOUTS[pairs[0]].changes())[0]
    one, other = (LAYOUTS[name].file([change]) for name in pairs)
    assume(not one.tensors.keys() & {name for name in other.tensors if not name.endswith(".alpha")})
    one.tensors |= other.tensors
    assert "are for the same module" in refused(pipelines[torch.float32], one.write(place))


def test_a_rank_of_nothing_is_refused(pipelines, place):
    file = LAYOUTS["kohya"].file([Change(UNET, "conv_in", 1, None, torch.float32)])
    file.tensors = {
        name: value[:0] if "down" in name else value[:, :0] for name, value in file.tensors.items()
    }
    assert "shape" in refused(pipelines[torch.float32], file.write(place))


def test_only_a_file_whose_every_alpha_is_zero_changes_nothing(pipelines, place):
    dead = Change(UNET, "conv_in", 2, 0.0, torch.float32)
    alive = Change(UNET, "conv_out", 2, 2.0, torch.float32)
    pipeline = pipelines[torch.float32]
    assert "changes nothing" in refused(pipeline, LAYOUTS["kohya"].file([dead]).write(place))
    assert load_lora(pipeline, LAYOUTS["kohya"].file([dead, alive]).write(place)).modules == 2


@pytest.mark.parametrize(
    "module", ["down_blocks.1.attentions.0.proj_in", "down_blocks.1.resnets.0.conv_shortcut"]
)
def test_a_linear_layer_may_be_written_as_a_convolution_of_one_pixel_and_the_other_way(
    pipelines, place, module
):
    change = Change(UNET, module, 3, 2.0, torch.float32)
    file = LAYOUTS["kohya"].file([change])
    for name, value in file.tensors.items():
        if value.ndim:
            file.tensors[name] = value.flatten(1) if value.ndim == 4 else value[..., None, None]
    pipeline = pipelines[torch.float32]
    before = weights(pipeline)[f"{UNET}.{module}.weight"]
    lora = load_lora(pipeline, file.write(place))
    lora.apply(1.0)
    after = weights(pipeline)[f"{UNET}.{module}.weight"]
    lora.apply(0.0)
    torch.testing.assert_close(after, (before.double() + change.meaning()).float())


def test_an_alpha_is_one_number(pipelines, place):
    change = Change(UNET, "conv_in", 2, 2.0, torch.float32)
    file, name = LAYOUTS["kohya"].file([change]), f"{kohya_name(change)}.alpha"
    file.tensors[name] = torch.ones(2)
    assert repr(name) in refused(pipelines[torch.float32], file.write(place))
