"""The base model: the manifest's, or what `PLITKA_BASE_MODEL` names in its place, and its VAE."""

import json
import os
import shutil

import pytest
import torch
from checkpoints import edit_config, edit_manifest, write_base
from drawing import files_in
from safetensors.torch import load_file
from single_file import write_single_file

from plitka.diffusion.checkpoints.pretrained import read_base
from plitka.errors import ModelFileError
from plitka.weights.locate import find_files

# Which is chosen


@pytest.mark.parametrize(
    ("chosen", "path", "revision"),
    [("owner/name", "owner/name", None), ("owner/name@abc", "owner/name", "abc")],
)
def test_the_base_may_be_a_hub_id(folder, monkeypatch, chosen, path, revision):
    monkeypatch.setenv("PLITKA_BASE_MODEL", chosen)
    base = find_files("sdxl").base
    assert (base.path, base.revision, base.is_local, base.name) == (path, revision, False, chosen)
    assert base.variant is None


def test_the_base_may_be_a_folder_or_a_file(folder, monkeypatch):
    monkeypatch.setenv("PLITKA_BASE_MODEL", str(folder / "base"))
    assert find_files("sdxl").base.variant == "fp16"
    single = folder / "other.safetensors"
    shutil.copy(folder / "base/unet/diffusion_pytorch_model.fp16.safetensors", single)
    monkeypatch.setenv("PLITKA_BASE_MODEL", str(single))
    base = find_files("sdxl").base
    assert base.is_single_file
    assert base.name == f"other.safetensors ({single.stat().st_size} bytes)"
    assert find_files("sdxl").base_config.path == str(folder / "base")


def test_a_single_file_without_a_local_configuration_needs_the_hub(folder, monkeypatch):
    single = folder / "other.safetensors"
    shutil.copy(folder / "base/unet/diffusion_pytorch_model.fp16.safetensors", single)
    shutil.rmtree(folder / "base")
    monkeypatch.setenv("PLITKA_BASE_MODEL", str(single))
    with pytest.raises(ModelFileError, match="the configuration of the base model is missing"):
        find_files("sdxl")
    edit_manifest(folder, lambda models: models["base"].update(repo="someone/base", revision="abc"))
    config = find_files("sdxl").base_config
    assert (config.path, config.revision, config.is_local) == ("someone/base", "abc", False)
    assert "HF_HUB_OFFLINE" not in os.environ


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ("name", "no such folder or file, and it is no hub id"),
        ("/nowhere/at/all", "no such folder or file"),
        ("a/b/c", "no such folder or file"),
        ("absent.safetensors", "the file is missing"),
    ],
)
def test_a_base_that_is_nowhere_is_named_with_what_is_allowed(folder, monkeypatch, chosen, reason):
    monkeypatch.setenv("PLITKA_BASE_MODEL", chosen)
    with pytest.raises(ModelFileError, match=reason) as raised:
        find_files("sdxl")
    assert "a hub id, a diffusers folder or a .safetensors file" in str(raised.value)


def test_a_base_folder_without_a_pipeline_in_it_is_refused(folder, monkeypatch):
    monkeypatch.setenv("PLITKA_BASE_MODEL", str(folder / "vae"))
    with pytest.raises(ModelFileError, match=r"no model_index\.json"):
        find_files("sdxl")


# What is loaded


def test_the_manifests_vae_is_used_in_place_of_the_bases_own(loaded, model_folder):
    ours = loaded.base.vae.state_dict()
    safe = load_file(model_folder / "vae" / "diffusion_pytorch_model.safetensors")
    own = load_file(model_folder / "base" / "vae" / "diffusion_pytorch_model.fp16.safetensors")
    assert all(torch.equal(ours[name], value) for name, value in safe.items())
    assert not torch.equal(ours["decoder.conv_in.weight"], own["decoder.conv_in.weight"].float())
    assert not loaded.base.vae.config.force_upcast


def test_half_precision_with_a_vae_that_overflows_in_it_is_refused(folder):
    edit_manifest(folder, lambda models: models.update(vae=None))
    with pytest.raises(ModelFileError, match="base: its VAE overflows in half precision"):
        read_base(files_in(folder), torch.float16)
    assert read_base(files_in(folder), torch.float32).vae.config.force_upcast


def test_another_folder_may_be_the_base(folder, tmp_path):
    write_base(tmp_path / "other", seed=9)
    other = read_base(files_in(folder, PLITKA_BASE_MODEL=str(tmp_path / "other")), torch.float32)
    expected = load_file(tmp_path / "other" / "unet" / "diffusion_pytorch_model.fp16.safetensors")
    assert torch.equal(other.unet.conv_in.weight, expected["conv_in.weight"].float())


def test_a_single_file_needs_no_more_than_the_bases_configuration(folder):
    checkpoint = folder / "checkpoint.safetensors"
    write_single_file(checkpoint, folder / "base")
    for weights in (folder / "base").rglob("*.safetensors"):
        weights.unlink()
    base = read_base(files_in(folder, PLITKA_BASE_MODEL=str(checkpoint)), torch.float32)
    original = load_file(checkpoint)["model.diffusion_model.input_blocks.0.0.weight"]
    assert torch.equal(base.unet.conv_in.weight, original.float())


def test_a_single_file_gives_every_weight_of_the_folder_it_was_written_from(model_folder, tmp_path):
    write_single_file(tmp_path / "checkpoint.safetensors", model_folder / "base")
    files = files_in(model_folder, PLITKA_BASE_MODEL=str(tmp_path / "checkpoint.safetensors"))
    one, other = read_base(files, torch.float32), read_base(files_in(model_folder), torch.float32)
    for part in ("unet", "text_encoder", "text_encoder_2"):
        ours, theirs = getattr(one, part).state_dict(), getattr(other, part).state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_base_that_does_not_load_is_named(folder):
    (folder / "base" / "unet" / "config.json").write_text("{")
    with pytest.raises(ModelFileError, match=r"base: unet/config\.json is cut short, or no JSON"):
        read_base(files_in(folder), torch.float32)


def test_a_pickle_is_never_loaded(folder):
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    (folder / "vae" / "diffusion_pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(
        ModelFileError, match=r"model\.safetensors is missing; .*model\.bin beside it is a pickle"
    ):
        read_base(files_in(folder), torch.float32)


# Tokenizers


def move_every_token(folder):
    path = folder / "vocab.json"
    path.write_text(json.dumps({word: number + 1 for word, number in json.loads(path.read_text()).items()}))


def no_words(folder):
    (folder / "vocab.json").write_text('{"<|startoftext|>": 0, "<|endoftext|>": 1}')
    (folder / "merges.txt").write_text("")


def without(*names):
    def remove(folder):
        for name in names:
            (folder / name).unlink()

    return remove


@pytest.mark.each_value
@pytest.mark.parametrize("part", ["tokenizer", "tokenizer_2"])
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (shutil.rmtree, "tokenizer.json is missing"),
        (without("vocab.json", "merges.txt"), "tokenizer.json is missing"),
        (without("vocab.json"), "vocab.json is missing"),
        (without("tokenizer_config.json"), "tokenizer_config.json is missing"),
        (lambda folder: (folder / "tokenizer_config.json").write_text("{}"), "takes texts of any length"),
        (no_words, "its vocabulary is missing"),
        (move_every_token, "and its text encoder 682 of them"),
        (lambda folder: edit_config(folder / "tokenizer_config.json", model_max_length=64), "of 64 tokens"),
    ],
)
def test_a_tokenizer_that_is_missing_or_another_models_is_refused_at_setup(folder, part, spoil, reason):
    spoil(folder / "base" / part)
    with pytest.raises(ModelFileError, match=reason):
        read_base(files_in(folder), torch.float32)
