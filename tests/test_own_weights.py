"""The LoRA and the embeddings of an operator: where they are found, and what the pictures owe to them."""

import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from checkpoints import EMBEDDINGS_FILE, LFS_POINTER, LORA_FILE, make_unet, write_embeddings
from drawing import draw, images, load_small_engine, make_job
from lora_files import write_lora_kohya, write_lora_peft

from plitka.device.select import DeviceInfo
from plitka.diffusion.identity import identity_of
from plitka.errors import ModelFileError
from plitka.weights.find_adapters import find_adapters
from plitka.weights.locate import find_files
from plitka.weights.manifest import engine_models

# Where they are found


def adapters(folder, weights=None):
    return find_adapters(engine_models("sdxl"), folder, weights)


def test_the_model_folders_own_adapters_are_found(folder):
    found = adapters(folder)
    assert (found.lora.path, found.embeddings.path) == (folder / LORA_FILE, folder / EMBEDDINGS_FILE)


@pytest.mark.parametrize("file", [LORA_FILE, EMBEDDINGS_FILE])
def test_a_missing_adapter_stops_the_start_and_says_how_to_get_it(folder, file):
    (folder / file).unlink()
    with pytest.raises(ModelFileError, match=f"{file}: the file is missing") as raised:
        adapters(folder)
    assert "PLITKA_ALLOW_BASE=1" in str(raised.value)


def test_running_without_adapters_is_allowed_explicitly_and_logged(folder, monkeypatch, caplog):
    monkeypatch.setenv("PLITKA_ALLOW_BASE", "1")
    (folder / LORA_FILE).unlink()
    assert adapters(folder).lora is None
    assert adapters(folder).embeddings is not None
    assert "running without LoRA" in caplog.text


@pytest.mark.parametrize("file", [LORA_FILE, EMBEDDINGS_FILE])
@pytest.mark.parametrize("spoil", ["pointer", "truncated", "other"])
def test_a_broken_adapter_stops_the_start_even_if_the_base_is_allowed(folder, monkeypatch, file, spoil):
    monkeypatch.setenv("PLITKA_ALLOW_BASE", "1")
    path = folder / file
    if spoil == "pointer":
        path.write_bytes(LFS_POINTER)
    elif spoil == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        write_embeddings(path, vectors=7)
    with pytest.raises(ModelFileError, match=file):
        adapters(folder)


def test_an_operators_own_folder_is_recognised_by_content_and_not_checked_by_the_manifest(folder, tmp_path):
    own = tmp_path / "own" / "deeper"
    own.mkdir(parents=True)
    shutil.copy(folder / LORA_FILE, own / "a.safetensors")
    write_embeddings(own / "b.safetensors", vectors=5)
    found = adapters(folder, tmp_path / "own")
    assert (found.lora.path, found.embeddings.path) == (own / "a.safetensors", own / "b.safetensors")


def test_an_operators_folder_with_too_little_or_too_much_is_refused(folder, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    shutil.copy(folder / LORA_FILE, own / "a.safetensors")
    with pytest.raises(ModelFileError, match="weights: they hold no embeddings"):
        adapters(folder, own)
    shutil.copy(folder / LORA_FILE, own / "b.safetensors")
    with pytest.raises(ModelFileError, match=r"a second LoRA beside a\.safetensors"):
        adapters(folder, own)
    (own / "b.safetensors").unlink()
    shutil.copy(next((folder / "vae").glob("*.safetensors")), own / "vae.safetensors")
    with pytest.raises(ModelFileError, match="neither a LoRA nor clip_l/clip_g embeddings"):
        adapters(folder, own)


# In the picture


def test_the_default_lora_scale_is_in_the_weights_from_the_start(engine):
    assert draw(engine)[0].denoising.lora_scale == 0.75


def test_another_lora_scale_is_served_and_the_default_is_exact_again(fresh_engine):
    default = images(draw(fresh_engine))
    other = draw(fresh_engine, lora_scale=1.5)
    assert other[0].denoising.lora_scale == 1.5
    assert images(other) != default
    assert images(draw(fresh_engine)) == default


@pytest.mark.long
def test_lora_scale_0_is_the_base_model(folder):
    without = load_small_engine(folder)
    plain = images(draw(without, lora_scale=0))
    (folder / LORA_FILE).unlink()
    allowed = load_small_engine(folder, PLITKA_ALLOW_BASE="1")
    assert images(draw(allowed)) == plain
    assert draw(allowed)[0].denoising.lora_scale is None


def test_the_token_in_the_prompt_is_the_trained_vector(engine, folder):
    taught = images(draw(engine))
    write_embeddings(folder / "own.safetensors", seed=123)
    (folder / "weights").mkdir()
    shutil.move(folder / "own.safetensors", folder / "weights")
    shutil.copy(folder / LORA_FILE, folder / "weights")
    assert images(draw(load_small_engine(folder, folder / "weights"))) != taught


@pytest.mark.parametrize("vectors", [1, 3])
def test_the_prompt_speaks_as_many_tokens_as_were_trained(folder, vectors):
    weights = folder / "weights"
    weights.mkdir()
    shutil.copy(folder / LORA_FILE, weights)
    write_embeddings(weights / "own.safetensors", vectors)
    engine = load_small_engine(folder, weights)
    tokens = "".join(f"<s{index}>" for index in range(vectors))
    assert engine.tokens == tuple(f"<s{index}>" for index in range(vectors))
    assert engine.prompt_for(make_job().prompt).positive.startswith(f"ohwx_rubber_tile {tokens}, 60% red")
    assert len(draw(engine)) == 2


def pack(path, files):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in files:
                archive.write(file, f"weights/{file.name}")
    else:
        with tarfile.open(path, "w") as archive:
            for file in files:
                archive.add(file, f"weights/{file.name}")


@pytest.mark.parametrize("name", ["weights.tar", "weights.zip"])
def test_weights_from_an_archive_draw_as_those_from_a_folder(folder, tmp_path, name):
    own = tmp_path / "own"
    own.mkdir()
    write_lora_peft(own / "other.safetensors", make_unet(), alpha=8, seed=77)
    write_embeddings(own / "vectors.safetensors", seed=78)
    pack(tmp_path / name, sorted(own.iterdir()))
    from_archive = load_small_engine(folder, tmp_path / name)
    assert list(Path(tempfile.gettempdir()).glob("plitka-weights-*")) == []
    from_folder = load_small_engine(folder, own)
    assert images(draw(from_archive)) == images(draw(from_folder))
    assert from_archive.identity() == from_folder.identity()
    assert "other.safetensors sha256:" in from_archive.identity()["lora"]


@pytest.mark.long
def test_a_layout_of_another_trainer_draws_the_same_picture(folder):
    first = images(draw(load_small_engine(folder)))
    weights = folder / "weights"
    weights.mkdir()
    write_lora_kohya(weights / "kohya.safetensors", make_unet(), original_names=True)
    shutil.copy(folder / EMBEDDINGS_FILE, weights)
    assert images(draw(load_small_engine(folder, weights))) == first


def test_a_lora_that_fits_nothing_stops_the_start(folder, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    wide = make_unet().__class__.from_config({**make_unet().config, "block_out_channels": (64, 128)})
    write_lora_peft(own / "lora.safetensors", wide)
    shutil.copy(folder / EMBEDDINGS_FILE, own)
    with pytest.raises(ModelFileError, match="it does not fit the base model"):
        load_small_engine(folder, own)


def test_the_identity_is_the_same_on_every_run_and_tells_adapters_apart(
    engine, model_folder, folder, tmp_path
):
    assert load_small_engine(model_folder).identity() == engine.identity()
    assert {"engine", "base", "vae", "lora", "embeddings", "torch", "diffusers", "device"} <= set(
        engine.identity()
    )
    assert all(isinstance(value, str) for value in engine.identity().values())
    (tmp_path / "own").mkdir()
    shutil.copy(folder / LORA_FILE, tmp_path / "own")
    write_embeddings(tmp_path / "own" / EMBEDDINGS_FILE, seed=50)
    assert load_small_engine(folder, tmp_path / "own").identity() != engine.identity()


@pytest.mark.parametrize(("by_timing", "said"), [("", "chosen by rule"), ("1", "chosen by timing")])
def test_the_identity_says_how_a_gpus_kernels_were_chosen(folder, monkeypatch, by_timing, said):
    monkeypatch.setenv("PLITKA_MODEL_DIR", str(folder))
    monkeypatch.setenv("PLITKA_CUDNN_BENCHMARK", by_timing)
    gpu = DeviceInfo("cuda", "cuda:0", "a GPU", 2**34, "float16")
    assert identity_of("sdxl", gpu, find_files("sdxl"), adapters(folder))["kernels"] == said
