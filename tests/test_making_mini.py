"""`make mini`: every stage from nothing to a model folder that draws, in its order and its processes."""

import dataclasses
import math
import shutil

import pytest
import torch
from drawing import make_job
from safetensors.torch import load_file

from plitka.diffusion.engine import DiffusionEngine
from training.checkpoints import INDEX
from training.export import ADAPTER_FILES, BASE
from training.loop import Budget
from training.make import Workshop, make_mini
from training.profiles import PROFILES
from training.start import take_over_text

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("few_crops")]
STAGES = ("vae", "text", "unet", "decoder", "adapters", "controlnet")
# What a stage that has nothing left to do leaves as it is.
KEPT = (INDEX, "log.jsonl", "model.safetensors", "diffusion_pytorch_model.safetensors", ADAPTER_FILES[0])


def tiny(name, **changes):
    """A profile with two steps a stage, however long they take, and small samples, on a CPU."""
    profile = PROFILES[name]
    budgets = {stage: Budget(2, math.inf, 2, getattr(profile, stage).rate) for stage in STAGES}
    small = {"device": "cpu", "tiles": 2, "latents": 2, "pieces": 2, "prior": 2, "sample_side": 64}
    return dataclasses.replace(profile, **small | budgets | changes)


def shop_in(folder, workers=1):
    return Workshop(folder / "work", folder / "models/mini", tiny("cpu", workers=workers), 0)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder in which a model was made, to be read."""
    folder = tmp_path_factory.mktemp("made")
    make_mini(shop_in(folder))
    return folder


@pytest.fixture
def two_workers(tmp_path):
    make_mini(shop_in(tmp_path, workers=2))
    return tmp_path


def kept(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.name in KEPT}


@pytest.mark.parametrize(
    ("workers", "fixture"), [(1, "made"), pytest.param(2, "two_workers", marks=pytest.mark.slow)]
)
def test_one_command_makes_a_model_that_draws_and_takes_up_its_work_again(
    workers, fixture, request, monkeypatch
):
    folder = request.getfixturevalue(fixture)
    monkeypatch.setenv("PLITKA_MODEL_DIR", str(folder / "models"))
    engine = DiffusionEngine.load("mini", preview_size=64, final_size=128)
    job = make_job(angle=30)
    first = [drawing.image for drawing in engine.draw(job)]
    assert [image.shape for image in first] == [(64, 64, 3), (128, 128, 3)]

    before = kept(folder)
    assert sorted({path.name for path in before}) == sorted(KEPT)
    make_mini(shop_in(folder, workers=workers))
    assert kept(folder) == before


def test_a_model_is_refined_from_a_finished_one_whose_prompts_and_latents_keep_their_meaning(
    made, tmp_path, monkeypatch
):
    first, second = made / "models/mini", tmp_path / "second/mini"
    make_mini(Workshop(tmp_path / "again", second, tiny("gpu", start=first), 1))

    def weights(model, part):
        return load_file(next((model / BASE / part).glob("*.safetensors")))

    for part in ("text_encoder", "text_encoder_2"):
        before, after = weights(first, part), weights(second, part)
        assert all(torch.equal(before[name], after[name]) for name in before)
    before, after = weights(first, "vae"), weights(second, "vae")
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith("encoder."))
    assert any(not torch.equal(before[name], after[name]) for name in before if name.startswith("decoder."))
    before, after = weights(first, "unet"), weights(second, "unet")
    changes = [float((before[name] - after[name]).float().abs().mean()) for name in before]
    assert 0 < max(changes) < 0.02  # two steps from where it was, not from somewhere else
    parts = [path.stat().st_size for path in (tmp_path / "again").rglob("checkpoint.*")]
    assert parts and max(parts) <= 16 * 2**20
    monkeypatch.setenv("PLITKA_MODEL_DIR", str(second.parent))
    engine = DiffusionEngine.load("mini", preview_size=64, final_size=128)
    assert [drawing.image.shape for drawing in engine.draw(make_job())] == [(64, 64, 3), (128, 128, 3)]


def test_text_encoders_that_know_other_words_are_refused(made, tmp_path):
    shutil.copytree(made / "models/mini", tmp_path / "mini")
    vocabulary = tmp_path / "mini" / BASE / "tokenizer/vocab.json"
    vocabulary.write_text(vocabulary.read_text().replace("terr", "torr"))
    with pytest.raises(ValueError, match=r"tokenizer: prompts have other words"):
        take_over_text(tmp_path / "mini", tmp_path / "text")
