"""The benchmark of production: its models are SDXL's, and it runs whole on a small one."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from safetensors.torch import load_file

from plitka.device import DeviceInfo
from plitka.manifest import SHIPPED_MODEL_DIR, load_manifest
from plitka.serve import ROOT

CPU = DeviceInfo("cpu", "cpu", "CPU", 2**34, "float32")
# https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0 and the models named in the manifest.
PARAMETERS = {
    "unet": 2_567_463_684,
    "text_encoder": 123_060_480,
    "text_encoder_2": 694_659_840,
    "vae": 83_653_863,
}
PUBLISHED_FILES = {
    "unet": ("base", "unet/diffusion_pytorch_model.fp16.safetensors", 2),
    "text_encoder": ("base", "text_encoder/model.fp16.safetensors", 2),
    "text_encoder_2": ("base", "text_encoder_2/model.fp16.safetensors", 2),
    "vae": ("vae", "diffusion_pytorch_model.safetensors", 4),
    "union": ("union", "diffusion_pytorch_model.safetensors", 2),
}
# A safetensors file is its tensors and a header of about a hundred bytes for each.
LARGEST_HEADER = 300_000


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def parameters(model):
    return sum(weight.numel() for weight in model.parameters())


@pytest.mark.parametrize("part", PARAMETERS)
def test_models_are_of_sdxls_size_to_the_parameter(part):
    from card.architecture import SDXL

    assert parameters(SDXL.empty(part)) == PARAMETERS[part]


@pytest.mark.parametrize("part", PUBLISHED_FILES)
def test_models_are_as_large_as_the_published_files(part):
    from card.architecture import SDXL

    source_name, path, bytes_each = PUBLISHED_FILES[part]
    models = load_manifest(SHIPPED_MODEL_DIR).models["sdxl"]
    sources = {"base": models.base, "vae": models.vae, **models.controlnets}
    size = next(spec.size for spec in sources[source_name].files if spec.path == path)
    assert 0 < size - bytes_each * parameters(SDXL.empty(part)) < LARGEST_HEADER


def test_the_lora_is_as_large_as_the_customers():
    from card.architecture import SDXL
    from card.weights import random_lora

    tensors = random_lora(SDXL, "cpu")
    assert sum(tensor.nbytes for tensor in tensors.values()) / 2**20 == pytest.approx(97, abs=1)
    assert {tensor.shape[0] for name, tensor in tensors.items() if "lora_A" in name} == {32}
    assert any("conv2.lora_B" in name for name in tensors)


def test_a_guided_step_at_1024_pixels_is_13_and_a_half_teraflop():
    from card.architecture import SDXL
    from card.step import count_step_flops

    assert count_step_flops(SDXL, 1024) / 1e12 == pytest.approx(13.5, abs=0.1)


@pytest.fixture
def bench(tmp_path):
    from card.architecture import SMALL
    from card.bench import Bench
    from card.weights import write_models

    few_steps = replace(SMALL, steps=(1, 1))
    bench = Bench(tmp_path, CPU, few_steps, repeats=1)
    bench.models.mkdir()
    assert write_models(bench.models, few_steps, "cpu")
    return bench


def test_ours_and_the_baseline_draw_the_same_picture_and_each_figure_is_kept(bench, capsys):
    from card import baseline, predictions

    baseline.run(bench)
    predictions.run_ours(bench)
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    kept = [json.loads(line) for line in (bench.out / "figures.jsonl").read_text().splitlines()]
    assert printed == kept
    ours = bench.find("ours, default")
    assert ours["times_baseline"] == pytest.approx(
        bench.find("baseline")["seconds"] / ours["seconds"], rel=0.01
    )
    for picture in ("preview", "final"):
        alike = ours["against_baseline"][picture]
        assert alike["psnr_db"] >= 40
        assert alike["contrast"] > 20
    assert bench.find("ours, default: guided step at 128")["tflop"] > 0


def test_weights_are_written_once_and_in_the_real_layouts(bench):
    from card.weights import LORA_FILE, write_models

    assert not write_models(bench.models, bench.architecture, "cpu")
    assert all(name.startswith("base_model.model.") for name in load_file(bench.models / LORA_FILE))
    own = json.loads((bench.models / "sdxl-base/vae/config.json").read_text())
    safe = json.loads((bench.models / "sdxl-vae-fp16-fix/config.json").read_text())
    assert (own["force_upcast"], safe["force_upcast"]) == (True, False)
    encoder = load_file(bench.models / "sdxl-base/text_encoder/model.fp16.safetensors")
    assert all(name.startswith("text_model.") for name in encoder)


def test_the_report_has_the_latest_figure_of_each_name_and_a_chart(bench, tmp_path):
    from card.report import write_report

    bench.emit("baseline", "baseline", seconds=9.0, runs=[9.0])
    bench.emit("baseline", "baseline", seconds=8.0, runs=[8.0])
    bench.emit("ours", "ours, default", seconds=4.0, runs=[4.0], times_baseline=2.0)
    page = tmp_path / "performance.md"
    page.write_text("before\n<!-- measured -->\nold\n<!-- end -->\nafter\n")
    write_report(bench.out, tmp_path)
    text = page.read_text()
    assert "| CPU, small | baseline | 8 s |" in text
    assert "| CPU, small | ours, default | 4 s; 2.00× the baseline's speed |" in text
    assert "9 s" not in text
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    chart = ElementTree.parse(tmp_path / "performance.svg")
    bars = [float(bar.get("width")) for bar in chart.iter("{http://www.w3.org/2000/svg}rect")][1:]
    assert bars[0] == pytest.approx(2 * bars[1], rel=0.01)
