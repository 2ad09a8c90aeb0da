"""Families of base models: found from their files, drawn as they are, and what each cannot do."""

import json
import shutil

import numpy as np
import pytest
import torch
from checkpoints import (
    EMBEDDINGS_FILE,
    LORA_FILE,
    WIDTH_G,
    WIDTH_L,
    edit_config,
    edit_manifest,
    make_unet,
    write_controlnet,
    write_embeddings,
)
from cog_server import CogServer, pictures
from diffusers.pipelines import auto_pipeline
from drawing import CPU, draw, files_in, images, load_small_engine, make_job
from hypothesis import given
from hypothesis import strategies as st
from lora_files import write_lora_diffusers, write_lora_kohya, write_lora_peft
from PIL import Image
from safetensors.torch import load_file, save_file
from sd15_checkpoints import (
    make_sd15_unet,
    write_sd15_embeddings,
    write_sd15_folder,
    write_sd15_single_file,
)

from plitka.diffusion.checkpoints.pretrained import read_base
from plitka.diffusion.families.known import FAMILIES
from plitka.diffusion.pipeline_inputs import Stage
from plitka.diffusion.pipelines import Pipelines
from plitka.diffusion.upscale import enlarged, runs_of
from plitka.errors import ModelFileError, RequestError
from plitka.request.drawing_settings import PictureSettings, swatch_strength
from plitka.weights.base_kind import SIGNS, family_named_in

MAPPINGS = {
    False: auto_pipeline.AUTO_TEXT2IMAGE_PIPELINES_MAPPING,
    True: auto_pipeline.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING,
}
OF_CONTROLNETS = {"ControlNetModel": "-controlnet", "ControlNetUnionModel": "-controlnet-union", None: ""}
LORAS = {"PEFT": write_lora_peft, "diffusers": write_lora_diffusers, "kohya": write_lora_kohya}


@pytest.fixture(scope="module")
def sd15_folder(tmp_path_factory):
    """A model folder of Stable Diffusion 1.5, complete and small."""
    return write_sd15_folder(tmp_path_factory.mktemp("sd15"))


@pytest.fixture(scope="module")
def sd15(sd15_folder):
    """Its engine, drawing small pictures."""
    return load_small_engine(sd15_folder)


@pytest.fixture
def spoilt(tmp_path, sd15_folder):
    """A copy of the model folder that a test may spoil."""
    return shutil.copytree(sd15_folder, tmp_path / "sd15")


def refusal(folder, *given, **environment):
    with pytest.raises(ModelFileError) as raised:
        load_small_engine(folder, *given, **environment)
    return str(raised.value)


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
        ("scheduler/scheduler_config.json", {"_class_name": "LCMScheduler"}, "its scheduler is LCMScheduler"),
        ("scheduler/scheduler_config.json", {"prediction_type": "sample"}, "prediction_type is 'sample'"),
        ("model_index.json", {"text_encoder": ["diffusers", "T5EncoderModel"]}, "text_encoder is T5Encoder"),
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_refused(spoilt, file, changes, reason):
    edit_config(spoilt / "base" / file, **changes)
    assert reason in refusal(spoilt)


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


# What a family cannot do


@pytest.mark.parametrize(
    ("tensors", "count"),
    [
        ({"emb_params": (3, WIDTH_L)}, 3),
        ({"<tile>": (WIDTH_L,)}, 1),
        ({"tile texture": (2, WIDTH_L)}, 2),
        ({"clip_l": (2, WIDTH_L)}, 2),
    ],
)
def test_embeddings_of_one_encoder_are_read(spoilt, tmp_path, tensors, count):
    own = tmp_path / "own"
    own.mkdir()
    shutil.copy(spoilt / LORA_FILE, own / "lora.safetensors")
    random = torch.Generator().manual_seed(count)
    vectors = {name: torch.randn(*shape, generator=random) for name, shape in tensors.items()}
    save_file(vectors, own / "embeddings.safetensors")
    engine = load_small_engine(spoilt, own)
    assert engine.tokens == tuple(f"<s{number}>" for number in range(count))
    base = engine.pipelines.base
    rows = base.text_encoder.get_input_embeddings().weight[-count:]
    assert torch.equal(rows, next(iter(vectors.values())).reshape(count, WIDTH_L))


@pytest.mark.parametrize("layout", LORAS)
def test_a_lora_of_its_own_changes_its_pictures(spoilt, sd15, layout):
    path = spoilt / LORA_FILE
    LORAS[layout](path, make_sd15_unet())
    # The same pairs in every layout.
    assert images(draw(load_small_engine(spoilt))) == images(draw(sd15))
    LORAS[layout](path, make_sd15_unet(), seed=6)
    assert images(draw(load_small_engine(spoilt))) != images(draw(sd15))


def test_a_lora_of_its_text_encoder_is_read_in_kohyas_layout(spoilt, sd15):
    name = "lora_te_text_model_encoder_layers_0_self_attn_q_proj"
    down, up = torch.ones(2, WIDTH_L) * 0.1, torch.ones(WIDTH_L, 2)
    tensors = {
        f"{name}.lora_down.weight": down,
        f"{name}.lora_up.weight": up,
        f"{name}.alpha": torch.ones(()),
    }
    save_file(tensors, spoilt / LORA_FILE)
    engine = load_small_engine(spoilt)
    assert engine.lora.modules == 1
    assert images(draw(engine)) != images(draw(sd15))


@pytest.mark.parametrize("layout", LORAS)
def test_a_lora_of_another_family_is_refused_in_words(spoilt, folder, layout):
    LORAS[layout](spoilt / LORA_FILE, make_unet())
    LORAS[layout](folder / LORA_FILE, make_sd15_unet())
    edit_manifest(folder, lambda models: models["lora"].update(size=None, sha256=None))
    trained = f"it was trained on words of {WIDTH_L + WIDTH_G} numbers, and Stable Diffusion 1.5 here has 32"
    assert trained in refusal(spoilt)
    assert f"it was trained on words of {WIDTH_L} numbers, and SDXL here has 80" in refusal(folder)


def test_embeddings_of_another_family_are_refused_in_words(spoilt, folder):
    write_embeddings(spoilt / EMBEDDINGS_FILE)
    write_sd15_embeddings(folder / EMBEDDINGS_FILE)
    edit_manifest(folder, lambda models: models["embeddings"].update(size=None, sha256=None))
    said = "['clip_g', 'clip_l'] instead of one table of vectors for the text encoder of Stable Diffusion 1.5"
    assert said in refusal(spoilt)
    assert "for one of the two text encoders only, as Stable Diffusion 1.5 has it" in refusal(folder)


def test_controlnets_of_another_family_are_refused_in_words(spoilt, model_folder):
    shutil.rmtree(spoilt / "controlnet")
    write_controlnet(spoilt / "controlnet")
    assert "its cross_attention_dim is 80, the base model's 32" in refusal(spoilt)
    shutil.copytree(model_folder / "controlnet-union", spoilt / "union")
    union = {"type": "ControlNetUnionModel", "folder": "union"}
    edit_manifest(spoilt, lambda models: models.update(controlnets={"plain": union}))
    assert "it is a ControlNetUnionModel, of which there is none for Stable Diffusion 1.5" in refusal(spoilt)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"angle": 30}, "angle"),
        ({"angle": 30, "use_controlnet": True}, "overrides.use_controlnet"),
        ({"controlnets": [{"kind": "lineart"}]}, "overrides.controlnets[0].kind"),
        ({"scheduler": "euler_a"}, "overrides.scheduler"),
        ({"scheduler": "euler_a", "color_guidance": 0}, "overrides.scheduler"),
    ],
)
def test_what_a_request_cannot_have_is_refused_before_any_drawing(sd15, request_, field):
    job = make_job(**request_)
    with pytest.raises(RequestError) as raised:
        sd15.check(job.request, job.prompt)
    assert [problem.field for problem in raised.value.problems] == [field]


def test_a_request_of_an_angle_without_a_controlnet_is_drawn_where_it_wants_none(sd15):
    job = make_job(angle=30, use_controlnet=False)
    sd15.check(job.request, job.prompt)
    assert [drawing.controlnet for drawing in sd15.draw(job)] == [None, None]


def test_the_pipelines_have_no_safety_checker(sd15_folder):
    base = Pipelines(files_in(sd15_folder), CPU).base
    assert base.safety_checker is None
    assert base.feature_extractor is None


# The real server


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
