"""Trainings by Cog's real server in train mode, on a small checkpoint, and what the predictor makes of it."""

import io
import json
import tarfile
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from cog_server import decode, wait_for
from drawing import draw, images, load_small_engine
from PIL import Image
from safetensors.torch import load
from training_server import TrainingServer
from training_zip import MIXES, exchanged, honest, zip_of

pytestmark = pytest.mark.long

ONE = zip_of(honest(MIXES[:1]))
QUICK = {"steps": 3, "rank": 2, "resolution": 64, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def server(model_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("training-server")
    server = TrainingServer(folder, PLITKA_ENGINE="sdxl", PLITKA_MODEL_DIR=model_folder)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def trained(server):
    answer = server.post(ONE, seed=7, **QUICK).json()
    assert answer["status"] == "succeeded", answer
    return answer


def failure(server, archive=None, **inputs):
    answer = server.post(archive, **inputs).json()
    assert answer["status"] == "failed", answer
    return answer


def left_folders(server):
    return list(server.temp.glob("plitka-training-*"))


def test_numbers_out_of_range_and_a_missing_archive_are_refused_before_anything_starts(server):
    for inputs in ({"steps": 0}, {"rank": 129}, {"learning_rate": 1}, {"resolution": 32}, {"seed": -2}):
        answer = server.post(ONE, **inputs)
        assert answer.status_code == 422 and next(iter(inputs)) in answer.text
    assert server.post(steps=3).status_code == 422


def test_every_problem_of_a_request_comes_in_one_message(server):
    error = failure(server, b"no zip", trigger="tile", resolution=65, base_model="../../etc")["error"]
    for field in ("trigger", "resolution", "base_model", "photographs"):
        assert f"- {field}: " in error
    assert left_folders(server) == []


def test_a_path_in_place_of_an_archive_is_not_opened(server):
    error = failure(server, photographs="/etc/passwd")["error"]
    assert '"/etc/passwd" is no file that was sent' in error


def test_captions_that_disagree_stop_a_training_before_its_model_is_loaded(server):
    archive = zip_of({**honest(MIXES[:1]), **exchanged(("blue", 70), ("red", 30))})
    answer = failure(server, archive, **QUICK)
    assert "1 of 2: the caption disagrees" in answer["error"]
    assert "swapped.png: blue 30 % stated" in answer["error"] and "trust_captions" in answer["error"]
    (found,) = answer["metrics"]["data_check"]["disagreements"]
    assert found["exchange"] == ["blue", "red"]
    assert "loading" not in server.log.read_text()


def test_a_training_gives_weights_a_sheet_and_a_report_and_says_how_far_it_is(trained):
    assert "step 1 of 3: loss" in trained["logs"] and "step 3 of 3: loss" in trained["logs"]
    metrics = trained["metrics"]
    assert metrics["training"]["seed"] == "7" and metrics["training"]["step"] == 3
    sheet = Image.open(io.BytesIO(decode(trained["output"]["sheet"])))
    assert sheet.size == (3 * 64 + 8, 64)
    report = json.loads(decode(trained["output"]["report"]))
    assert report["base"] == "base" and report["seed"] == 7 and report["data_check"]["pictures"] == 1
    inputs = QUICK | {"seed": 7, "batch_size": 1, "embedding_learning_rate": 5e-4, "trust_captions": False}
    assert inputs.items() <= report.items()


def files_in(answer):
    with tarfile.open(fileobj=io.BytesIO(decode(answer["output"]["weights"]))) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}


def test_the_same_seed_gives_the_same_weights_and_trusted_captions_train(server, trained):
    again = server.post(ONE, seed=7, **QUICK).json()
    assert again["output"]["weights"] == trained["output"]["weights"]
    archive = zip_of(exchanged(("blue", 70), ("red", 30)))
    other = server.post(archive, seed=8, trust_captions=True, **QUICK | {"steps": 1}).json()
    assert other["status"] == "succeeded" and "exchanging" in other["logs"]
    assert files_in(other)["tile_lora.safetensors"] != files_in(trained)["tile_lora.safetensors"]


def test_what_was_trained_has_the_customers_formats_loads_and_changes_the_picture(
    trained, model_folder, tmp_path
):
    archive = tmp_path / "trained.tar"
    archive.write_bytes(decode(trained["output"]["weights"]))
    files = files_in(trained)
    assert json.loads(files["adapter_config.json"])["r"] == 2
    lora = load(files["tile_lora.safetensors"])
    assert all(name.startswith("base_model.model.") for name in lora)
    embeddings = load(files["tile_embeddings.safetensors"])
    assert {name: (len(rows), rows.dtype) for name, rows in embeddings.items()} == {
        "clip_l": (2, torch.bfloat16),
        "clip_g": (2, torch.bfloat16),
    }
    words = tmp_path / "words"
    words.mkdir()
    (words / "words.safetensors").write_bytes(files["tile_embeddings.safetensors"])
    engine = load_small_engine(model_folder, archive)
    assert engine.lora.modules > 5 and engine.tokens == ("<s0>", "<s1>")
    without = load_small_engine(model_folder, words, PLITKA_ALLOW_BASE="1")
    assert images(draw(engine)) != images(draw(without))


def test_a_training_can_be_cancelled_in_the_middle_and_leaves_nothing(server, trained):
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(server.put, "long", ONE, **QUICK | {"steps": 20_000})
        wait_for(lambda: "step 1 of 20000" in server.log.read_text())
        assert server.cancel("long").status_code == 200
        assert answer.result().json()["status"] == "canceled"
    wait_for(lambda: left_folders(server) == [])
    assert server.post(ONE, trigger="x").json()["status"] == "failed"
