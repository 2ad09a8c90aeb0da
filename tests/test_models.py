"""Where models are found, and what `plitka models` says of them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkpoints import EMBEDDINGS_FILE, LFS_POINTER, LORA_FILE, edit_manifest
from sd15_checkpoints import write_sd15_single_file

from plitka.errors import ModelFileError
from plitka.weights.few_step import find_few_step
from plitka.weights.find_adapters import find_adapters
from plitka.weights.listing import verify
from plitka.weights.locate import find_files, locate
from plitka.weights.manifest import engine_models


def test_a_complete_folder_is_used_and_switches_the_hub_off(folder):
    files = find_files("sdxl")
    assert files.base.path == str(folder / "base")
    assert files.base.variant == "fp16"
    assert files.vae.path == str(folder / "vae")
    assert all(location.is_local for location in files.controlnets.values())
    assert os.environ["HF_HUB_OFFLINE"] == "1"


@pytest.mark.long
def test_the_hub_is_off_before_its_client_is_imported(model_folder):
    code = (
        "from plitka.diffusion.engine import DiffusionEngine; import sys\n"
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
@pytest.mark.parametrize("content", [LFS_POINTER, b"cut short"])
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
    for listed, reason in (
        ({"path": "config.json", "size": 1}, "bytes where 1 are expected"),
        ({"path": "absent.json"}, "the file is missing"),
    ):
        edit_manifest(folder, lambda models, listed=listed: models["vae"].update(files=[listed]))
        with pytest.raises(ModelFileError, match=reason):
            locate(engine_models("sdxl").vae, folder)
    assert models.vae.files == ()


# plitka models


def test_verify_tells_whole_missing_and_broken_files_apart(folder):
    assert {status.state for status in verify("sdxl")} == {"ok"}
    (folder / LORA_FILE).write_bytes(LFS_POINTER)
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


def test_verify_shows_what_would_come_from_the_hub(folder):
    edit_manifest(folder, lambda models: models["vae"].update(repo="someone/vae", revision="abc"))
    shutil.rmtree(folder / "vae")
    states = {status.part: (status.state, status.detail) for status in verify("sdxl")}
    assert states["vae"] == ("hub", "someone/vae@abc")
    assert states["base"][0] == "ok"


# Of an environment: each variable's value, from the folders of the families.
ENVIRONMENTS = {
    "the manifest's": {},
    "another folder": {"PLITKA_BASE_MODEL": "{sd15}/base"},
    "a single file": {"PLITKA_BASE_MODEL": "{sd15}/one.safetensors"},
    "two stages": {"PLITKA_BASE_MODEL": "{kandinsky}/decoder", "PLITKA_PRIOR_MODEL": "{kandinsky}/prior"},
    "a prior on the hub": {
        "PLITKA_BASE_MODEL": "{kandinsky}/decoder",
        "PLITKA_PRIOR_MODEL": "owner/prior@v1",
    },
    "few steps": {"PLITKA_FEW_STEP": "lcm:4", "PLITKA_FEW_STEP_LORA": "{sd15}/tile_lora.safetensors"},
}
FAMILY = {"the manifest's": "sdxl", "few steps": "sdxl", "another folder": "sd15", "a single file": "sd15"}


@pytest.fixture
def every_family(folder, sd15_folder, kandinsky_folder, tmp_path):
    """Model folders of all families; the manifest of the first has what goes with the others."""
    places = {"sdxl": folder, "kandinsky": kandinsky_folder}
    places["sd15"] = shutil.copytree(sd15_folder, tmp_path / "sd15")
    write_sd15_single_file(places["sd15"] / "one.safetensors", sd15_folder / "base")
    shutil.copytree(sd15_folder / "controlnet", folder / "controlnet-sd15")
    shutil.copytree(sd15_folder / "base", folder / "sd15-base")
    shutil.copytree(kandinsky_folder / "depth", folder / "depth")
    lines = {"type": "ControlNetModel", "folder": "controlnet-sd15", "variant": "fp16"}
    depth = {"type": "UNet2DConditionModel", "folder": "depth"}
    families = {
        "sd15": {"base": {"folder": "sd15-base"}, "controlnets": {"lines": lines}},
        "kandinsky22": {
            "base": {"folder": "none"},
            "prior": {"folder": "no-prior"},
            "controlnets": {"depth": depth},
        },
    }
    edit_manifest(folder, lambda models: models.update(families=families))
    return places


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_models_lists_what_the_engine_would_load(every_family, monkeypatch, name):
    for variable, value in ENVIRONMENTS[name].items():
        monkeypatch.setenv(variable, value.format(**every_family))
    files, listed = find_files("sdxl"), list(verify("sdxl"))
    adapters = find_adapters(files.models, files.folder)
    few_step = find_few_step(files.models, files.folder)
    places = [files.base, files.vae, files.prior, *files.controlnets.values()]
    loaded = {str(file) for place in filter(None, places) for file in place.weight_files}
    lone = [adapters.lora, adapters.embeddings, few_step and few_step.lora]
    loaded |= {str(one.path) for one in lone if one}
    assert {status.path for status in listed if status.path.endswith(".safetensors")} == loaded
    assert {status.state for status in listed} <= {"ok", "hub"}
    on_hub = {status.detail for status in listed if status.state == "hub"}
    assert on_hub == {place.name for place in filter(None, places) if not place.is_local}
    family = FAMILY.get(name, "kandinsky22")
    assert {status.family for status in listed} == {family}
    own = "manifest.json" if family == "sdxl" else f"manifest.json, families.{family}"
    named_by = {"base": "PLITKA_BASE_MODEL", "prior": "PLITKA_PRIOR_MODEL"}
    for status in listed:
        variable = named_by.get(status.part)
        is_named = variable in ENVIRONMENTS[name]
        few = status.part == "few-step lora"
        assert status.source == ("PLITKA_FEW_STEP_LORA" if few else variable if is_named else own)


@pytest.mark.parametrize(
    ("variables", "part", "said"),
    [
        ({"PLITKA_BASE_MODEL": "/nowhere/decoder"}, "base", "there is no such folder or file"),
        ({"PLITKA_BASE_MODEL": "/nowhere/one.safetensors"}, "base", "the file is missing"),
        ({"PLITKA_BASE_MODEL": "{kandinsky}/decoder"}, "prior", "the folder is missing"),
        ({"PLITKA_PRIOR_MODEL": "/nowhere/prior"}, "prior", "there is no such folder or file"),
        (
            {"PLITKA_FEW_STEP": "lcm:4", "PLITKA_FEW_STEP_LORA": "/nowhere/lcm.safetensors"},
            "few-step lora",
            "the file is missing",
        ),
    ],
)
def test_what_the_environment_names_and_is_nowhere_is_missing(
    every_family, monkeypatch, variables, part, said
):
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value.format(**every_family))
    (found,) = [status for status in verify("sdxl", hashes=False) if status.part == part]
    assert (found.state, found.detail.startswith(said)) == ("missing", True)


def test_an_adapter_that_may_be_missing_is_listed_as_such(folder, monkeypatch, invoke):
    (folder / LORA_FILE).unlink()
    monkeypatch.setenv("PLITKA_ALLOW_BASE", "1")
    states = {status.part: status for status in verify("sdxl")}
    assert states["lora"].state == "without"
    assert "PLITKA_ALLOW_BASE=1 runs without it" in states["lora"].detail
    assert invoke("models", "verify", "--engine", "sdxl").exit_code == 0


def test_models_lists_every_engine_of_the_manifest(invoke, model_folder, monkeypatch):
    monkeypatch.setenv("PLITKA_MODEL_DIR", str(model_folder))
    result = invoke("models", "list")
    assert result.exit_code == 0, result.output
    for text in ("sdxl", "base", "lora", "embeddings", "ok"):
        assert text in result.stdout


def test_models_verify_passes_on_whole_files_and_fails_on_a_broken_one(invoke, folder):
    assert invoke("models", "verify", "--engine", "sdxl").exit_code == 0
    lora = next(folder.glob("*lora*.safetensors"))
    lora.write_bytes(lora.read_bytes()[:-10])
    result = invoke("models", "verify", "--engine", "sdxl")
    assert result.exit_code == 1
    assert "broken" in result.stdout
