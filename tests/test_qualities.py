"""Where the page offers `fast`: where the engine, once it is loaded, draws with it."""

import json

import pytest
from checkpoints import edit_config, edit_manifest
from drawing import load_small_engine
from few_step_models import give_guidance_input, write_few_step_lora
from safetensors.torch import load_file, save_file
from single_file import write_single_file

from plitka.errors import RequestError
from plitka.generation import generate
from plitka.request.tile_request import parse_request
from plitka.server.page_palette import page_in_use
from plitka.server.serve import PAGE, offered_qualities
from plitka.weights.qualities import EVERY, WITHOUT_FEW_STEP

SCHEDULER = "base/scheduler/scheduler_config.json"


def lora(folder):
    return write_few_step_lora(folder / "fast.safetensors")


def in_manifest(folder):
    named = {"kind": "lightning", "steps": 4, "lora": {"file": lora(folder).name}}
    edit_manifest(folder, lambda models: models.update(few_step=named))
    return {}


def single_file(folder, said=None):
    path = folder / "one.safetensors"
    write_single_file(path, folder / "base")
    if said:
        save_file(load_file(path), path, metadata={"modelspec.architecture": said})
    return {"PLITKA_BASE_MODEL": str(path)}


CASES = {
    "as it comes": (lambda folder: {}, WITHOUT_FEW_STEP),
    "a LoRA": (
        lambda folder: {"PLITKA_FEW_STEP": "lightning:4", "PLITKA_FEW_STEP_LORA": str(lora(folder))},
        EVERY,
    ),
    "a LoRA of the manifest": (in_manifest, EVERY),
    "the base model, named": (lambda folder: {"PLITKA_FEW_STEP": "turbo:4"}, ("fast",)),
    "the base model, by its sampler": (
        lambda folder: edit_config(folder / SCHEDULER, _class_name="TCDScheduler") or {},
        ("fast",),
    ),
    "the base model, by its UNet": (
        lambda folder: give_guidance_input(folder / "base/unet") or {},
        ("fast",),
    ),
    "a folder": (lambda folder: {"PLITKA_BASE_MODEL": str(folder / "base")}, WITHOUT_FEW_STEP),
    "a single file": (single_file, WITHOUT_FEW_STEP),
    "a single file, by its metadata": (lambda folder: single_file(folder, "x/lcm"), ("fast",)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_page_offers_what_the_engine_does_not_refuse(folder, monkeypatch, name):
    make, expected = CASES[name]
    environment = make(folder)
    engine = load_small_engine(folder, **environment)
    for variable, value in (environment | {"PLITKA_MODEL_DIR": str(folder)}).items():
        monkeypatch.setenv(variable, value)
    assert offered_qualities("sdxl") == expected
    for quality in EVERY:
        request = parse_request({"colors": [{"name": "red"}], "quality": quality, "adapter": "none-such"})
        with pytest.raises(RequestError) as refused:
            generate(request, engine)
        is_refused = "quality" in {problem.field for problem in refused.value.problems}
        assert is_refused == (quality not in expected)


@pytest.mark.parametrize(
    "environment",
    [
        {"PLITKA_BASE_MODEL": "owner/on-the-hub"},
        {"PLITKA_FEW_STEP": "lightning"},
        {"PLITKA_BASE_MODEL": "broken.safetensors"},
        {"PLITKA_MODEL_DIR": "broken"},
    ],
)
def test_what_cannot_be_told_before_the_start_leaves_every_quality(tmp_path, monkeypatch, environment):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.safetensors").write_bytes(b"no such file")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/manifest.json").write_text(json.dumps({"models": {}}))
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert offered_qualities("sdxl") == EVERY


def test_an_engine_without_models_offers_no_fast():
    assert offered_qualities("render") == offered_qualities("mini") == WITHOUT_FEW_STEP


QUALITIES = "return [...document.querySelectorAll('#qualities input')].map((radio) => radio.value)"


def test_the_form_has_the_qualities_that_are_drawn(served):
    assert served.script(QUALITIES) == list(WITHOUT_FEW_STEP)
    # One of a link stays to be seen, and the server says why it cannot be.
    served.script("location.hash = 'mix=red:100&quality=fast'; openLink()")
    assert served.script(QUALITIES) == list(EVERY)


@pytest.mark.parametrize("offered", [("fast",), EVERY])
def test_a_page_begins_with_a_quality_that_is_drawn(page, tmp_path, offered):
    path = tmp_path / "page.html"
    path.write_bytes(page_in_use(PAGE.read_bytes(), qualities=offered))
    page.open(path.as_uri())
    assert page.script(QUALITIES) == list(offered)
    assert page.script("return state.quality") == ("standard" if "standard" in offered else "fast")
    assert page.script("return document.querySelector('#qualities input:checked').value") in offered
