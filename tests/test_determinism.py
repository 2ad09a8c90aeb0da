"""A slice of `determinism.py`: the same request gives the same bytes, wherever and whenever it is drawn."""

import determinism
import numpy as np
import pytest
import torch
from drawing import draw, load_small_engine


@pytest.mark.parametrize("engine", ["render", pytest.param("sdxl", marks=pytest.mark.long)])
def test_two_processes_draw_the_same_bytes_also_after_other_requests(
    engine, model_folder, tmp_path, monkeypatch
):
    monkeypatch.setenv("PLITKA_MODEL_DIR", str(model_folder))
    picture = tmp_path / "picture.npy"
    many = determinism.draw(engine, 64, 1, between=1, picture=picture)
    alone = determinism.run_child(["--engine", engine, "--size", "64"], 1, 0, picture, {})
    assert many["distinct"] == 2
    assert many["first"] == many["last"]
    assert [*many["first"]] == alone["first"]


def test_another_thread_count_changes_a_picture_by_a_step_at_most(model_folder):
    engine = load_small_engine(model_folder)
    one = [drawing.image.astype(int) for drawing in draw(engine, angle=45)]
    torch.set_num_threads(2)
    try:
        two = [drawing.image.astype(int) for drawing in draw(engine, angle=45)]
    finally:
        torch.set_num_threads(1)
    assert max(np.abs(a - b).max() for a, b in zip(one, two, strict=True)) <= 1
