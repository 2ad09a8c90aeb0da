"""Weights that a LoRA changes, read again from the files when a request asks for another scale."""

import gc
import os
import shutil

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from drawing import draw, files_in, images, load_small_engine
from hypothesis import given
from hypothesis import strategies as st
from lora_files import write_lora_diffusers
from lora_layouts import LAYERS
from safetensors.torch import load_file, save_file
from single_file import write_single_file

from plitka.diffusion.adapters.lora import load_lora
from plitka.diffusion.checkpoints.pretrained import read_base
from plitka.diffusion.checkpoints.stored_weights import StoredWeights, stored_weights
from plitka.errors import ModelFileError
from plitka.weights.locate import Location

UNET = "unet/diffusion_pytorch_model.fp16.safetensors"
KINDS = ["folder", "single file"]


def base_of(folder, kind):
    """The base model's files, in one of the two forms; a single file is written beside the folder."""
    if kind == "folder":
        return files_in(folder)
    path = folder / "one.safetensors"
    if not path.exists():
        write_single_file(path, folder / "base")
    return files_in(folder, PLITKA_BASE_MODEL=str(path))


def unet_file(folder, kind):
    return folder / ("base/" + UNET if kind == "folder" else "one.safetensors")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_that_a_lora_may_change_is_read_again_as_it_was_loaded(folder, kind, dtype):
    files = base_of(folder, kind)
    base = read_base(files, dtype)
    stored = stored_weights(base, files.base)
    for part, layers in LAYERS.items():
        own = {
            name.removeprefix("text_model."): value for name, value in getattr(base, part).named_parameters()
        }
        for layer in layers:
            key = (part, f"{layer}.weight")
            assert key in stored
            assert torch.equal(stored.read(key).to(dtype), own[key[1]]), key


@pytest.fixture(scope="module")
def changed(model_folder, tmp_path_factory):
    """Per number format: the pipeline, its fresh weights, a LoRA whose originals are read from the file."""
    path = tmp_path_factory.mktemp("lora") / "lora.safetensors"
    found = {}
    for dtype in (torch.float32, torch.float16):
        files = files_in(model_folder)
        base = read_base(files, dtype)
        write_lora_diffusers(path, base.unet)
        fresh = {name: value.clone() for name, value in base.unet.state_dict().items()}
        found[dtype] = (base, fresh, load_lora(base, path, stored=stored_weights(base, files.base)))
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@given(scales=st.lists(st.floats(-2, 2) | st.sampled_from([0.0, 0.75]), min_size=1, max_size=5))
def test_a_scale_gives_the_same_bits_whatever_was_asked_for_before(changed, dtype, scales):
    base, fresh, lora = changed[dtype]
    lora.apply(0.0)
    assert_same(base.unet, fresh)
    lora.apply(0.75)
    default = {name: value.clone() for name, value in base.unet.state_dict().items()}
    for scale in scales:
        lora.apply(scale)
    lora.apply(0.75)
    assert_same(base.unet, default)
    lora.apply(0.0)
    assert_same(base.unet, fresh)


def assert_same(model, expected):
    assert [
        name for name, value in model.state_dict().items() if not torch.equal(value, expected[name])
    ] == []


def test_no_weight_is_kept_twice(model_folder, tmp_path):
    files = files_in(model_folder)
    base = read_base(files, torch.float32)
    path = tmp_path / "lora.safetensors"
    write_lora_diffusers(path, base.unet)
    gc.collect()
    before = {id(found) for found in tensors()}
    lora = load_lora(base, path, stored=stored_weights(base, files.base))
    for scale in (0.75, 0.5, 0.0):
        lora.apply(scale)
    gc.collect()
    new = sum(found.nbytes for found in tensors() if id(found) not in before)
    assert 0 < new < 2 * path.stat().st_size


def tensors():
    return [found for found in gc.get_objects() if type(found) is torch.Tensor]


# Files that change under a running program


@pytest.mark.long
@pytest.mark.each_value
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gone", ["replaced", "deleted"])
def test_a_file_that_is_replaced_or_deleted_is_still_the_one_that_was_loaded(folder, kind, gone):
    base_of(folder, kind)
    path = unet_file(folder, kind)
    environment = {} if kind == "folder" else {"PLITKA_BASE_MODEL": str(path)}
    engine = load_small_engine(folder, **environment)
    expected, other = images(draw(engine)), images(draw(engine, lora_scale=0.2))
    if gone == "replaced":
        save_file({name: value + 1 for name, value in load_file(path).items()}, path.with_name("new"))
        path.with_name("new").replace(path)
    else:
        path.unlink()
    assert images(draw(engine)) == expected
    assert images(draw(engine, lora_scale=0.2)) == other


WRITTEN = {
    "other numbers": lambda path: save_over(path, {name: v + 1 for name, v in load_file(path).items()}),
    "cut short": lambda path: os.truncate(path, path.stat().st_size // 2),
    "emptied": lambda path: os.truncate(path, 0),
}


def save_over(path, tensors):
    """Write to the file itself, as `cp` does, and not to another of its name."""
    new = path.with_name("new")
    save_file(tensors, new, metadata={"format": "pt"})
    with path.open("r+b") as file, new.open("rb") as source:
        shutil.copyfileobj(source, file)
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("how", WRITTEN)
def test_a_file_that_was_written_to_is_refused_and_the_weights_stay(folder, tmp_path, how):
    # In half precision, like the file, the loaded weights themselves lie in the mapped file.
    files = files_in(folder)
    base = read_base(files, torch.float32)
    path = tmp_path / "lora.safetensors"
    write_lora_diffusers(path, base.unet)
    lora = load_lora(base, path, stored=stored_weights(base, files.base))
    lora.apply(0.75)
    before = {name: value.clone() for name, value in base.unet.state_dict().items()}
    WRITTEN[how](folder / "base" / UNET)
    for _ in range(2):
        with pytest.raises(ModelFileError, match=rf"{UNET}: it was written to after it was loaded\. Start"):
            lora.apply(0.5)
        assert lora.scale == 0.75
        assert_same(base.unet, before)
    lora.apply(0.75)


def test_a_file_that_changes_while_it_is_loaded_is_refused(folder):
    files = files_in(folder)
    base = read_base(files, torch.float32)
    os.utime(folder / "base" / UNET, ns=(1, 1))
    with pytest.raises(ModelFileError, match=f"{UNET}: it was changed while it was being loaded"):
        stored_weights(base, files.base)


# Where the files are


def test_a_model_from_the_hub_is_read_again_from_the_hubs_own_folder(folder):
    base = StableDiffusionXLPipeline.from_pretrained(folder / "base", variant="fp16", dtype=torch.float32)
    stored = stored_weights(base, Location("somebody/a-model", "a model", variant="fp16", is_local=False))
    assert torch.equal(stored.read(("unet", "conv_in.weight")).float(), base.unet.conv_in.weight)


def test_a_model_that_came_from_no_file_has_its_originals_kept(folder, tmp_path):
    base = read_base(files_in(folder), torch.float32)
    base.unet.register_to_config(_name_or_path=str(tmp_path))
    assert stored_weights(base, Location("somebody/a-model", "a model", is_local=False)) is None


def test_shards_are_read_like_a_whole_file(folder, tmp_path):
    base = read_base(files_in(folder), torch.float32)
    base.unet.save_pretrained(tmp_path / "unet", max_shard_size="100KB")
    assert len(list((tmp_path / "unet").glob("*-of-*.safetensors"))) > 1
    for part in ("text_encoder", "text_encoder_2"):
        getattr(base, part).save_pretrained(tmp_path / part)
    stored = StoredWeights(base, Location(str(tmp_path), "sharded"))
    for layer in LAYERS["unet"]:
        weight = base.unet.get_submodule(layer).weight
        assert torch.equal(stored.read(("unet", f"{layer}.weight")), weight)
