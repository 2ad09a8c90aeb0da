"""The benchmark of production: its models are SDXL's, and it runs whole on a small one."""

import argparse
import ast
import json
import os
import re
import shutil
import sys
from contextlib import closing
from dataclasses import replace
from unittest import mock
from xml.etree import ElementTree

import pytest
from safetensors.torch import load_file

from plitka.device.select import DeviceInfo
from plitka.diffusion.acceleration import Acceleration
from plitka.server.serve import ROOT
from plitka.settings import SHIPPED_MODEL_DIR
from plitka.weights.manifest import load_manifest

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
# Packages by the names of their modules, where those differ.
PACKAGES = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "pydantic_core": "pydantic",
}
# Nobody imports it, but the libraries do where it is installed, and do not offload without it.
BEHIND = {"torch", "accelerate"}


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def imported_by(path, seen):
    """The modules that a file and those of ours behind it import, by the first part of their names."""
    if path in seen:
        return set()
    seen.add(path)
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            places = [folder / f"{name.replace('.', '/')}.py" for folder in (ROOT, ROOT / "benchmarks")]
            ours = [place for place in places if place.is_file()]
            found |= imported_by(ours[0], seen) if ours else {name.partition(".")[0]}
    return found


def test_a_copy_of_the_repository_needs_the_packages_that_the_benchmark_names_and_no_others():
    script = ROOT / "benchmarks" / "gpu.py"
    listed = re.search(
        r"what they need themselves: (.*?)\.", ast.get_docstring(ast.parse(script.read_text())), re.S
    )
    # Sheets, which need fpdf, are not made there, and nothing is traced; Triton comes with PyTorch for GPUs.
    left_out = {"plitka", "card", "fpdf", "opentelemetry", "triton"}
    imported = imported_by(script, set()) - sys.stdlib_module_names - left_out
    assert {"torch", "coloraide"} < imported
    assert (
        set(re.split(r",\s+", listed[1])) | BEHIND == {PACKAGES.get(name, name) for name in imported} | BEHIND
    )


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
def few_steps():
    from card.architecture import SMALL

    return replace(SMALL, steps=(1, 1))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Where models are, once a test has written them."""
    return tmp_path_factory.mktemp("bench") / "models"


@pytest.fixture
def bench(tmp_path, models, few_steps):
    from card.bench import Bench
    from card.weights import write_models

    if not models.exists():
        models.mkdir()
        assert write_models(models, few_steps, "cpu")
    bench = Bench(tmp_path, CPU, few_steps, repeats=1)
    shutil.copytree(models, bench.models)
    # It points the engine to its models by a variable, as it may in a process of its own.
    with mock.patch.dict(os.environ):
        yield bench


def test_ours_and_the_baseline_draw_the_same_picture_and_each_figure_is_kept(bench, capsys):
    from card import baseline, predictions

    baseline.run(bench)
    predictions.run_ours(bench)
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    kept = [json.loads(line) for line in (bench.out / "figures.jsonl").read_text().splitlines()]
    assert printed == kept
    ours = bench.find("ours, eager")
    assert ours["times_baseline"] == pytest.approx(
        bench.find("baseline")["seconds"] / ours["seconds"], rel=0.01
    )
    for picture in ("preview", "final"):
        alike = ours["against_baseline"][picture]
        assert alike["psnr_db"] >= 40
        assert alike["contrast"] > 20
    assert bench.find("ours, eager: guided step at 128")["tflop"] > 0


def test_what_is_left_out_of_the_baseline_changes_no_picture(bench):
    from card import baseline

    pipeline = baseline.load(bench)
    _, expected = baseline.prediction(bench, pipeline)
    for left_out in ({"encodes_twice": False}, {"empties_cache": False}):
        _, images = baseline.prediction(bench, pipeline, baseline.Way(**left_out))
        assert [image.tobytes() for image in images] == [image.tobytes() for image in expected]


def test_every_measure_is_timed_with_and_without_it(bench):
    from card import measures

    measures.run(bench)
    lines = (bench.out / "figures.jsonl").read_text().splitlines()
    named = [json.loads(line)["figure"] for line in lines]
    assert len(named) == len(set(named)) == 5
    for name in named:
        figure = bench.find(name)
        assert figure["gain"] == pytest.approx(
            figure["without_seconds"] / figure["seconds"] - 1, rel=0.01, abs=0.01
        )


# The baseline's own pipeline does it where a VAE asks for single precision.
@pytest.mark.filterwarnings("ignore:`upcast_vae` is deprecated:FutureWarning")
def test_half_precision_fits_together_in_every_pipeline_and_gives_the_baselines_picture(bench):
    """As on a GPU: a tensor in another format than a weight would end a prediction there."""
    from card import baseline, predictions

    half = replace(bench, device_info=replace(CPU, name="CPU, half precision", dtype="float16"))
    baseline.run(half)
    with closing(half.load_engine(Acceleration(channels_last=True))) as engine:
        predictions.measure(half, "ours", "ours, eager", engine)
        drawn = [
            predictions.predict(half, engine, half.request(angle, color_guidance=guidance))
            for angle in (0, 90, 30)
            for guidance in (0, 0.5)
        ]
    assert len({prediction.metrics["pipeline.name"] for prediction in drawn}) == 6
    alike = half.find("ours, eager")["against_baseline"]
    assert all(alike[picture]["psnr_db"] >= 40 for picture in ("preview", "final"))


def test_weights_are_written_once_and_in_the_real_layouts(bench):
    from card.weights import LORA_FILE, write_models

    assert not write_models(bench.models, bench.architecture, "cpu")
    assert all(name.startswith("base_model.model.") for name in load_file(bench.models / LORA_FILE))
    own = json.loads((bench.models / "sdxl-base/vae/config.json").read_text())
    safe = json.loads((bench.models / "sdxl-vae-fp16-fix/config.json").read_text())
    assert (own["force_upcast"], safe["force_upcast"]) == (True, False)
    for part, beside in (("text_encoder", set()), ("text_encoder_2", {"text_projection.weight"})):
        encoder = load_file(bench.models / f"sdxl-base/{part}/model.fp16.safetensors")
        assert {name for name in encoder if not name.startswith("text_model.")} == beside


def block_of(page):
    """The lines of a page's measured block, of which the first and the last are the marks."""
    return re.search(r"<!-- measured -->\n.*?<!-- end -->", page.read_text(), re.S)[0].splitlines()


def test_the_report_has_the_latest_figure_of_each_name_targets_and_a_chart(bench, tmp_path):
    from card.figures import read_figures
    from card.report import write_report

    bench.emit("baseline", "baseline", seconds=9.0, runs=[9.0])
    bench.emit("baseline", "baseline", seconds=8.0, runs=[8.0])
    bench.emit("ours", "ours, recorded", seconds=4.0, runs=[4.0], times_baseline=2.0)
    bench.emit("processes", "processes: recorded", seconds=0.05, same_in_another_process=False)
    bench.emit("vram", "nothing to show")
    page = tmp_path / "performance.md"
    page.write_text("before\n<!-- measured -->\nold\n<!-- end -->\nafter\n")
    write_report(read_figures(bench.out), tmp_path)
    text = page.read_text()
    assert "| the predecessor's way (the baseline) | 8 s |" in text
    assert "| ours, recorded | 4 s; 2.00× the baseline's speed |" in text
    assert "| processes: recorded | 50 ms; the same bytes as another process: no |" in text
    assert "| at least 1.90× the baseline's speed | 2.00× the baseline's speed | yes |" in text
    assert "| at most 10.0 % | not yet measured |  |" in text
    assert "nothing to show" not in text
    assert "9 s" not in text
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    chart = ElementTree.parse(tmp_path / "images/performance.svg")
    bars = [float(bar.get("width")) for bar in chart.iter("{http://www.w3.org/2000/svg}rect")][1:]
    assert bars[0] == pytest.approx(2 * bars[1], rel=0.01)


def test_both_pages_are_made_of_the_figures_that_the_repository_keeps(tmp_path):
    from card.figures import kept_figures
    from card.report import write_report

    names = ("performance.md", "ru/performance.md", "images/performance.svg")
    (tmp_path / "ru").mkdir()
    for name in names[:2]:
        page = (ROOT / "docs" / name).read_text()
        (tmp_path / name).write_text(page.replace("\n".join(block_of(ROOT / "docs" / name)[1:-1]), ""))
        assert (tmp_path / name).read_text() != page
    write_report(kept_figures(), tmp_path)
    for name in names:
        assert (tmp_path / name).read_text() == (ROOT / "docs" / name).read_text(), name


def test_both_languages_have_the_same_figures_row_by_row(tmp_path):
    english, russian = (block_of(ROOT / "docs" / name) for name in ("performance.md", "ru/performance.md"))
    assert len(english) > 50
    for mine, other in zip(english, russian, strict=True):
        digits = [sorted(re.findall(r"\d+", line)) for line in (mine, other)]
        assert digits[0] == digits[1], mine


def test_kept_figures_are_of_one_card_each_and_name_no_place_on_a_machine():
    files = sorted((ROOT / "benchmarks/card").glob("figures-*.jsonl"))
    assert files
    for file in files:
        text = file.read_text()
        figures = [json.loads(line) for line in text.splitlines()]
        assert len({figure["device"] for figure in figures}) == 1
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", figure["date"]) for figure in figures)
        assert not re.search(r"/(home|root|tmp|work|usr|mnt)/", text)


def test_each_process_of_a_way_is_a_part_with_what_it_needs(tmp_path, monkeypatch):
    import gpu
    from card.ways import PARTS, SECTIONS, WAYS

    parts = [part for section in SECTIONS for part in gpu.SECTIONS[section]]
    assert sorted(parts) == sorted([*PARTS, *SECTIONS])
    assert all(gpu.SECTIONS[section][-1] == section for section in SECTIONS)
    assert {gpu.work_of(part) is not None for part in parts} == {True}
    assert {name for name, _ in PARTS.values()} == set(WAYS)
    cache = tmp_path / "compiler-cache"
    (cache / "process-1").mkdir(parents=True)
    (cache / "process-1/choice").write_text("fastest")
    for part, (way, number) in PARTS.items():
        monkeypatch.setattr(gpu.os, "environ", {"PLITKA_CUDNN_BENCHMARK": "0"})
        gpu.set_environment(part, tmp_path)
        assert gpu.os.environ.get("PLITKA_CUDNN_BENCHMARK", "") == "1" * WAYS[way].by_timing
        folder = gpu.os.environ.get("TORCHINDUCTOR_CACHE_DIR")
        assert folder == (str(cache / f"process-{number}") if WAYS[way].compiled else None)
        if part == "process-compiled-1":
            # A process that compiles begins with nothing; then it leaves its choices.
            assert not (cache / "process-1").exists()
            (cache / "process-1").mkdir()
            (cache / "process-1/choice").write_text("fastest")
    assert (cache / "process-3/choice").read_text() == "fastest"
    assert not (cache / "process-2").exists()


def test_processes_that_draw_the_same_are_said_to_and_others_are_not(bench):
    from card import processes

    for part in ("process-eager-1", "process-eager-2"):
        processes.run_process(bench, part)
    processes.compare(bench, "processes")
    found = bench.find("processes: eager")
    kinds = ("same_in_one_process", "same_in_another_process", "same_with_controlnet")
    assert [found[kind] for kind in kinds] == [True, True, True]
    assert bench.find("processes: recorded") is None


@pytest.mark.parametrize(
    ("number", "case", "drawn", "differing"),
    [
        (1, "base", ["a", "b"], {"same_in_one_process", "same_in_another_process"}),
        (1, "base", ["b", "b"], {"same_in_another_process"}),
        (1, "ControlNet", ["b", "b"], {"same_with_controlnet"}),
        (2, "base", ["b", "b"], {"same_with_cache"}),
        (2, "ControlNet", ["b", "b"], {"same_with_cache"}),
        (0, "base", ["a", "a"], set()),
    ],
)
def test_one_hash_that_differs_is_found(number, case, drawn, differing):
    from card.processes import compared

    known = [
        {"process_seconds": 1.0, "warm_up": 2.0, "hashes": {"base": ["a", "a"], "ControlNet": ["c", "c"]}}
        for _ in range(3)
    ]
    known[number]["hashes"][case] = drawn
    figure = compared(known)
    assert {name for name, same in figure.items() if same is False} == differing
    assert figure["warm_up_with_cache"] == 2.0


def test_a_tuned_unet_is_compared_with_the_one_from_the_compilers_cache(bench):
    # Here, because it takes a second.
    import torch._inductor.config
    from card import predictions

    # Compiling takes minutes; what is to be compiled runs here as it is.
    with torch.compiler.set_stance("force_eager"), torch._inductor.config.patch(deterministic=True):
        predictions.run_tuned_unet(bench, predictions.TUNED)
        assert not torch._inductor.config.deterministic
        predictions.run_tuned_unet_again(bench)
    assert bench.find("ours, tuned UNet: guided step at 128")["tflop"] > 0
    assert bench.find("tuned UNet, bytes")["same_in_another_process"]


def test_fused_work_is_timed_and_changes_no_picture(bench):
    from card import fused

    fused.run_kernels(bench)
    assert bench.find("norms of a step at 128")["layers"] == 21
    assert bench.find("GEGLUs of a step at 128")["relative_error"] == 0
    fused.run(bench)
    for name in ("norm", "geglu", "qkv", "everything"):
        assert bench.find(f"fused: {name}: guided step at 128")["seconds"] > 0
        assert bench.find(f"fused: {name}, against none")["psnr_to_plain"] > 60


def test_recorded_parts_and_another_scale_of_the_lora_change_nothing(bench):
    from card import recorded, startup, upsets

    startup.run_lora(bench)
    upsets.run_scale(bench)
    upsets.run_spoilt(bench)
    recorded.run_controlnet(bench)
    recorded.run_encode(bench)
    recorded.run_decode(bench)
    lines = [json.loads(line) for line in (bench.out / "figures.jsonl").read_text().splitlines()]
    assert bench.find("LoRA: the scale before")["tensors_changed"] > 0
    same = [line for line in lines if "same_recorded" in line or "same_weights" in line]
    assert len(same) == 7
    assert all(line.get("same_recorded", line.get("same_weights")) for line in same)
    assert bench.find("recorded, another scale of the LoRA")["scale_changes_pictures"]
    assert bench.find("a recording that is spoilt")["same_as_eager"]


def test_a_target_is_judged_by_the_best_figure_or_by_the_worst():
    from card.targets import TARGETS

    def figure(times, preview, final):
        alike = {"preview": {"psnr_db": preview}, "final": {"psnr_db": final}}
        return {"times_baseline": times, "against_baseline": alike}

    known = {
        "ours, compiled": figure(2.3, 60, 45),
        "ours, whole UNet compiled": figure(2.5, 50, 39),
        "a card of 16 GiB: base": {"offload": "none", "retries": []},
    }
    judged = {target.what.split(":")[0]: target.judge(known) for target in TARGETS}
    assert judged["a whole prediction compiled, the best way"] == ("2.50× the baseline's speed", "yes")
    assert judged["pictures against the baseline's, the worst of every way"] == ("39 dB", "missed")
    assert judged["a card of 16 GiB, base and one ControlNet"] == ("0", "yes")
    known["a card of 16 GiB: ControlNet"] = {"offload": "none", "retries": ["out of memory"]}
    judged = {target.what.split(":")[0]: target.judge(known) for target in TARGETS}
    assert judged["a card of 16 GiB, base and one ControlNet"] == ("1", "missed")


@pytest.fixture
def orchestrator(tmp_path, monkeypatch):
    """The benchmark's command, with parts that are run by `outcome(part)` and in no process."""
    import gpu

    ran = []

    def run(*sections, outcome=lambda part: "", again=False):
        ran.clear()
        arguments = argparse.Namespace(out=tmp_path, small=True, again=again, repeats=1, minutes=1)

        def process(part, arguments):
            ran.append(part)
            return outcome(part)

        monkeypatch.setattr(gpu, "run_process", process)
        return gpu.run_sections(list(sections), arguments), list(ran)

    return run


def test_a_part_that_fails_costs_no_other_and_is_run_again(orchestrator):
    def fail(part):
        return "exit status 1" if part == "vram-16" else ""

    everything = ["models", "vram", "vram-16", "vram-12", "monitor"]
    assert orchestrator("vram", "monitor", outcome=fail) == (False, everything)
    assert orchestrator("vram", "monitor") == (True, ["models", "vram-16"])
    assert orchestrator("vram", "monitor") == (True, ["models"])
    assert orchestrator("vram", "monitor", again=True) == (True, everything)


def test_without_models_nothing_is_run(orchestrator):
    assert orchestrator("vram", outcome=lambda part: "exit status 1") == (False, ["models"])


def test_a_part_that_hangs_is_ended(tmp_path, monkeypatch):
    import gpu

    script = tmp_path / "hang.py"
    script.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(gpu, "__file__", str(script))
    arguments = argparse.Namespace(out=tmp_path, small=True, repeats=1, minutes=0.01)
    assert gpu.run_process("ours", arguments) == "ended after 0.01 minutes"


def test_what_the_environment_asks_of_plitka_does_not_count(tmp_path, monkeypatch):
    import gpu

    monkeypatch.setattr(gpu.os, "environ", {"PLITKA_BASE_MODEL": "other", "PYTORCH_CUDA_ALLOC_CONF": "x"})
    gpu.set_environment("ours", tmp_path)
    assert gpu.os.environ == {}
    gpu.set_environment("vram-16", tmp_path)
    assert gpu.os.environ == {"PYTORCH_ALLOC_CONF": "expandable_segments:False"}
