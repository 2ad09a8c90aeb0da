import json
import shutil
import sys

import pytest
from checkpoints import LORA_FILE, describe_file
from drawing import load_small_engine

from plitka.manifest import engine_models
from plitka.models import verify
from plitka.weight_files import ModelFileError
from verification import sdxl
from verification.fetch import complete_manifest, fetch_models, sources_of
from verification.page import Check, ScenarioReport, failures, write_page
from verification.scenarios import SCENARIOS

HUB = "owner/models"


@pytest.fixture
def folder(tmp_path, model_folder, monkeypatch):
    copy = shutil.copytree(model_folder, tmp_path / "models")
    monkeypatch.setenv("PLITKA_MODEL_DIR", str(copy))
    return copy


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


def hub_of(hub):
    def download(repo, revision, path, folder):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(hub / repo / path, folder / path)

    return download


def test_weights_are_fetched_and_written_into_the_manifest_once(folder, tmp_path):
    hub = tmp_path / "hub"
    hub.mkdir()
    on_the_hub(folder, hub)
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


def test_a_file_that_is_not_the_listed_one_is_refused(folder, tmp_path):
    hub = tmp_path / "hub"
    hub.mkdir()
    on_the_hub(folder, hub)
    document = json.loads((folder / "manifest.json").read_text())
    document["models"]["sdxl"]["vae"]["files"][0]["sha256"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(ModelFileError, match="sha256"):
        list(fetch_models(engine_models("sdxl", folder), folder, hub_of(hub)))


def test_the_check_draws_every_scenario_and_writes_a_page_with_its_figures(folder, tmp_path, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setattr(sdxl, "load_engine", lambda name: load_small_engine(folder))
    failed = sdxl.run("sdxl", out, steps=1, download=None, color_benchmark=tmp_path / "missing.py")
    assert failed == []
    page = (out / sdxl.PAGE).read_text()
    for scenario in SCENARIOS:
        assert f"<h2>{scenario}</h2>" in page
    assert page.count("<img") == 3 * len(SCENARIOS)
    assert "the LoRA changes" in page
    assert "&lt;s0&gt; &lt;s1&gt;" in page
    for link in page.split("<img src='")[1:]:
        assert (out / link.partition("'")[0]).is_file()


def test_a_lora_that_is_missing_is_on_the_page_and_nothing_is_drawn(folder, tmp_path):
    (folder / LORA_FILE).unlink()
    assert sdxl.run("sdxl", tmp_path / "out", steps=1, download=None) == ["files"]
    page = (tmp_path / "out" / sdxl.PAGE).read_text()
    assert LORA_FILE in page
    assert "<img" not in page


def test_a_colour_benchmark_that_fails_is_on_the_page(tmp_path):
    script = tmp_path / "color.py"
    script.write_text("import sys; print('the worst colour is off'); sys.exit(3)")
    check = sdxl._run_color_benchmark("sdxl", script)
    assert (check.good, check.said) == (False, "the worst colour is off")
    script.write_text("import sys; print(sys.argv[1:])")
    assert sdxl._run_color_benchmark("sdxl", script).said == "['--engine', 'sdxl']"


def test_what_failed_is_said_first_and_named(tmp_path):
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
    monkeypatch.setattr(sys, "argv", ["verify", "--out", str(tmp_path / "out"), "--no-fetch"])
    with pytest.raises(SystemExit) as ended:
        sdxl.main()
    assert ended.value.code == 1
    assert "index.html: failed: files" in capsys.readouterr().out
