"""Families of base models: found from their files, drawn as they are, and what each cannot do."""

import json

import numpy as np
import pytest
import torch
from checkpoints import WIDTH_L, edit_config, edit_manifest
from cog_server import CogServer, pictures
from diffusers.pipelines import auto_pipeline
from drawing import draw, files_in, images, load_small_engine, make_job, refusal
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file, save_file
from sd15_checkpoints import write_sd15_single_file

from plitka.diffusion.checkpoints.pretrained import read_base
from plitka.diffusion.families.known import FAMILIES
from plitka.diffusion.pipeline_inputs import Stage
from plitka.diffusion.upscale import enlarged, runs_of
from plitka.errors import ModelFileError
from plitka.request.drawing_settings import PictureSettings, swatch_strength
from plitka.weights.base_kind import SIGNS, family_named_in

MAPPINGS = {
    False: auto_pipeline.AUTO_TEXT2IMAGE_PIPELINES_MAPPING,
    True: auto_pipeline.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING,
}
OF_CONTROLNETS = {"ControlNetModel": "-controlnet", "ControlNetUnionModel": "-controlnet-union", None: ""}


# Found from their files


@pytest.mark.parametrize("family", ["sdxl", "sd15"])
def test_a_family_is_what_autopipeline_says(family):
    family = FAMILIES[family]
    known = {mapping[family.auto].__name__ for mapping in MAPPINGS.values()}
    known.add(auto_pipeline.AUTO_INPAINT_PIPELINES_MAPPING[family.auto].__name__)
    assert set(SIGNS[family.name].index_classes) == known
    for (controlnet, from_image), pipeline in family.pipelines.items():
        assert MAPPINGS[from_image][family.auto + OF_CONTROLNETS[controlnet]] is pipeline


def test_every_other_pipeline_of_autopipeline_is_of_no_family():
    known = {name for signs in SIGNS.values() for name in signs.index_classes}
    others = {pipeline.__name__ for mapping in MAPPINGS.values() for pipeline in mapping.values()} - known
    assert len(others) > 50
    assert all(family_named_in(name) is None for name in [*others, None, 5])


def test_a_single_file_is_drawn_as_the_folder_it_was_made_of(sd15, sd15_folder, tmp_path):
    one = tmp_path / "anything.safetensors"
    write_sd15_single_file(one, sd15_folder / "base")
    assert images(draw(load_small_engine(sd15_folder, PLITKA_BASE_MODEL=str(one)))) == images(draw(sd15))


@pytest.mark.long
def test_another_family_takes_what_the_manifest_has_for_it(folder, sd15, sd15_folder, tmp_path):
    own = json.loads((sd15_folder / "manifest.json").read_text())["models"]["sdxl"]
    for part in (own["base"], own["controlnets"]["plain"]):
        part["folder"] = str(sd15_folder / part["folder"])
    for part in (own["lora"], own["embeddings"]):
        part["file"] = str(sd15_folder / part["file"])
    edit_manifest(folder, lambda models: models.update(families={"sd15": own}))
    one = tmp_path / "anything.safetensors"
    write_sd15_single_file(one, sd15_folder / "base")
    for chosen in (sd15_folder / "base", one):
        engine = load_small_engine(folder, PLITKA_BASE_MODEL=str(chosen))
        assert images(draw(engine, angle=45)) == images(draw(sd15, angle=45))


def test_another_family_without_a_word_in_the_manifest_is_refused(folder, sd15_folder, tmp_path):
    assert "vae/config.json: its scaling_factor" in refusal(
        folder, PLITKA_BASE_MODEL=str(sd15_folder / "base")
    )
    one = tmp_path / "anything.safetensors"
    write_sd15_single_file(one, sd15_folder / "base")
    said = refusal(folder, PLITKA_BASE_MODEL=str(one))
    assert "this is Stable Diffusion 1.5, and base, where its configuration should be, is not" in said
    assert "under 'families'" in said


@pytest.mark.parametrize(
    ("file", "changes", "reason"),
    [
        ("unet/config.json", {"use_linear_projection": True}, "this is Stable Diffusion 2"),
        ("unet/config.json", {"in_channels": 9}, "this is an inpainting model"),
        ("unet/config.json", {"cross_attention_dim": 64}, f"is 64, and {WIDTH_L} is fed"),
        ("scheduler/scheduler_config.json", {"_class_name": "KarrasVeScheduler"}, "scheduler is KarrasVe"),
        ("scheduler/scheduler_config.json", {"prediction_type": "sample"}, "prediction_type is 'sample'"),
        ("model_index.json", {"text_encoder": ["diffusers", "T5EncoderModel"]}, "text_encoder is T5Encoder"),
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_refused(spoilt, file, changes, reason):
    edit_config(spoilt / "base" / file, **changes)
    assert reason in refusal(spoilt)


def test_sdxl_under_another_name_is_refused(folder):
    edit_config(folder / "base/model_index.json", _class_name="StableDiffusionPipeline")
    edit_manifest(folder, lambda models: models.pop("vae"))
    assert "addition_embed_type is text_time, where Stable Diffusion 1.5's is None" in refusal(folder)


def test_one_of_another_family_in_the_manifest_itself_is_refused_with_what_to_do(folder, monkeypatch):
    own = {"base": {"folder": "sd15-base"}}
    elsewhere = {"folder": "elsewhere", "repo": "owner/name"}
    edit_manifest(folder, lambda models: models.update(base=elsewhere, families={"sd15": own}))
    index = {"_class_name": "StableDiffusionPipeline"}
    monkeypatch.setattr("plitka.diffusion.checkpoints.base_model.read_config", lambda *_: index)
    with pytest.raises(ModelFileError, match=r"this is Stable Diffusion 1\.5.* Name it in PLITKA_BASE_MODEL"):
        read_base(files_in(folder), torch.float32)


def test_v_prediction_is_honoured_by_folder_and_by_marker(spoilt, tmp_path):
    one = tmp_path / "one.safetensors"
    write_sd15_single_file(one, spoilt / "base")
    save_file(load_file(one) | {"v_pred": torch.empty(0)}, one)
    edit_config(spoilt / "base/scheduler/scheduler_config.json", prediction_type="v_prediction")
    for environment in ({}, {"PLITKA_BASE_MODEL": str(one)}):
        base = read_base(files_in(spoilt, **environment), torch.float32)
        assert base.scheduler.config.prediction_type == "v_prediction"


def test_half_precision_needs_no_other_vae(sd15_folder):
    assert read_base(files_in(sd15_folder), torch.float16).vae.dtype == torch.float16


# Drawn in two passes


@pytest.mark.parametrize(
    ("angle", "color_guidance", "pipelines", "controlnet"),
    [
        (0, 0.5, ["StableDiffusionImg2ImgPipeline"] * 2, None),
        (0, 0, ["StableDiffusionPipeline", "StableDiffusionPipeline + StableDiffusionImg2ImgPipeline"], None),
        (45, 0.5, ["StableDiffusionControlNetImg2ImgPipeline"] * 2, "controlnet"),
        (
            90,
            0,
            [
                "StableDiffusionControlNetPipeline",
                "StableDiffusionControlNetPipeline + StableDiffusionControlNetImg2ImgPipeline",
            ],
            "controlnet",
        ),
    ],
)
def test_a_final_picture_above_its_size_is_enlarged_by_a_second_pass(
    sd15, angle, color_guidance, pipelines, controlnet
):
    preview, final = draw(sd15, angle=angle, color_guidance=color_guidance)
    assert [preview.pipeline, final.pipeline] == pipelines
    assert preview.controlnet == final.controlnet == controlnet
    assert (preview.image.shape, final.image.shape) == ((64, 64, 3), (128, 128, 3))
    assert preview.denoising.detail is None
    assert (final.denoising.detail.tiles, final.denoising.detail.tile_width) == (9, 64)
    # One step of each of nine tiles, after those of the first pass.
    assert final.steps_run == preview.steps_run + 9


def test_the_same_request_and_seed_give_the_same_bytes(sd15):
    request = {"angle": 45, "color_guidance": 0}
    first = images(draw(sd15, **request))
    assert images(draw(sd15, **request)) == first != images(draw(sd15, **request, seed=6))


@given(
    st.integers(64, 512).map(lambda side: 8 * side),
    st.integers(64, 512).map(lambda side: 8 * side),
    st.floats(0, 1),
    st.integers(1, 100),
)
def test_a_picture_of_any_size_is_first_drawn_near_the_native_one(width, height, guidance, steps):
    strength = swatch_strength(guidance, steps)
    stage = Stage("final", width, height, PictureSettings(steps, strength))
    job = make_job(color_guidance=guidance)
    assert [run.stage for run in runs_of(job, stage, 1024, 1024)] == [stage]
    first, *others = runs_of(job, stage, 512, 1024)
    assert (max(width, height) <= 512) == (not others)
    longest = max(first.stage.width, first.stage.height)
    assert min(max(width, height), 512) <= longest + 4 <= max(512, max(width, height) / 2) + 8
    assert first.stage.width % 8 == first.stage.height % 8 == 0
    for second in others:
        assert second.stage[:3] == stage[:3]
        assert 1 <= second.stage.steps_run <= max(1, round(0.35 * steps))
        assert second.stage.settings.strength <= (strength or 1.0)
        assert second.job.settings.starts_from_swatch


@given(st.integers(1, 2**32 - 1), st.booleans())
def test_the_plan_puts_its_own_detail_back_into_an_enlarged_picture(seed, wraps):
    random = np.random.default_rng(seed)
    plan = random.integers(60, 196, (48, 32, 3), dtype=np.uint8)
    small = np.asarray(Image.fromarray(plan).resize((16, 24), Image.Resampling.BOX))
    again = np.asarray(enlarged(small, Image.fromarray(plan), wraps, is_led=True)).astype(int)
    assert np.abs(again - plan).max() <= 2
    alone = np.asarray(enlarged(small, Image.fromarray(plan), wraps, is_led=False)).astype(int)
    assert np.abs(alone - plan).mean() > 10


# The real server


@pytest.mark.long
def test_the_server_draws_it_and_its_colours_hold(tmp_path, sd15_folder):
    server = CogServer.start(tmp_path, "sdxl", PLITKA_MODEL_DIR=sd15_folder)
    try:
        health = server.wait_until_started()
        assert health["setup"]["status"] == "succeeded", health
        request = {
            "colors": [{"name": "red", "proportion": 60}, {"name": "blue", "proportion": 40}],
            "angle": 45,
            "seed": 7,
            "width": 576,
            "height": 576,
            "width_mm": 90,
            "overrides": {"num_inference_steps": 2},
        }
        answer = server.predict(params_json=json.dumps(request))
        assert [picture.size for picture in pictures(answer)] == [(288, 288), (576, 576), (576, 576)]
        metrics = answer["metrics"]
        assert metrics["pipeline"]["controlnet"] == "controlnet"
        assert metrics["drawing"]["final"]["detail"]["tiles"] == 4
        before = metrics["correction"]["final"]["before"]["colors"]
        assert min(color["delta_e"] for color in before) > 20
        for name in ("preview", "final"):
            colors = metrics["fidelity"][name]["colors"]
            assert all(color["delta_e"] < 3 for color in colors)
            assert all(abs(color["measured"] - color["requested"]) < 0.01 for color in colors)
        refused = server.post({"params_json": json.dumps(request | {"angle": 30})}).json()
        assert (
            "angle: 30 needs a ControlNet for lineart, and this engine's manifest has none"
            in refused["error"]
        )
    finally:
        server.stop()
