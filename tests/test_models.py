import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from checkpoints import EMBEDDINGS_FILE, LORA_FILE, edit_manifest, write_embeddings

from plitka import manifest
from plitka.manifest import Manifest, engine_models, load_manifest
from plitka.models import find_adapters, find_files, locate, verify
from plitka.profiles import PROFILES, Profile
from plitka.weight_files import ModelFileError

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 8344\n"


@pytest.fixture
def folder(tmp_path, model_folder):
    """A copy of the model folder, in use, that a test may spoil."""
    copy = tmp_path / "models"
    shutil.copytree(model_folder, copy)
    with mock.patch.dict(os.environ, {"PLITKA_MODEL_DIR": str(copy)}):
        for name in ("PLITKA_BASE_MODEL", "PLITKA_ALLOW_BASE", "HF_HUB_OFFLINE"):
            os.environ.pop(name, None)
        yield copy


# The manifest


def test_the_shipped_manifest_pins_every_source():
    shipped = load_manifest(manifest.SHIPPED_MODEL_DIR)
    for models in shipped.models.values():
        assert set(models.control) == {"canny", "softedge", "lineart"}
        for source in filter(None, [models.base, models.vae, *models.controlnets.values()]):
            # What is not fetched at a revision is in the repository, every file of it with its hash.
            assert re.fullmatch("[0-9a-f]{40}", source.revision or "") or all(f.sha256 for f in source.files)
            assert source.license
            for file in source.files:
                assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
    assert shipped.models["sdxl"].embeddings.size == 8344
    assert shipped.models["sdxl"].lora.scale == 0.75


def test_a_model_folder_without_a_manifest_uses_the_shipped_one(tmp_path):
    assert load_manifest(tmp_path) == load_manifest(manifest.SHIPPED_MODEL_DIR)


@pytest.mark.parametrize(
    ("control", "complaint"),
    [
        ({"canny": {"controlnet": "absent"}}, "there is no ControlNet 'absent'"),
        ({"canny": {"controlnet": "plain", "mode": 3}}, "'mode' belongs to a ControlNetUnionModel"),
        ({"canny": {"controlnet": "union"}}, "'mode' belongs to a ControlNetUnionModel"),
        ({"depth": {"controlnet": "plain"}}, "depth"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(control, complaint):
    controlnets = {
        "plain": {"type": "ControlNetModel", "folder": "plain"},
        "union": {"type": "ControlNetUnionModel", "folder": "union"},
    }
    models = {"base": {"folder": "base"}, "controlnets": controlnets, "control": control}
    with pytest.raises(ValueError, match=complaint):
        Manifest.model_validate({"models": {"sdxl": models}})


def test_a_model_may_have_its_own_steps_and_guidance(folder):
    own = {"steps_preview": 4, "steps_final": 8, "guidance_scale": 1.0}
    edit_manifest(folder, lambda models: models.update(profiles=dict.fromkeys(PROFILES, own)))
    assert engine_models("sdxl").quality_profiles() == dict.fromkeys(PROFILES, Profile(4, 8, 1.0))


def test_a_model_without_steps_of_its_own_takes_those_of_sdxl(folder):
    assert engine_models("sdxl").quality_profiles() == PROFILES


def test_a_model_that_leaves_a_quality_out_is_refused(folder):
    own = {"steps_preview": 4, "steps_final": 8, "guidance_scale": 1.0}
    edit_manifest(folder, lambda models: models.update(profiles={"standard": own}))
    with pytest.raises(ModelFileError, match="preview, standard, high"):
        engine_models("sdxl")


def test_a_broken_manifest_and_an_engine_without_models_are_named(folder):
    with pytest.raises(ModelFileError, match="no models for the engine 'mini'; listed: sdxl"):
        engine_models("mini")
    (folder / "manifest.json").write_text('{"models": {"sdxl": {"base": 1}}}')
    with pytest.raises(ModelFileError, match="the manifest is unreadable"):
        load_manifest()


# Where models are found


def test_a_complete_folder_is_used_and_switches_the_hub_off(folder):
    files = find_files("sdxl")
    assert files.base.path == str(folder / "base")
    assert files.base.variant == "fp16"
    assert files.vae.path == str(folder / "vae")
    assert all(location.is_local for location in files.controlnets.values())
    assert os.environ["HF_HUB_OFFLINE"] == "1"


def test_the_hub_is_off_before_its_client_is_imported(model_folder):
    code = (
        "from plitka.diffusion import DiffusionEngine; import sys\n"
        "assert 'huggingface_hub' not in sys.modules\n"
        "DiffusionEngine.load('sdxl'); import huggingface_hub\n"
        "print(huggingface_hub.constants.HF_HUB_OFFLINE)\n"
    )
    environment = {**os.environ, "PLITKA_MODEL_DIR": str(model_folder), "OMP_NUM_THREADS": "1"}
    environment.pop("HF_HUB_OFFLINE", None)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == "True", done.stderr


def test_a_missing_folder_is_taken_from_the_hub_at_its_revision(folder):
    edit_manifest(folder, lambda models: models["vae"].update(repo="someone/vae", revision="abc"))
    shutil.rmtree(folder / "vae")
    files = find_files("sdxl")
    assert (files.vae.path, files.vae.revision, files.vae.is_local) == ("someone/vae", "abc", False)
    assert "HF_HUB_OFFLINE" not in os.environ


def test_a_missing_folder_without_a_repository_is_an_error(folder):
    shutil.rmtree(folder / "controlnet-lines")
    with pytest.raises(ModelFileError, match="controlnet-lines: the folder is missing"):
        find_files("sdxl")


@pytest.mark.parametrize("part", ["base/unet", "vae", "controlnet-lines", "controlnet-union"])
@pytest.mark.parametrize("content", [POINTER, b"cut short"])
def test_any_broken_weight_file_stops_the_start(folder, part, content):
    path = next((folder / part).glob("*.safetensors"))
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=re.escape(str(path))):
        find_files("sdxl")


def test_a_local_copy_saved_without_the_variant_is_used(folder):
    for path in (folder / "base").rglob("*.fp16.safetensors"):
        path.rename(path.with_name(path.name.replace(".fp16", "")))
    assert find_files("sdxl").base.variant is None


def test_a_listed_file_that_is_missing_or_of_another_size_is_named(folder):
    models = engine_models("sdxl")
    for listed, complaint in (
        ({"path": "config.json", "size": 1}, "bytes where 1 are expected"),
        ({"path": "absent.json"}, "the file is missing"),
    ):
        edit_manifest(folder, lambda models, listed=listed: models["vae"].update(files=[listed]))
        with pytest.raises(ModelFileError, match=complaint):
            locate(engine_models("sdxl").vae, folder)
    assert models.vae.files == ()


# Another base model


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
    ("chosen", "complaint"),
    [
        ("name", "no such folder or file, and it is no hub id"),
        ("/nowhere/at/all", "no such folder or file"),
        ("a/b/c", "no such folder or file"),
        ("absent.safetensors", "the file is missing"),
    ],
)
def test_a_base_that_is_nowhere_is_named_with_what_is_allowed(folder, monkeypatch, chosen, complaint):
    monkeypatch.setenv("PLITKA_BASE_MODEL", chosen)
    with pytest.raises(ModelFileError, match=complaint) as raised:
        find_files("sdxl")
    assert "a hub id, a diffusers folder or a .safetensors file" in str(raised.value)


def test_a_base_folder_without_a_pipeline_in_it_is_refused(folder, monkeypatch):
    monkeypatch.setenv("PLITKA_BASE_MODEL", str(folder / "vae"))
    with pytest.raises(ModelFileError, match=r"no model_index\.json"):
        find_files("sdxl")


# LoRA and embeddings


def adapters(folder, weights=None):
    return find_adapters(engine_models("sdxl"), folder, weights)


def test_the_model_folders_own_adapters_are_found(folder):
    found = adapters(folder)
    assert (found.lora, found.embeddings) == (folder / LORA_FILE, folder / EMBEDDINGS_FILE)


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
        path.write_bytes(POINTER)
    elif spoil == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        write_embeddings(path, vectors=7)
    with pytest.raises(ModelFileError, match=file):
        adapters(folder)


def test_an_operators_own_folder_is_recognised_by_content_and_not_held_to_the_manifest(folder, tmp_path):
    own = tmp_path / "own" / "deeper"
    own.mkdir(parents=True)
    shutil.copy(folder / LORA_FILE, own / "a.safetensors")
    write_embeddings(own / "b.safetensors", vectors=5)
    found = adapters(folder, tmp_path / "own")
    assert (found.lora, found.embeddings) == (own / "a.safetensors", own / "b.safetensors")


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


# plitka models


def test_verify_tells_whole_missing_and_broken_files_apart(folder):
    assert {status.state for status in verify("sdxl")} == {"ok"}
    (folder / LORA_FILE).write_bytes(POINTER)
    (folder / EMBEDDINGS_FILE).unlink()
    next((folder / "vae").glob("*.safetensors")).write_bytes(b"")
    shutil.rmtree(folder / "controlnet-lines")
    states = {status.part: status for status in verify("sdxl")}
    assert states["lora"].state == "broken"
    assert "Git LFS" in states["lora"].detail
    assert states["embeddings"].state == "missing"
    assert states["vae"].state == "broken"
    assert states["controlnet lines"].state == "missing"
    assert Path(states["vae"].path).parent == folder / "vae"


def test_verify_notices_a_changed_byte_only_when_it_hashes(folder):
    path = folder / EMBEDDINGS_FILE
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert {s.part: s.state for s in verify("sdxl", hashes=False)}["embeddings"] == "ok"
    assert {s.part: s.state for s in verify("sdxl")}["embeddings"] == "broken"


def test_verify_shows_what_would_come_from_the_hub():
    states = {status.part: status for status in verify("sdxl", manifest.SHIPPED_MODEL_DIR, hashes=False)}
    assert states["base"].state in ("hub", "ok")
