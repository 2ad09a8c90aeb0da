"""Every part of the weights against every way a file goes wrong: one sentence, and nothing stays loaded."""

import gc
import hashlib
import json
import os
import pickle
import re
import shutil
import struct
import weakref
from itertools import product
from pathlib import Path

import pytest
import torch
from checkpoints import (
    EMBEDDINGS_FILE,
    LFS_POINTER,
    LORA_FILE,
    WIDTH_G,
    WIDTH_L,
    describe_file,
    edit_manifest,
    write_controlnet,
    write_embeddings,
)
from diffusers import AutoencoderKL
from drawing import draw, load_small_engine
from safetensors.torch import load_file, save_file
from single_file import write_single_file
from thorough import one_in

from plitka.diffusion.checkpoints.weight_checks import check_complete
from plitka.diffusion.pipelines import Pipelines
from plitka.errors import ModelFileError
from plitka.weights.locate import Location

VARIANT = "diffusion_pytorch_model.fp16.safetensors"
PLAIN = "diffusion_pytorch_model.safetensors"
PARTS = {
    "base unet": f"base/unet/{VARIANT}",
    "base text encoder": "base/text_encoder/model.fp16.safetensors",
    "base text encoder 2": "base/text_encoder_2/model.fp16.safetensors",
    "vae": f"vae/{PLAIN}",
    "controlnet": f"controlnet-lines/{VARIANT}",
    "union controlnet": f"controlnet-union/{PLAIN}",
    "lora": LORA_FILE,
    "embeddings": EMBEDDINGS_FILE,
}
PAGE = (
    b"<!DOCTYPE html><html><head><title>404 Not Found</title></head><body>" + b" " * 500 + b"</body></html>"
)
ANGLES = {"controlnet": 45, "union controlnet": 90}


@pytest.fixture
def folder(folder):
    """A model folder to spoil whose adapters carry no hash, so that content has to be judged."""
    edit_manifest(
        folder,
        lambda models: [
            models[part].pop(key) for part in ("lora", "embeddings") for key in ("size", "sha256")
        ],
    )
    return folder


def refusal(folder, part):
    """The sentence with which the folder is refused, at the start or when the ControlNet is needed."""
    with pytest.raises(ModelFileError) as raised:
        engine = load_small_engine(folder)
        try:
            draw(engine, angle=ANGLES[part])
        finally:
            assert engine.pipelines.controlnets.loaded == ()
    text = str(raised.value)
    assert "\n" not in text
    assert "Traceback" not in text
    assert len(text) < 700
    return text


def cut(tenth):
    return lambda path: path.write_bytes(path.read_bytes()[: max(1, path.stat().st_size * tenth // 10)])


UNREADABLE = {
    "empty": lambda path: path.write_bytes(b""),
    "lfs pointer": lambda path: path.write_bytes(LFS_POINTER),
    "html page": lambda path: path.write_bytes(PAGE),
    "renamed pickle": lambda path: path.write_bytes(pickle.dumps({"weight": list(range(500))})),
    "zipped pickle": lambda path: torch.save({"weight": torch.ones(9)}, path),
    **{f"cut at {tenth} tenths": cut(tenth) for tenth in range(10)},
}


@pytest.mark.parametrize(("part", "damage"), one_in(7, product(PARTS, UNREADABLE)))
def test_a_file_that_is_no_whole_weight_file_is_refused_by_name(folder, part, damage):
    path = folder / PARTS[part]
    UNREADABLE[damage](path)
    text = refusal(folder, part)
    assert str(path) in text
    assert re.search("LFS pointer|safetensors file|header promises|cut short", text)


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_file_is_refused(folder, part):
    path = folder / PARTS[part]
    path.unlink()
    text = refusal(folder, part)
    assert path.parts[len(folder.parts)].split(".")[0] in text


@pytest.mark.parametrize("place", ["header", "first weight", "last weight"])
@pytest.mark.parametrize("part", PARTS)
def test_one_flipped_byte_is_refused_where_the_hash_is_known(folder, part, place):
    path = folder / PARTS[part]
    list_hash(folder, part, path)
    flip(path, place)
    text = refusal(folder, part)
    assert str(path) in text
    if place != "header":
        assert "sha256" in text


def list_hash(folder, part, path):
    key = part.split()[0]
    known = describe_file(path)
    if part in ("lora", "embeddings"):
        edit_manifest(folder, lambda models: models[part].update(known))
        return
    relative = path.relative_to(folder)
    listed = {"path": str(relative.relative_to(relative.parts[0])), **known}
    keys = {"controlnet": "lines", "union": "union"}
    edit_manifest(
        folder,
        lambda models: (models["controlnets"][keys[key]] if key in keys else models[key]).update(
            files=[listed]
        ),
    )


def flip(path, place):
    content = bytearray(path.read_bytes())
    header = int.from_bytes(content[:8], "little")
    content[{"header": 8 + header // 2, "first weight": 8 + header, "last weight": -1}[place]] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("part", PARTS)
def test_a_tensor_under_another_name_is_missed_and_not_drawn_at_random(folder, part):
    """What one flipped byte in a header does; the libraries alone would fill the gap with random numbers."""
    path = folder / PARTS[part]
    tensors = load_file(path)
    name = sorted(tensors)[0]
    tensors[name.replace(name[0], "Q", 1)] = tensors.pop(name)
    save_file(tensors, path, metadata={"format": "pt"})
    assert path.parts[len(folder.parts)].split(".")[0] in refusal(folder, part)


@pytest.mark.parametrize(
    "part",
    ["model.diffusion_model", "conditioner.embedders.0", "conditioner.embedders.1"],
)
def test_a_tensor_left_out_of_a_single_file_is_missed(model_folder, tmp_path, part):
    path = tmp_path / "base.safetensors"
    write_single_file(path, model_folder / "base")
    tensors = load_file(path)
    names = [name for name in sorted(tensors) if name.startswith(part) and name.endswith("weight")]
    del tensors[names[-1]]
    save_file(tensors, path)
    with pytest.raises(ModelFileError) as raised:
        load_small_engine(model_folder, PLITKA_BASE_MODEL=str(path))
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.each_value
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", PARTS)
def test_a_number_that_is_not_finite_is_refused(folder, part, value):
    path = folder / PARTS[part]
    tensors = load_file(path)
    list(tensors.values())[-1].view(-1)[-1] = value
    save_file(tensors, path, metadata={"format": "pt"})
    text = refusal(folder, part)
    assert str(path) in text
    assert "finite" in text


@pytest.mark.parametrize("dtype", [torch.int8, torch.int32, torch.bool, torch.float8_e4m3fn])
@pytest.mark.parametrize("part", PARTS)
def test_weights_of_another_type_are_refused(folder, part, dtype):
    path = folder / PARTS[part]
    save_file(
        {name: value.to(dtype) for name, value in load_file(path).items()}, path, metadata={"format": "pt"}
    )
    text = refusal(folder, part)
    assert str(path) in text
    assert "where weights are F64, F32, F16, BF16" in text


# Weights for something else


def test_a_controlnet_for_stable_diffusion_1_5_is_refused(folder):
    shutil.rmtree(folder / "controlnet-lines")
    write_controlnet(folder / "controlnet-lines", cross_attention_dim=WIDTH_L)
    assert "cross_attention_dim is 32, the base model's 80" in refusal(folder, "controlnet")


def test_a_lora_for_stable_diffusion_1_5_is_refused(folder):
    path = folder / LORA_FILE
    narrow = {
        name: value[:, :WIDTH_L].contiguous() if "attn2.to_k.lora_A" in name else value
        for name, value in load_file(path).items()
    }
    save_file(narrow, path)
    assert f"{path}: it does not fit the base model" in refusal(folder, "lora")


def test_swapped_embeddings_are_refused(folder):
    write_embeddings(folder / EMBEDDINGS_FILE, widths=(WIDTH_G, WIDTH_L))
    assert "clip_l and clip_g are swapped" in refusal(folder, "embeddings")


@pytest.mark.parametrize(
    ("part", "other"), [("vae", "controlnet"), ("base unet", "vae"), ("controlnet", "vae")]
)
def test_the_weights_of_another_part_are_refused(folder, part, other):
    shutil.copy(folder / PARTS[other], folder / PARTS[part])
    assert PARTS[part].split("/")[0] in refusal(folder, part)


# Nothing stays


@pytest.mark.parametrize("part", ["lora", "embeddings"])
def test_a_refused_start_holds_on_to_no_model(folder, part, monkeypatch):
    made = []
    start = Pipelines.__init__

    def watched(self, *given):
        start(self, *given)
        made.append(weakref.ref(self.base.unet))

    monkeypatch.setattr(Pipelines, "__init__", watched)
    tensors = load_file(folder / PARTS[part])
    save_file({name: value / 0 for name, value in tensors.items()}, folder / PARTS[part])
    refusal(folder, part)
    gc.collect()
    assert [model() for model in made] == [None]


# Hashes at the start


def test_a_hashed_file_is_not_read_again_until_it_changes(folder, monkeypatch):
    path = folder / PARTS["vae"]
    list_hash(folder, "vae", path)
    load_small_engine(folder)
    hashed, digest = [], hashlib.file_digest

    def watched(file, name):
        hashed.append(Path(file.name))
        return digest(file, name)

    monkeypatch.setattr(hashlib, "file_digest", watched)
    load_small_engine(folder)
    assert path not in hashed
    os.utime(path)
    load_small_engine(folder)
    assert hashed.count(path) == 1


@pytest.mark.parametrize("record", [b"", b"[1]", b'{"a": 1}', b"\xff\xfe"])
def test_a_broken_record_of_hashes_only_means_hashing_anew(folder, record):
    path = folder / PARTS["vae"]
    list_hash(folder, "vae", path)
    (folder / ".verified.json").write_bytes(record)
    load_small_engine(folder)
    stamps = json.loads((folder / ".verified.json").read_text())
    assert stamps[PARTS["vae"]][-1] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_header_of_garbage_is_refused(folder):
    body = json.dumps({"w": {"data_offsets": [0, 4]}}).encode()
    (folder / PARTS["vae"]).write_bytes(struct.pack("<Q", len(body)) + body + bytes(4))
    assert "without a type or a shape" in refusal(folder, "vae")


def test_an_older_vae_with_other_names_for_attention_is_whole(tmp_path):
    vae = AutoencoderKL(block_out_channels=(8,), norm_num_groups=4, latent_channels=4)
    vae.save_pretrained(tmp_path)
    path = tmp_path / PLAIN
    old_names = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    renamed = {}
    for name, tensor in load_file(path).items():
        for present, old in old_names.items():
            name = name.replace(present, old)
        renamed[name] = tensor
    assert any(".query." in name for name in renamed)
    save_file(renamed, path, metadata={"format": "pt"})
    location = Location(str(tmp_path), "vae")
    check_complete(AutoencoderKL.from_pretrained(tmp_path), location)
