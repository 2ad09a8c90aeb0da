import gc
import io
import shutil
import sys
import tarfile
import tempfile
import weakref
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import EMBEDDINGS_FILE, LORA_FILE, make_unet, write_embeddings
from drawing import FINAL, PREVIEW, draw, failing, images, load_small_engine, make_job, out_of_memory
from hypothesis import given
from hypothesis import strategies as st
from lora_files import write_lora_kohya, write_lora_peft

from plitka.denoising import swatch_strength
from plitka.gpu_errors import GpuMemoryError, is_fatal, is_out_of_memory
from plitka.pipelines import NonFiniteImageError
from plitka.prompt import Prompt
from plitka.request import RequestError
from plitka.weight_files import ModelFileError


class Cancelled(BaseException):
    """As Cog's own, no Exception."""


@pytest.fixture(scope="module")
def engine(model_folder):
    return load_small_engine(model_folder)


@pytest.fixture
def fresh_engine(model_folder):
    return load_small_engine(model_folder)


@pytest.fixture
def folder(tmp_path, model_folder):
    shutil.copytree(model_folder, tmp_path / "models")
    return tmp_path / "models"


# Pictures


def test_preview_comes_first_and_both_have_their_size(engine):
    preview, final = draw(engine)
    assert (preview.name, final.name) == ("preview", "final")
    assert preview.image.shape == (PREVIEW, PREVIEW, 3)
    assert final.image.shape == (FINAL, FINAL, 3)
    assert preview.image.dtype == np.uint8


@pytest.mark.parametrize("angle", [0, 45, 90, 20])
@pytest.mark.parametrize("color_guidance", [0, 0.5])
def test_the_seed_says_everything(engine, angle, color_guidance):
    first = images(draw(engine, angle=angle, color_guidance=color_guidance))
    assert images(draw(engine, angle=angle, color_guidance=color_guidance)) == first
    assert images(draw(engine, angle=angle, color_guidance=color_guidance, seed=6)) != first


def test_the_largest_seed_is_drawn(engine):
    assert len(draw(engine, seed=2**63 - 1)) == 2


def test_another_process_state_does_not_change_the_picture(engine):
    first = images(draw(engine))
    torch.manual_seed(99)
    np.random.seed(99)
    assert images(draw(engine)) == first


@pytest.mark.parametrize(
    ("angle", "color_guidance", "pipeline", "controlnet"),
    [
        (0, 0, "StableDiffusionXLPipeline", None),
        (0, 0.5, "StableDiffusionXLImg2ImgPipeline", None),
        (45, 0, "StableDiffusionXLControlNetPipeline", "controlnet-lines"),
        (135, 0.5, "StableDiffusionXLControlNetImg2ImgPipeline", "controlnet-lines"),
        (90, 0, "StableDiffusionXLControlNetUnionPipeline", "controlnet-union"),
        (270, 0.5, "StableDiffusionXLControlNetUnionImg2ImgPipeline", "controlnet-union"),
    ],
)
def test_the_report_names_pipeline_and_controlnet_and_why(
    engine, angle, color_guidance, pipeline, controlnet
):
    for drawing in draw(engine, angle=angle, color_guidance=color_guidance):
        assert drawing.report["pipeline"] == pipeline
        assert drawing.report["controlnet"] == controlnet
        assert f"{angle % 180}°" in drawing.report["reason"]
        assert drawing.report["controlnet_scale"] == (0.8 if controlnet else None)
        assert (drawing.report["offload"], drawing.report["retries"]) == ("none", [])


@pytest.mark.parametrize("angle", [45, 90])
@pytest.mark.parametrize("color_guidance", [0, 0.5])
def test_the_controlnet_changes_the_picture_by_its_scale(engine, angle, color_guidance):
    request = {"angle": angle, "color_guidance": color_guidance}
    held = images(draw(engine, **request))
    assert images(draw(engine, **request, controlnet_scale=2.0)) != held
    assert images(draw(engine, **request, use_controlnet=False)) != held


def test_the_plan_decides_what_the_controlnet_sees(engine):
    grid = images(draw(engine, angle=45, layout="grid", color_guidance=0))
    assert images(draw(engine, angle=45, layout="brick", color_guidance=0)) != grid


@pytest.mark.parametrize("color_guidance", [0, 0.5])
def test_both_pictures_are_conditioned_on_full_size(engine, monkeypatch, color_guidance):
    seen = []
    forward = engine.pipelines.base.unet.forward

    def watching(*inputs, **options):
        seen.append(options["added_cond_kwargs"]["time_ids"][0].tolist())
        return forward(*inputs, **options)

    monkeypatch.setattr(engine.pipelines.base.unet, "forward", watching)
    draw(engine, color_guidance=color_guidance)
    assert all(ids == [1024, 1024, 0, 0, 1024, 1024] for ids in seen)


def test_the_prompt_is_encoded_once_for_both_pictures(engine):
    with failing(engine.pipelines.base.text_encoder_2, None, calls=()) as calls:
        draw(engine, angle=45)
    assert len(calls) == 2  # prompt and negative prompt


def test_the_negative_prompt_counts(engine):
    assert images(draw(engine, color_guidance=0)) != images(
        draw(engine, color_guidance=0, negative_prompt="")
    )


# Colour guidance


@given(guidance=st.floats(0.001, 1), steps=st.integers(1, 100))
def test_colour_guidance_leaves_whole_steps_and_at_least_one(guidance, steps):
    strength = swatch_strength(guidance, steps)
    assert 1 / steps <= strength <= 1
    assert round(strength * steps) == pytest.approx(strength * steps)
    assert abs(strength - (1 - guidance)) <= max(0.5 / steps, 1 / steps - (1 - guidance)) + 1e-9


@pytest.mark.parametrize(
    ("guidance", "steps"), [(0, 3), (0.01, 49), (0.35, 7), (0.5, 1), (0.5, 2), (0.5, 49), (0.99, 7), (1, 35)]
)
def test_the_steps_that_run_are_those_reported(engine, guidance, steps):
    drawing = draw(
        engine, color_guidance=guidance, num_inference_steps_preview=steps, num_inference_steps_final=1
    )
    report = drawing[0].report
    expected = steps if guidance == 0 else max(1, round(steps * (1 - guidance)))
    assert report["steps_run"] == expected
    assert report["strength"] == (None if guidance == 0 else expected / steps)


def test_the_swatch_is_where_the_picture_starts(engine):
    red = images(draw(engine, color_guidance=1, num_inference_steps=50, colors=(("red", 100),)))
    blue = images(draw(engine, color_guidance=1, num_inference_steps=50, colors=(("blue", 100),)))
    assert red != blue


# LoRA, embeddings, weights


def test_the_default_lora_scale_is_in_the_weights_from_the_start(engine):
    assert draw(engine)[0].report["lora_scale"] == 0.75


def test_another_lora_scale_is_served_and_the_default_is_exact_again(fresh_engine):
    default = images(draw(fresh_engine))
    other = draw(fresh_engine, lora_scale=1.5)
    assert other[0].report["lora_scale"] == 1.5
    assert images(other) != default
    assert images(draw(fresh_engine)) == default


def test_lora_scale_0_is_the_base_model(folder):
    without = load_small_engine(folder)
    plain = images(draw(without, lora_scale=0))
    (folder / LORA_FILE).unlink()
    allowed = load_small_engine(folder, PLITKA_ALLOW_BASE="1")
    assert images(draw(allowed)) == plain
    assert draw(allowed)[0].report["lora_scale"] is None


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
    assert engine._spoken(make_job().prompt).positive.startswith(f"ohwx_rubber_tile {tokens}, 60% red")
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


def test_each_phase_of_loading_is_timed(model_folder, monkeypatch):
    from plitka.diffusion import DiffusionEngine

    monkeypatch.setenv("PLITKA_MODEL_DIR", str(model_folder))
    phases = []
    DiffusionEngine.load("sdxl", on_phase=lambda *phase: phases.append(phase))
    assert [name for name, _ in phases] == ["device", "files", "libraries", "base", "embeddings", "lora"]
    assert all(seconds >= 0 for _, seconds in phases)


# The token budget


def test_a_prompt_that_is_too_long_is_refused_before_any_work(engine):
    job = make_job()
    engine.check(job.request, job.prompt)
    with pytest.raises(RequestError, match=r"(?s)negative_prompt.*77 tokens"):
        engine.check(job.request, Prompt(job.prompt.positive, "rubber " * 80))


def test_the_budget_is_counted_with_both_tokenizers(engine, monkeypatch):
    job = make_job()
    monkeypatch.setattr(engine.pipelines.base, "tokenizer_2", lambda text: {"input_ids": list(range(78))})
    with pytest.raises(RequestError, match="78 tokens"):
        engine.check(job.request, job.prompt)


# Numbers that are not finite


def test_an_overflow_is_an_error_and_the_engine_goes_on(engine):
    expected = images(draw(engine))
    bias = engine.pipelines.base.unet.conv_out.bias.data
    before = bias.clone()
    bias.fill_(torch.nan)
    with pytest.raises(NonFiniteImageError):
        draw(engine)
    bias.copy_(before)
    assert engine.is_healthy()
    assert images(draw(engine)) == expected


# Cancelling


@pytest.mark.parametrize("angle", [0, 90])
@pytest.mark.parametrize("part", ["text_encoder", "unet", "vae.decoder", "vae.encoder"])
def test_cancelling_leaves_no_state_behind(engine, angle, part):
    expected = images(draw(engine, angle=angle))
    with failing(submodule(engine, part), Cancelled()), pytest.raises(Cancelled):
        draw(engine, angle=angle, scheduler="euler_a", seed=77)
    assert images(draw(engine, angle=angle)) == expected


def submodule(engine, path):
    first, _, rest = path.partition(".")
    return getattr(engine.pipelines.base, first).get_submodule(rest)


def test_cancelling_between_the_pictures_leaves_the_engine_usable(engine):
    expected = images(draw(engine))
    drawings = engine.draw(make_job(seed=8))
    next(drawings)
    drawings.close()
    assert images(draw(engine)) == expected


def test_cancelling_while_the_lora_scale_changes_is_mended_by_the_next_request(fresh_engine, monkeypatch):
    expected = images(draw(fresh_engine))

    class Halfway(list):
        def __iter__(self):
            yield from self[:20]
            raise Cancelled

    with monkeypatch.context() as patch:
        patch.setattr(fresh_engine.lora, "_layers", Halfway(fresh_engine.lora._layers))
        with pytest.raises(Cancelled):
            draw(fresh_engine, lora_scale=2.0)
    assert images(draw(fresh_engine)) == expected


def test_cancelling_while_offloaded_leaves_the_engine_usable(fresh_engine):
    fresh_engine.pipelines.lower()
    expected = images(draw(fresh_engine, angle=45))
    with failing(fresh_engine.pipelines.base.vae.decoder, Cancelled()), pytest.raises(Cancelled):
        draw(fresh_engine, angle=90)
    assert images(draw(fresh_engine, angle=45)) == expected


# Memory


@pytest.mark.parametrize("part", ["text_encoder_2", "unet", "vae.decoder"])
@pytest.mark.parametrize("angle", [0, 45])
def test_out_of_memory_falls_back_one_level_and_draws_the_same_picture(fresh_engine, part, angle):
    expected = images(draw(fresh_engine, angle=angle))
    with failing(submodule(fresh_engine, part), out_of_memory()):
        drawings = draw(fresh_engine, angle=angle)
    assert images(drawings) == expected
    assert drawings[0].report["offload"] == "models"
    assert drawings[0].report["retries"] == ["out of memory at offload 'none', again at 'models'"]
    assert fresh_engine.is_healthy()
    later = draw(fresh_engine, angle=angle)
    assert images(later) == expected
    assert (later[0].report["offload"], later[0].report["retries"]) == ("models", [])


def test_a_second_lack_of_memory_fails_with_numbers_and_the_next_request_goes_on(fresh_engine):
    expected = images(draw(fresh_engine))
    with failing(fresh_engine.pipelines.base.unet, out_of_memory(), calls=(1, 2)) as calls:
        with pytest.raises(GpuMemoryError) as raised:
            draw(fresh_engine)
        assert len(calls) == 2
    message = str(raised.value)
    assert "offload 'models'" in message
    assert "Tried to allocate 2.00 GiB" in message
    assert message.count("GiB") >= 4
    assert fresh_engine.is_healthy()
    assert images(draw(fresh_engine)) == expected


def test_at_the_last_level_a_lack_of_memory_fails_at_once(fresh_engine):
    while fresh_engine.pipelines.lower():
        pass
    with failing(fresh_engine.pipelines.base.unet, out_of_memory()) as calls:
        with pytest.raises(GpuMemoryError, match="models and VAE tiles"):
            draw(fresh_engine)
        assert len(calls) == 1


def test_the_failed_attempts_tensors_are_freed_before_the_retry(fresh_engine):
    seen = []

    def before(module, inputs):
        if not seen:
            seen.append(weakref.ref(inputs[0]))
            raise out_of_memory()
        seen.append(seen[0]() is None)

    fresh_engine.pipelines.base.unet.register_forward_pre_hook(before)
    draw(fresh_engine)
    assert seen[1] is True


def test_libraries_under_torch_run_out_of_memory_too():
    assert is_out_of_memory(out_of_memory())
    assert is_out_of_memory(RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    assert is_out_of_memory(RuntimeError("CUDA error: out of memory"))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))


# Health


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("CUDA error: device-side assert triggered"),
    ],
)
def test_an_error_that_only_a_new_process_mends_makes_the_engine_unhealthy(fresh_engine, error):
    with failing(fresh_engine.pipelines.base.unet, error), pytest.raises(type(error)):
        draw(fresh_engine)
    assert not fresh_engine.is_healthy()


def test_other_errors_leave_the_engine_healthy(fresh_engine):
    with failing(fresh_engine.pipelines.base.unet, ValueError("no")), pytest.raises(ValueError, match="no"):
        draw(fresh_engine)
    assert fresh_engine.is_healthy()
    assert not is_fatal(out_of_memory())
    assert not is_fatal(GpuMemoryError("CUDA error"))


# Cleaning up


def test_closing_releases_the_models(model_folder):
    engine = load_small_engine(model_folder)
    draw(engine, angle=45)
    models = [
        weakref.ref(engine.pipelines.base.unet),
        weakref.ref(engine.pipelines.controlnets.loaded[0].model),
    ]
    engine.close()
    gc.collect()
    assert [model() for model in models] == [None, None]


# Looking at every object in memory wakes an attribute of torch that warns when it is looked at.
@pytest.mark.filterwarnings("ignore:`torch.distributed.reduce_op` is deprecated:FutureWarning")
def test_many_requests_leave_no_more_in_memory_than_one(fresh_engine):
    def tensors():
        gc.collect()
        return sum(isinstance(thing, torch.Tensor) for thing in gc.get_objects())

    for angle in (0, 45, 90):
        draw(fresh_engine, angle=angle, lora_scale=1.0)
    before = tensors()
    for angle in (0, 45, 90, 20, 0):
        draw(fresh_engine, angle=angle, lora_scale=0.5)
    assert tensors() <= before


# Progress


def test_the_log_has_one_bar_a_picture(engine, monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    draw(engine, angle=45, num_inference_steps=4)
    lines = [line.rsplit("\r", 1)[-1] for line in log.getvalue().strip("\n").split("\n")]
    assert [line.split(":")[0] for line in lines] == [
        f"preview {PREVIEW}x{PREVIEW}",
        f"final {FINAL}x{FINAL}",
    ]
    assert all("2/2" in line and "100%" in line for line in lines)
