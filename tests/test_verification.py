import json
import shutil
import subprocess
import sys

import pytest
from checkpoints import LORA_FILE, describe_file
from drawing import load_small_engine

from plitka.errors import ModelFileError
from plitka.weights.listing import verify
from plitka.weights.manifest import engine_models
from verification import sdxl
from verification.fetch import FetchError, complete_manifest, fetch_models, sources_of
from verification.page import Check, ScenarioReport, failures, write_page
from verification.scenarios import SCENARIOS

HUB = "owner/models"
SMALL_PLAN = b"""
request: {colors: [{name: red}], overrides: {color_guidance: 0}}
vary: {overrides.prompt_template: [standard, caption]}
best: {minimize: texture_distance}
"""
ENDED = subprocess.CompletedProcess([], 0, "", "")


def on_the_hub(folder, hub):
    """Move everything but the adapters to a make-believe hub; the manifest lists every file, not its size."""
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    models = document["models"]["sdxl"]
    for source in (models["base"], models["vae"], *models["controlnets"].values()):
        files = sorted(file for file in (folder / source["folder"]).rglob("*") if file.is_file())
        names = [str(file.relative_to(folder / source["folder"])) for file in files]
        source |= {"repo": f"{HUB}-{source['folder']}", "revision": "1"}
        source["files"] = [{"path": name, "size": None, "sha256": None} for name in names]
        shutil.move(folder / source["folder"], hub / source["repo"])
    path.write_text(json.dumps(document))


@pytest.fixture
def hub(folder, tmp_path):
    """The make-believe hub, where everything is but the adapters."""
    path = tmp_path / "hub"
    path.mkdir()
    on_the_hub(folder, path)
    return path


def hub_of(hub):
    def download(repo, revision, path, folder):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(hub / repo / path, folder / path)

    return download


def test_weights_are_fetched_and_written_into_the_manifest_once(folder, hub):
    models = engine_models("sdxl", folder)
    fetched = list(fetch_models(models, folder, hub_of(hub)))
    assert len(fetched) == sum(len(source.files) for source in sources_of(models))
    assert set(complete_manifest("sdxl", folder)) == {str(path) for path in fetched}
    for source in sources_of(engine_models("sdxl", folder)):
        for spec in source.files:
            path = folder / source.folder / spec.path
            assert describe_file(path) == {"size": spec.size, "sha256": spec.sha256}
    assert all(file.state == "ok" for file in verify("sdxl", folder))
    assert list(fetch_models(models, folder, hub_of(hub))) == []
    assert complete_manifest("sdxl", folder) == []


def test_a_file_that_is_not_the_listed_one_is_refused(folder, hub):
    document = json.loads((folder / "manifest.json").read_text())
    document["models"]["sdxl"]["vae"]["files"][0]["sha256"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(ModelFileError, match="sha256"):
        list(fetch_models(engine_models("sdxl", folder), folder, hub_of(hub)))
    # Otherwise the next run would take it for fetched.
    vae = document["models"]["sdxl"]["vae"]
    assert not (folder / vae["folder"] / vae["files"][0]["path"]).exists()


@pytest.mark.long
def test_the_check_draws_every_scenario_and_writes_a_page_with_its_figures(folder, tmp_path, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setattr(sdxl, "load_engine", lambda name: load_small_engine(folder))
    missing = tmp_path / "missing.py"
    plan = {"wording": SMALL_PLAN}
    failed = sdxl.run(
        "sdxl", out, steps=1, download=None, color_benchmark=missing, on_cpu=True, experiments=plan
    )
    assert failed == []
    page = (out / sdxl.PAGE).read_text()
    for scenario in SCENARIOS:
        assert f"<h2>{scenario}</h2>" in page
    assert page.count("<img") == 3 * len(SCENARIOS)
    assert "the LoRA changes" in page
    assert "<h2>experiment wording</h2>" in page
    assert "`prompt_template " in page
    assert (out / "experiments" / "wording" / "report.md").is_file()
    assert "&lt;s0&gt; &lt;s1&gt;" in page
    for link in page.split("<img src='")[1:]:
        assert (out / link.partition("'")[0]).is_file()


def refuse(repo, revision, path, folder):
    raise AssertionError(f"{path} was fetched")


def page_of(out):
    return (out / sdxl.PAGE).read_text()


def test_without_a_gpu_nothing_is_fetched_or_drawn(folder, hub, tmp_path, capsys):
    assert sdxl.run("sdxl", tmp_path / "out", download=refuse) == ["device"]
    assert "torch sees no GPU here" in page_of(tmp_path / "out")
    assert "torch sees no GPU here" in capsys.readouterr().err


def test_a_lora_that_is_missing_is_on_the_page_and_nothing_is_fetched_or_drawn(folder, hub, tmp_path):
    (folder / LORA_FILE).unlink()
    assert sdxl.run("sdxl", tmp_path / "out", steps=1, download=refuse, on_cpu=True) == ["files"]
    assert LORA_FILE in page_of(tmp_path / "out")
    assert "<img" not in page_of(tmp_path / "out")


def test_a_hub_that_does_not_answer_is_on_the_page(folder, hub, tmp_path):

    def unreachable(repo, revision, path, folder):
        raise OSError("no route to the hub")

    assert sdxl.run("sdxl", tmp_path / "out", download=unreachable, on_cpu=True) == ["files"]
    assert "it does not come: no route to the hub" in page_of(tmp_path / "out")


def test_a_disk_that_is_too_small_is_said_before_anything_is_fetched(folder, hub):
    document = json.loads((folder / "manifest.json").read_text())
    document["models"]["sdxl"]["vae"]["files"][0]["size"] = 10**18
    (folder / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(FetchError, match=r"1000000000\.0 GB are to be fetched"):
        list(fetch_models(engine_models("sdxl", folder), folder, refuse))


def test_with_another_base_the_manifests_own_is_not_fetched(folder, hub, monkeypatch):
    monkeypatch.setenv("PLITKA_BASE_MODEL", "owner/another")
    checks = list(sdxl.check_files("sdxl", hub_of(hub)))
    assert all(check.good for check in checks)
    base = engine_models("sdxl", folder).base.folder
    assert not (folder / base).exists()
    assert f"{folder}/vae/" in checks[0].said


def test_a_colour_benchmark_that_fails_is_on_the_page(tmp_path):
    script = tmp_path / "color.py"
    script.write_text("import sys; print('the worst colour is off'); sys.exit(3)")
    check = sdxl.run_color_benchmark("sdxl", script, tmp_path)
    assert (check.good, check.said) == (False, "the worst colour is off")


def test_the_colour_benchmark_knows_the_command_it_is_given(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(sdxl.COLOR_BENCHMARK.parent))
    asked = []
    monkeypatch.setattr(sdxl.subprocess, "run", lambda command, **options: asked.append(command) or ENDED)
    sdxl.run_color_benchmark("sdxl", sdxl.COLOR_BENCHMARK, tmp_path)
    import color

    drawn = []
    monkeypatch.setattr(color, "run", lambda *given: drawn.append(given))
    monkeypatch.setattr(sys, "argv", asked[0][1:])
    color.main()
    assert [(name, results) for name, _, _, results in drawn] == [("sdxl", tmp_path / "color.jsonl")]


def test_what_failed_is_named_first(tmp_path):
    checks = [Check("files", True, "ok"), Check("colour benchmark", False, "<b>")]
    scenarios = [ScenarioReport("one colour", error="GpuMemoryError: out of memory")]
    assert failures(checks, scenarios) == ["colour benchmark", "one colour"]
    write_page(tmp_path / "page.html", {}, checks, scenarios)
    page = (tmp_path / "page.html").read_text()
    assert "Failed: colour benchmark; one colour." in page
    assert "&lt;b&gt;" in page


def test_the_command_says_where_the_page_is_and_fails_when_the_check_does(
    folder, tmp_path, monkeypatch, capsys
):
    (folder / LORA_FILE).unlink()
    arguments = ["--out", str(tmp_path / "out"), "--no-fetch", "--on-cpu"]
    monkeypatch.setattr(sys, "argv", ["verify", *arguments])
    with pytest.raises(SystemExit) as ended:
        sdxl.main()
    assert ended.value.code == 1
    assert "index.html: failed: files" in capsys.readouterr().out
