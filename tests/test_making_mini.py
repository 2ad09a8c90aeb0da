"""`make mini`: every stage from nothing to a model folder that draws, in its order and its processes."""

import dataclasses

import pytest
from drawing import make_job

from plitka.diffusion import DiffusionEngine
from training.make import Workshop, make_mini
from training.profiles import PROFILES

STAGES = ("vae", "text", "unet", "decoder", "adapters", "controlnet")
TINY = dataclasses.replace(
    PROFILES["cpu"],
    tiles=4,
    latents=4,
    pieces=4,
    prior=2,
    **{stage: dataclasses.replace(getattr(PROFILES["cpu"], stage), steps=2, batch=2) for stage in STAGES},
)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_one_command_makes_a_model_that_draws_and_takes_up_its_work_again(
    workers, tmp_path, monkeypatch, capfd
):
    shop = Workshop(
        tmp_path / "work", tmp_path / "models/mini", dataclasses.replace(TINY, workers=workers), 0
    )
    make_mini(shop)
    monkeypatch.setenv("PLITKA_MODEL_DIR", str(tmp_path / "models"))
    engine = DiffusionEngine.load("mini", preview_size=64, final_size=128)
    job = make_job(angle=30)
    first = [drawing.image for drawing in engine.draw(job)]
    assert [image.shape for image in first] == [(64, 64, 3), (128, 128, 3)]

    weights = {path: path.read_bytes() for path in shop.output.rglob("*.safetensors")}
    capfd.readouterr()
    make_mini(shop)
    assert {path: path.read_bytes() for path in shop.output.rglob("*.safetensors")} == weights
    assert f"{STAGES[0]}: 0 s" in capfd.readouterr().out
