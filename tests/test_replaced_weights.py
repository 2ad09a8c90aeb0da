"""A weight file that another takes the place of while it is being checked, or before it is loaded."""

import hashlib

import pytest
from checkpoints import describe_file, edit_manifest
from drawing import CPU, SCHEDULER, files_in
from safetensors.torch import load_file, save_file

from plitka.diffusion.pipelines import Pipelines
from plitka.errors import ModelFileError

UNET = "unet/diffusion_pytorch_model.fp16.safetensors"


@pytest.fixture
def unet(folder):
    """The UNet's file, listed with its hash."""
    path = folder / "base" / UNET
    listed = {"path": UNET, **describe_file(path)}
    edit_manifest(folder, lambda models: models["base"].update(files=[listed]))
    return path


def replace(path, change):
    """Put a file with changed tensors in the place of one, as `mv` does."""
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path.with_name("new"), metadata={"format": "pt"})
    path.with_name("new").replace(path)


def test_the_record_does_not_vouch_for_a_file_that_came_while_another_was_hashed(folder, unet, monkeypatch):
    digest = hashlib.file_digest

    def replaced_meanwhile(file, *given):
        found = digest(file, *given)
        if file.name == str(unet):
            replace(unet, lambda tensors: next(iter(tensors.values())).add_(1))
        return found

    with monkeypatch.context() as patched:
        patched.setattr(hashlib, "file_digest", replaced_meanwhile)
        files_in(folder)
    with pytest.raises(ModelFileError, match="sha256"):
        files_in(folder)


def test_a_file_that_came_after_the_check_is_not_loaded_with_gaps(folder):
    files = files_in(folder)
    replace(folder / "base/text_encoder/model.fp16.safetensors", lambda tensors: tensors.pop(max(tensors)))
    with pytest.raises(ModelFileError, match="lacks 1 of the model's"):
        Pipelines(files, CPU)


def shifted(tensors):
    """Other weights of the same names and shapes: nothing but their hash tells them apart."""
    next(iter(tensors.values())).add_(1)


@pytest.fixture
def controlnet(folder):
    """The union ControlNet's file and a function that lists it with its hash."""
    path = next((folder / "controlnet-union").glob("*.safetensors"))

    def listed():
        spec = {"path": path.name, **describe_file(path)}
        edit_manifest(folder, lambda models: models["controlnets"]["union"].update(files=[spec]))

    return path, listed


@pytest.mark.parametrize(("is_listed", "reason"), [(True, "sha256"), (False, "no hash of it is listed")])
def test_a_controlnet_replaced_after_setup_is_hashed_before_it_draws(folder, controlnet, is_listed, reason):
    path, listed = controlnet
    if is_listed:
        listed()
    pipelines = Pipelines(files_in(folder), CPU)
    replace(path, shifted)
    with pytest.raises(ModelFileError, match=reason) as raised:
        pipelines.get("canny", False, SCHEDULER)
    assert str(path) in str(raised.value)


def test_a_listed_controlnet_that_was_only_written_again_is_used(folder, controlnet):
    path, listed = controlnet
    listed()
    pipelines = Pipelines(files_in(folder), CPU)
    path.write_bytes(path.read_bytes())
    assert pipelines.get("canny", False, SCHEDULER)[1] is not None


@pytest.mark.parametrize("file", ["base/unet/diffusion_pytorch_model.fp16.safetensors", "vae/*.safetensors"])
def test_a_file_replaced_between_check_and_load_is_not_drawn_with(folder, file):
    files = files_in(folder)
    replace(next(folder.glob(file)), shifted)
    with pytest.raises(ModelFileError, match="another file than was checked"):
        Pipelines(files, CPU)
