"""What is said of a model's folder that lacks a file, or has one cut short: which file, and what to do."""

import shutil
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import torch
from drawing import CPU, files_in
from drawing import refusal as refused

from plitka.diffusion.checkpoints.pretrained import read_base
from plitka.diffusion.families.known import FAMILIES
from plitka.diffusion.kandinsky.checks import DECODER_PARTS, PRIOR_PARTS
from plitka.diffusion.pipelines import Pipelines
from plitka.errors import ModelFileError
from plitka.weights.listing import verify
from plitka.weights.model_folder import PARTS, PRIOR_CLASS, faults_of_pipeline

# What no pipeline reads: Kandinsky's depth decoder shares all but its UNet with the decoder.
NOT_READ = {
    "prior/image_processor/preprocessor_config.json",
    "depth/model_index.json",
    "depth/movq/config.json",
    "depth/movq/diffusion_pytorch_model.safetensors",
    "depth/scheduler/scheduler_config.json",
    # The manifest of SDXL has another VAE in its place.
    "base/vae/config.json",
    "base/vae/diffusion_pytorch_model.fp16.safetensors",
}
FAMILY_FOLDERS = ("model_folder", "sd15_folder", "kandinsky_folder")


@pytest.fixture(params=FAMILY_FOLDERS)
def models(request, tmp_path):
    """A copy of the model folder of each family."""
    return shutil.copytree(request.getfixturevalue(request.param), tmp_path / "models")


def files_of(folder):
    """Every file of the models in a folder, by its path there; adapters and manifest lie beside them."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.parent != folder
    )


def is_read(file, folder):
    own_vae = file.startswith("base/vae/") and not (folder / "vae").is_dir()
    return own_vae or file not in NOT_READ


@contextmanager
def spoilt(path, change):
    """A file or folder as a change leaves it, for as long as the block runs."""
    kept = path.with_name("kept")
    path.rename(kept)
    try:
        change(kept, path)
        yield
    finally:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        kept.rename(path)


def gone(kept, path):
    """Nothing takes its place."""


def cut(kept, path, part):
    content = kept.read_bytes()
    path.write_bytes(content[: min(int(part * len(content)), len(content.rstrip()) - 1)])


def refusal(folder):
    with pytest.raises(ModelFileError) as raised:
        files_in(folder)
    text = str(raised.value)
    assert "\n" not in text
    assert "model_files/README.md" in text, "and what to do"
    return text


def names(text, folder, file):
    """Whether a text names a file, by its whole path or as one in the model's folder."""
    model, _, inside = file.partition("/")
    return f"{folder / file}:" in text or f"{folder / model}: {inside} " in text


def test_a_missing_file_is_named_where_it_should_be(models):
    """By the start, and by `plitka models` in one line alone."""
    tried = 0
    for file in files_of(models):
        with spoilt(models / file, gone):
            if not is_read(file, models):
                files_in(models)
                continue
            text = refusal(models)
            statuses = list(verify("sdxl", models, hashes=False))
        assert names(text, models, file), text
        assert "is missing" in text
        lost = [status for status in statuses if status.state == "missing"]
        assert lost[0].path == str(models / file)
        assert lost[0].source == "manifest.json"
        # What goes with a base model of no known family is not known.
        assert len(lost) == 1 or file.endswith("/model_index.json")
        tried += 1
    assert tried > 12


def test_a_file_that_is_cut_short_is_named(models):
    for number, file in enumerate(files_of(models)):
        if is_read(file, models):
            with spoilt(models / file, partial(cut, part=number % 3 / 2)):
                text = refusal(models)
                broken = [status.path for status in verify("sdxl", models) if status.state == "broken"]
            assert names(text, models, file), text
            assert broken == [str(models / file)]


def test_every_file_of_an_empty_folder_is_named(models):
    files = [file for file in files_of(models) if is_read(file, models)]
    for folder in sorted({str(Path(file).parent) for file in files}):
        with spoilt(models / folder, lambda kept, path: path.mkdir()):
            text = refusal(models)
        assert text.startswith(f"{models / folder.partition('/')[0]}: ")
        lost = [Path(file).name for file in files if file.startswith(f"{folder}/")]
        if Path(folder).name.startswith("tokenizer"):
            # Either form would do; the one in a single file is named.
            lost = ["tokenizer_config.json", "tokenizer.json"]
        if "model_index.json" in lost:
            lost = ["model_index.json"]
        assert all(name in text for name in lost), text


def test_what_no_pipeline_reads_may_be_missing(kandinsky_folder, model_folder, tmp_path):
    place = shutil.copytree(kandinsky_folder, tmp_path / "kandinsky")
    other = shutil.copytree(model_folder, tmp_path / "sdxl")
    for folder in (place, other):
        for file in NOT_READ & set(files_of(folder)):
            (folder / file).unlink()
        assert read_base(files_in(folder), torch.float32)
    pipelines = Pipelines(files_in(place), CPU)
    assert pipelines.get("depth", True, "ddim")[1].key == "depth"


def test_the_parts_are_those_that_the_engine_reads():
    for name, family in FAMILIES.items():
        assert set(PARTS[name]) == {*family.parts, "scheduler"}
    assert set(PARTS["kandinsky22"]) == {*DECODER_PARTS, "scheduler"}
    assert set(PARTS[PRIOR_CLASS]) == set(PRIOR_PARTS)


def test_the_engine_says_so_at_its_start_and_what_to_do(folder, model_folder):
    (folder / "base/text_encoder_2/config.json").unlink()
    said = "text_encoder_2/config.json is missing, and model_index.json names text_encoder_2."
    assert refused(folder) == f"{folder / 'base'}: {said} See model_files/README.md."
    remedy = "PLITKA_BASE_MODEL names this folder: copy the file from where the model came from."
    chosen = refused(model_folder, PLITKA_BASE_MODEL=str(folder / "base"))
    assert chosen == f"{folder / 'base'}: {said} {remedy}"


def in_shards(folder, index):
    """The UNet's weights in two files, and the list of them."""
    (file,) = folder.glob("*.safetensors")
    first, second = (f"diffusion_pytorch_model-0000{number}-of-00002.safetensors" for number in (1, 2))
    shutil.copy(file, folder / second)
    file.rename(folder / first)
    (folder / index).write_text(f'{{"weight_map": {{"a": "{first}", "b": "{second}"}}}}')
    return first, second, index


def test_a_missing_shard_or_the_list_of_them_is_named(kandinsky_folder, tmp_path):
    index = "diffusion_pytorch_model.safetensors.index.json"
    for lost in range(3):
        place = shutil.copytree(kandinsky_folder, tmp_path / str(lost))
        unet = place / "decoder/unet"
        shards = in_shards(unet, index)
        assert list(faults_of_pipeline(place / "decoder")) == []
        (unet / shards[lost]).unlink()
        assert f"unet/{shards[lost]} is missing" in refusal(place)
    for shard in unet.glob("*.safetensors"):
        shard.unlink()
    (unet / index).write_text('{"weight_map": {"a": "one.safetensors"}}')
    assert "unet/one.safetensors is missing" in refusal(place)
