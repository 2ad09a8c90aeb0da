"""The manifest of weights: what is shipped, and what contradicts itself."""

import re

import pytest
from checkpoints import edit_manifest

from plitka.choices import CONTROL_KINDS, EDGE_KINDS
from plitka.errors import ModelFileError
from plitka.request.profiles import PROFILES, Profile
from plitka.settings import SHIPPED_MODEL_DIR
from plitka.weights.manifest import Manifest, engine_models, load_manifest


def test_the_shipped_manifest_pins_every_source():
    shipped = load_manifest(SHIPPED_MODEL_DIR)
    for models in shipped.models.values():
        assert set(models.control) >= set(EDGE_KINDS)
        for source in filter(None, [models.base, models.vae, *models.controlnets.values()]):
            # What is not fetched at a revision is in the repository, every file of it with its hash.
            assert re.fullmatch("[0-9a-f]{40}", source.revision or "") or all(f.sha256 for f in source.files)
            assert source.license
            for file in source.files:
                assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
    assert shipped.models["sdxl"].embeddings.size == 8344
    assert shipped.models["sdxl"].lora.scale == 0.75
    modes = {kind: shipped.models["sdxl"].mode(kind) for kind in CONTROL_KINDS}
    assert modes == {"canny": 3, "softedge": 2, "lineart": 3, "depth": 1, "normal": 4}


def test_a_model_folder_without_a_manifest_uses_the_shipped_one(tmp_path):
    assert load_manifest(tmp_path) == load_manifest(SHIPPED_MODEL_DIR)


@pytest.mark.parametrize(
    ("control", "reason"),
    [
        ({"canny": {"controlnet": "absent"}}, "there is no ControlNet 'absent'"),
        ({"canny": {"controlnet": "plain", "mode": 3}}, "'mode' belongs to a ControlNetUnionModel"),
        ({"sketch": {"controlnet": "plain"}}, "sketch"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(control, reason):
    controlnets = {
        "plain": {"type": "ControlNetModel", "folder": "plain"},
        "union": {"type": "ControlNetUnionModel", "folder": "union"},
    }
    models = {"base": {"folder": "base"}, "controlnets": controlnets, "control": control}
    with pytest.raises(ValueError, match=reason):
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
