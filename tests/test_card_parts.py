"""The parts of the benchmark of production: in processes of their own, each as it can."""

import argparse
import json
import re

import pytest

from plitka.server.serve import ROOT

pytestmark = pytest.mark.usefixtures("benchmarks")


def block_of(page):
    """The lines of a page's measured block, of which the first and the last are the marks."""
    return re.search(r"<!-- measured -->\n.*?<!-- end -->", page.read_text(), re.S)[0].splitlines()


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
