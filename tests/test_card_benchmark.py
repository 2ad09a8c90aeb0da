"""The benchmark of production runs whole on a small model, and finds what differs."""

import json
from contextlib import closing
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from safetensors.torch import load_file

from plitka.diffusion.acceleration import Acceleration

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("benchmarks")]


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

    half = replace(bench, device_info=replace(bench.device_info, name="CPU, half precision", dtype="float16"))
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
    fused.run(bench, kinds=())
    assert bench.find("fused: everything: guided step at 128")["seconds"] > 0
    assert bench.find("fused: everything, against none")["psnr_to_plain"] > 60


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
