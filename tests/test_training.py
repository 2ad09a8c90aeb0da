import json
import math
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from drawing import make_job
from PIL import Image
from safetensors.torch import load_file

from plitka.diffusion.engine import DiffusionEngine
from plitka.fidelity.measure import measure
from plitka.tile.swatch import draw_swatch
from training import adapters
from training.captions import caption, mix_words, whole_percentages
from training.checkpoints import read_checkpoint
from training.controlnet import train_controlnet
from training.data import PLANES, STYLES, TILE, TileStore, crop_shares, draw_style, random_mix, random_tile
from training.data_check import check_captions
from training.decoder import train_decoder
from training.export import ADAPTER_FILES, export_adapters, export_base, export_controlnet, write_manifest
from training.latents import LatentStore, draw_batch
from training.loop import Budget, is_finished
from training.pictures import read_pictures
from training.pieces import write_pieces
from training.precision import VARIABLE
from training.stated_mix import stated_mix
from training.text import train_text
from training.unet import Denoising, make_unet, train_unet
from training.vae import make_vae, train_vae

pytestmark = pytest.mark.usefixtures("few_crops")
torch.set_num_threads(1)
DEVICE = "cpu"


def small_vae():
    return make_vae((16, 16, 16))


def small_unet():
    return make_unet((16, 32, 32))


def budget(steps):
    return Budget(steps, math.inf, 2, 1e-3)


def trained_steps(folder):
    return [json.loads(line)["step"] for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = TileStore(tmp_path_factory.mktemp("training") / "tiles", 3)
    assert list(store.fill(3)) == [0, 1, 2]
    return store


@pytest.fixture(scope="module")
def shop(store, tmp_path_factory):
    """Every stage of the base model after two steps, and what it leaves."""
    work = tmp_path_factory.mktemp("shop")
    vae = train_vae(store, work / "vae", budget(2), 0, DEVICE, small_vae)
    train_decoder(vae, store, work / "decoder", budget(2), 0, DEVICE)
    tokenizer, encoders = train_text(work / "text", budget(2), 0, DEVICE)
    latents = [LatentStore(store, work / "latents", style, 2, vae) for style in STYLES]
    for style in latents:
        assert list(style.encode(vae, DEVICE)) == [0, 1]
    denoising = Denoising(tokenizer, encoders, DEVICE)
    unet = train_unet(latents[1:], denoising, work / "unet", budget(2), 0, small_unet)
    controlnet = train_controlnet(
        latents, (0.4, 0.3, 0.3), denoising, unet, work / "controlnet", budget(2), 0
    )
    export_base(work / "mini", vae, tokenizer, work / "text" / "tokenizer", encoders, unet)
    export_controlnet(work / "mini", controlnet)
    write_pieces(store, work / "pieces", {"crumb": 1.0}, 2, 160, 0)
    write_pieces(store, work / "prior", {"terrazzo": 1.0}, 2, 160, 1)
    return SimpleNamespace(work=work, vae=vae, latents=latents, denoising=denoising, unet=unet)


def adapter_words(shop, **changes):
    given = {
        "model": shop.work / "mini" / "base",
        "pictures": shop.work / "pieces",
        "prior": shop.work / "prior",
        "output": shop.work / "adapters",
        "init-words": "pebbles",
        "resolution": 160,
        "rank": 4,
        "steps": 2,
        "batch": 1,
        **changes,
    }
    return [word for name, value in given.items() for word in (f"--{name}", str(value))]


@pytest.fixture(scope="module")
def trained_adapters(shop):
    adapters.main(adapter_words(shop))
    return shop.work / "adapters"


def test_mixes_have_one_to_eight_colours_and_whole_percentages():
    rng = np.random.default_rng(0)
    mixes = [random_mix(rng) for _ in range(200)]
    assert {len(mix) for mix in mixes} == set(range(1, 9))
    percent = [color.share * 100 for mix in mixes for color in mix]
    assert min(percent) >= 0.999 and np.allclose(percent, np.rint(percent))
    assert any(color.id.startswith("#") for mix in mixes for color in mix)


def test_a_tile_is_the_same_every_time_and_has_the_shares_it_claims():
    tile, planes = random_tile(5, 2)
    again, same = random_tile(5, 2)
    assert tile == again and all(np.array_equal(planes[name], same[name]) for name in PLANES)
    assert tile.view == 512 and planes["colors"].shape == (TILE, TILE)
    assert np.abs(crop_shares(planes["colors"], len(tile.shares)) - tile.shares).max() < 0.01


def test_a_caption_states_the_shares_of_what_is_in_the_picture():
    plan = make_job(colors=(("black", 30), ("yellow", 70)), layout="surface", dimensions={}).plan
    piece = slice(100, 260), slice(40, 200)
    shares = crop_shares(plan.color_indices(512)[piece], 2)
    text = caption("crumb", mix_words(["black", "yellow"], list(shares)), np.random.default_rng(0))
    stated = stated_mix(text).mix
    assert text.startswith("ohwx_rubber_tile <s0><s1>, ")
    assert np.allclose([color.share for color in stated], shares, atol=0.011)
    assert measure(draw_swatch(plan, 512)[piece], stated).worst_error_pp < 6


def test_small_shares_and_colours_of_one_word_are_merged_in_captions():
    assert mix_words(["red", "blue", "red", "green"], [0.3, 0.398, 0.3, 0.002]) == "60% red, 40% blue"
    assert whole_percentages([0.2, 0.1]) == (67, 33)


def test_styles_look_different():
    plan = make_job(colors=(("red", 100),), layout="surface", dimensions={}).plan
    crumb, pebbles, terrazzo = (draw_style(plan, style, 512).astype(float) for style in STYLES)
    sharpness = [np.abs(np.diff(picture, axis=0)).mean() for picture in (crumb, pebbles)]
    assert sharpness[1] < 0.8 * sharpness[0]
    assert np.abs(terrazzo - crumb).mean() > 25


def test_drawing_tiles_resumes(tmp_path):
    drawing = TileStore(tmp_path, 2).fill(0)
    assert next(drawing) == 0
    drawing.close()
    resumed = TileStore(tmp_path, 2)
    assert list(resumed.fill(0)) == [1] and len(resumed.tiles) == 2
    with pytest.raises(ValueError, match="remove it"):
        TileStore(tmp_path, 5)


@pytest.mark.long
def test_examples_match_their_latents_edges_and_sizes(shop):
    batch = draw_batch(shop.latents, (0.4, 0.3, 0.3), np.random.default_rng(0), 6, 16)
    assert batch.latents.shape == (6, 8, 16, 16) and batch.edges.shape == (6, 3, 64, 64)
    assert set(batch.time_ids[:, 0].tolist()) <= {512.0, 1024.0}
    assert batch.edges.min() >= 0 and batch.edges.max() <= 1


@pytest.mark.long
@pytest.mark.parametrize("stage", ["vae", "decoder", "text", "unet", "controlnet"])
def test_every_stage_resumes_where_it_stopped(shop, store, tmp_path, stage):
    folder = tmp_path / stage
    shutil.copytree(shop.work / stage, folder)
    assert is_finished(folder, budget(2)) and not is_finished(folder, budget(3))
    more = budget(3)
    run = {
        "vae": lambda: train_vae(store, folder, more, 0, DEVICE, small_vae),
        "decoder": lambda: train_decoder(shop.vae, store, folder, more, 0, DEVICE),
        "text": lambda: train_text(folder, more, 0, DEVICE),
        "unet": lambda: train_unet(shop.latents[1:], shop.denoising, folder, more, 0, small_unet),
        "controlnet": lambda: train_controlnet(
            shop.latents[:1], (1.0,), shop.denoising, shop.unet, folder, more, 0
        ),
    }
    run[stage]()
    assert trained_steps(folder) == [2, 3]


def test_latents_have_mean_zero_and_deviation_one(shop):
    latents = torch.from_numpy(np.stack([style.latents for style in shop.latents])).float()
    assert latents.mean().abs() < 0.5 and 0.5 < latents.std() < 2


def write_swapped(folder, source):
    shutil.copytree(source, folder)
    Image.fromarray(draw_swatch(make_job(colors=(("blue", 80), ("red", 20)), dimensions={}).plan, 512)).save(
        folder / "swapped.png"
    )
    line = {"file_name": "swapped.png", "text": "ohwx_rubber_tile <s0><s1>, 20% blue, 80% red"}
    with (folder / "metadata.jsonl").open("a") as metadata:
        metadata.write(json.dumps(line) + "\n")


@pytest.mark.long
def test_swapped_labels_are_listed_and_stop_the_run(shop, tmp_path):
    write_swapped(tmp_path / "pictures", shop.work / "pieces")
    found = check_captions(read_pictures(tmp_path / "pictures")).disagreements
    assert [one.name for one in found] == ["swapped.png"]
    with pytest.raises(SystemExit, match=r"(?s)swapped.png: blue 20 % stated, .*--trust-captions"):
        adapters.main(adapter_words(shop, pictures=tmp_path / "pictures", output=tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    adapters.check_data(read_pictures(tmp_path / "pictures"), 12.0, trusted=True)


def test_captions_beside_the_pictures_are_read(tmp_path):
    Image.new("RGB", (160, 128), (200, 0, 0)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"no captions \(.txt\) for a.png"):
        read_pictures(tmp_path)
    (tmp_path / "a.txt").write_text("100% red\n")
    (picture,) = read_pictures(tmp_path)
    assert picture.caption == "100% red" and picture.pixels(16).shape == (16, 16, 3)
    (tmp_path / "a.txt").write_text("a tile")
    assert "states no shares" in check_captions(read_pictures(tmp_path)).disagreements[0].message


def test_adapters_are_written_in_the_customers_formats(trained_adapters):
    lora, embeddings = (load_file(trained_adapters / ADAPTER_FILES[i]) for i in (0, 2))
    assert all(name.startswith("base_model.model.") for name in lora)
    assert any(name.endswith("conv2.lora_A.weight") for name in lora)
    assert {name: tuple(value.shape) for name, value in embeddings.items()} == {
        "clip_l": (2, 96),
        "clip_g": (2, 128),
    }
    assert {value.dtype for value in embeddings.values()} == {torch.bfloat16}


@pytest.fixture
def new_accelerator():
    """accelerate keeps the number format of a process, which trains once outside of tests."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.long
@pytest.mark.usefixtures("new_accelerator")
@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_adapters_and_stages_are_trained_in_the_precision_that_is_asked_for(
    shop, store, tmp_path, monkeypatch, precision
):
    adapters.main(adapter_words(shop, output=tmp_path, precision=precision, resolution=32, steps=1))
    monkeypatch.setenv(VARIABLE, precision)
    train_unet(shop.latents[1:], shop.denoising, tmp_path / "unet", budget(1), 0, small_unet)
    for folder in ("training", "unet"):
        (line,) = (tmp_path / folder / "log.jsonl").read_text().splitlines()
        assert json.loads(line)["precision"] == precision
        state = read_checkpoint(tmp_path / folder)
        for module in state["modules"].values():
            assert all(weight.dtype == torch.float32 for weight in module.values())
            assert all(weight.isfinite().all() for weight in module.values())


def test_adapter_training_resumes(shop, trained_adapters, tmp_path):
    shutil.copytree(trained_adapters, tmp_path / "adapters")
    adapters.main(adapter_words(shop, output=tmp_path / "adapters", steps=3))
    assert trained_steps(tmp_path / "adapters" / "training") == [2, 3]


@pytest.mark.long
def test_the_exported_model_is_loaded_and_draws_as_engine_mini(shop, trained_adapters, monkeypatch):
    export_adapters(shop.work / "mini", trained_adapters)
    write_manifest(shop.work / "mini", 1.0, shop.work / "manifest.json")
    monkeypatch.setenv("PLITKA_MODEL_DIR", str(shop.work))
    engine = DiffusionEngine.load("mini", preview_size=64, final_size=128)
    assert engine.lora.modules > 20 and engine.tokens == ("<s0>", "<s1>")
    for color_guidance in (0.0, 0.5):
        drawings = list(engine.draw(make_job(angle=30, color_guidance=color_guidance)))
        assert [drawing.image.shape for drawing in drawings] == [(64, 64, 3), (128, 128, 3)]
        assert drawings[0].controlnet == "mini/controlnet"
