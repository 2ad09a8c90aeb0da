"""`make mini`: every stage from nothing to a model folder that draws, in its order and its processes."""

import dataclasses
import math

import pytest
from drawing import make_job

from plitka.diffusion.engine import DiffusionEngine
from training.export import ADAPTER_FILES
from training.loop import CHECKPOINT, Budget
from training.make import Workshop, make_mini
from training.profiles import PROFILES

STAGES = ("vae", "text", "unet", "decoder", "adapters", "controlnet")
# What a stage that has nothing left to do leaves as it is.
KEPT = (CHECKPOINT, "log.jsonl", "model.safetensors", "diffusion_pytorch_model.safetensors", ADAPTER_FILES[0])
# Two steps, however long they take, and small samples.
TINY = dataclasses.replace(
    PROFILES["cpu"],
    tiles=4,
    latents=4,
    pieces=4,
    prior=2,
    sample_side=64,
    **{stage: Budget(2, math.inf, 2, getattr(PROFILES["cpu"], stage).rate) for stage in STAGES},
)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_one_command_makes_a_model_that_draws_and_takes_up_its_work_again(workers, tmp_path, monkeypatch):
    shop = Workshop(
        tmp_path / "work", tmp_path / "models/mini", dataclasses.replace(TINY, workers=workers), 0
    )
    make_mini(shop)
    monkeypatch.setenv("PLITKA_MODEL_DIR", str(tmp_path / "models"))
    engine = DiffusionEngine.load("mini", preview_size=64, final_size=128)
    job = make_job(angle=30)
    first = [drawing.image for drawing in engine.draw(job)]
    assert [image.shape for image in first] == [(64, 64, 3), (128, 128, 3)]

    made = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.name in KEPT}
    assert sorted({path.name for path in made}) == sorted(KEPT)
    make_mini(shop)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.name in KEPT} == made
