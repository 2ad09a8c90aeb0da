import http.server
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path

import local_http
import pytest
from cog_server import (
    PATIENCE_SECONDS,
    CogServer,
    as_json,
    decode,
    field_of,
    pictures,
    small_json,
    small_model_json,
    wait_for,
)
from thorough import one_in

from plitka.output.metrics import METRICS
from plitka.server.relay import Upstream
from plitka.server.schema_file import SCHEMA_FILE
from plitka.server.serve import ROOT, ServeError, new_gateway, server_environment


def names(value, prefix=""):
    """The dotted names of the metrics in an answer, down to those that are documented."""
    for key, inner in value.items():
        name = prefix + key
        if name not in METRICS and isinstance(inner, dict):
            yield from names(inner, name + ".")
        else:
            yield name


def test_server_starts_healthy_and_without_a_warning(render_server):
    assert render_server.idle_status() == "READY"
    log = render_server.log.read_text()
    start = log[: log.index("accepting requests")]
    assert "WARN" not in start
    assert "eprecat" not in start


def test_served_schema_is_the_committed_one(render_server):
    served = local_http.get(f"{render_server.url}/openapi.json").json()
    assert served == json.loads((ROOT / SCHEMA_FILE).read_text())


def test_answer_is_preview_final_and_colormap(render_server):
    prediction = render_server.predict(params_json=as_json())
    _, final, colormap = answer = pictures(prediction)
    assert [picture.size for picture in answer] == [(512, 512), (1024, 1024), (1024, 1024)]
    assert [field_of(picture, "picture") for picture in answer] == ["preview", "final", "colormap"]
    assert field_of(final, "seed") == "42"
    assert field_of(final, "prompt").startswith("ohwx_rubber_tile <s0><s1>, 60% black, 40% white, ")
    assert json.loads(field_of(final, "request"))["seed"] == 42
    assert len(colormap.getcolors(16)) == 2


def test_maps_come_after_the_three_files_in_the_order_asked_for(render_server):
    prediction = render_server.predict(params_json=small_json(maps=["normal", "height"]))
    answer = pictures(prediction)
    assert [field_of(picture, "picture") for picture in answer] == [
        "preview",
        "final",
        "colormap",
        "normal",
        "height",
    ]
    assert [picture.mode for picture in answer[3:]] == ["RGB", "I;16"]
    said = json.loads(field_of(answer[4], "map"))
    assert said == prediction["metrics"]["maps"]["height"]
    assert prediction["metrics"]["timing"]["maps"].keys() == {"normal", "height"}


def test_bad_maps_are_refused_all_at_once(render_server):
    prediction = render_server.predict(params_json=as_json(maps=["hight", "ao", "ao", 7]))
    assert prediction["status"] == "failed"
    for words in ('maps[0]: "hight" is not', 'maps[2]: "ao" is asked for twice', "maps[3]: 7 is not text"):
        assert words in prediction["error"]


def test_every_documented_metric_is_reported_and_no_other(render_server):
    with_sheet = render_server.predict(params_json=small_json(overrides={"sheet": True}))["metrics"]
    # Of a photograph, which these requests do not have; `test_photo_call` asks with one.
    documented = {*METRICS, "predict_time"} - {"match"}
    assert set(names(with_sheet)) == documented
    metrics = render_server.predict(params_json=small_json())["metrics"]
    assert set(names(metrics)) == documented - {"timing.sheet"}
    assert metrics["seed"] == "42"
    assert metrics["engine"] == "render"
    assert metrics["timing"]["first_picture"] < metrics["timing"]["total"]
    measured = metrics["fidelity"]["final"]["colors"]
    assert [color["requested"] for color in measured] == [0.6, 0.4]


@pytest.mark.parametrize("seed", [0, 2**53 + 1, 2**63 - 1])
def test_seed_is_reported_exactly(render_server, seed):
    prediction = render_server.predict(params_json=small_json(seed=seed))
    assert prediction["metrics"]["seed"] == str(seed)
    assert field_of(pictures(prediction)[1], "seed") == str(seed)


def test_same_seed_gives_the_same_files_and_another_seed_others(render_server):
    first, second, other = (
        render_server.predict(params_json=small_json(seed=seed))["output"] for seed in (7, 7, 8)
    )
    assert first == second
    assert all(a != b for a, b in zip(first, other, strict=True))


def test_server_draws_a_seed_of_its_own_each_time(render_server):
    seeds = {render_server.predict(params_json=small_json(seed=-1))["metrics"]["seed"] for _ in range(3)}
    assert len(seeds) == 3


def test_only_the_latest_prediction_keeps_files(render_server):
    for seed in range(3):
        prediction = render_server.predict(params_json=small_json(seed=seed))
    files = render_server.output_files()
    assert [path.name for path in files] == ["colormap.png", "final.png", "preview.png"]
    kept = {path.read_bytes() for path in files}
    assert kept == {decode(url) for url in prediction["output"]}


@pytest.mark.parametrize(
    ("output_format", "mime"), [("png", "image/png"), ("webp", "image/webp"), ("jpg", "image/jpeg")]
)
def test_pictures_come_in_the_chosen_format_and_the_colormap_as_png(render_server, output_format, mime):
    prediction = render_server.predict(params_json=small_json(overrides={"output_format": output_format}))
    kinds = [url.partition(";")[0] for url in prediction["output"]]
    assert kinds == [f"data:{mime}", f"data:{mime}", "data:image/png"]


def test_a_prompt_of_too_many_chunks_is_refused_before_anything_is_drawn(sdxl_server):
    params = as_json(overrides={"negative_prompt": "blur, " * 160})
    prediction = sdxl_server.predict(params_json=params)
    assert prediction["status"] == "failed"
    assert "overrides.negative_prompt" in prediction["error"]
    assert "at most 300 tokens in 4 chunks" in prediction["error"]
    assert prediction["logs"] == ""
    assert sdxl_server.idle_status() == "READY"


def test_listed_controlnets_are_drawn_together_and_told_of_and_others_are_refused(sdxl_server):
    listed = [{"kind": "canny", "scale": 0.6, "end": 0.5}, {"kind": "softedge"}]
    settings = {"num_inference_steps": 2, "color_guidance": 0, "controlnets": listed}
    params = small_model_json(overrides=settings)
    prediction = sdxl_server.predict(params_json=params)
    assert prediction["status"] == "succeeded", prediction["error"]
    metrics = prediction["metrics"]
    assert metrics["pipeline"]["controlnet"] == "controlnet-union + controlnet-lines"
    controls = metrics["drawing"]["final"]["controls"]
    assert [(one["kind"], one["calls"]) for one in controls] == [("canny", 1), ("softedge", 2)]
    assert json.loads(metrics["request"])["overrides"]["controlnets"] == listed
    refused = sdxl_server.predict(params_json=as_json(overrides={"controlnets": [{"kind": "normal"}]}))
    assert "overrides.controlnets[0].kind" in refused["error"]
    assert '"canny", "softedge", "lineart" or "depth"' in refused["error"]


def test_log_counts_the_steps_of_each_picture(sdxl_server):
    prediction = sdxl_server.predict(params_json=small_model_json(overrides={"num_inference_steps": 2}))
    for picture in ("preview", "final"):
        # The bar may be written again as it is closed, with another duration.
        lines = [
            text for text in prediction["logs"].splitlines() if text.startswith(picture) and "100%" in text
        ]
        steps = prediction["metrics"]["steps"][picture]
        assert lines and all(f"{steps}/{steps}" in line for line in lines)


def test_preview_reaches_the_webhook_before_the_final_picture_is_there(sdxl_server):
    with WebhookReceiver() as (url, events):
        inputs = {"params_json": small_model_json(overrides={"num_inference_steps": 8})}
        sdxl_server.start_prediction("webhook", inputs, webhook=url)
        # Cog sends them side by side, so that they may change places.
        wait_for(lambda: {1, 3} <= {len(event.get("output") or ()) for event in events})
    with_preview = [event["status"] for event in events if len(event.get("output") or ()) == 1]
    assert set(with_preview) == {"processing"}


def test_cancelled_prediction_leaves_nothing_behind(sdxl_server):
    steps = {"num_inference_steps_preview": 2, "num_inference_steps_final": 100}
    inputs = {"params_json": small_model_json(variants=8, overrides=steps)}
    with WebhookReceiver() as (url, events):
        sdxl_server.start_prediction("cancelled", inputs, webhook=url)
        wait_for(lambda: any(event.get("output") for event in events))
        assert sdxl_server.cancel("cancelled").status_code == 200
        wait_for(lambda: any(event["status"] == "canceled" for event in events))
    assert sdxl_server.output_files() == []
    again = sdxl_server.predict(params_json=small_model_json(overrides={"num_inference_steps": 2}))
    assert len(pictures(again)) == 3
    assert sdxl_server.idle_status() == "READY"


@pytest.mark.parametrize("engine", ["diffusion", "SDXL-turbo"])
def test_unknown_engine_ends_the_start_and_says_which_there_are(tmp_path, engine):
    server = CogServer.start(tmp_path, engine)
    try:
        assert server.process.wait(PATIENCE_SECONDS) == 1
        (line,) = server.log.read_text().splitlines()
        for text in ("PLITKA_ENGINE", engine, "render, mini, sdxl"):
            assert text in line
    finally:
        server.stop()


@pytest.mark.parametrize("number", one_in(2, [signal.SIGTERM, signal.SIGINT]))
def test_server_ends_on_a_signal_and_takes_its_files_along(tmp_path, number):
    server = CogServer.start(tmp_path, "render")
    try:
        server.wait_until_started()
        server.predict(params_json=small_json())
        server.process.send_signal(number)
        assert server.process.wait(PATIENCE_SECONDS) in (0, -number)
    finally:
        server.stop()
    wait_for(lambda: not list(server.temp.iterdir()))


def test_address_that_is_taken_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            ServeError, match=rf"^cannot listen on 127.0.0.1 port {port}: Address already in use$"
        ):
            new_gateway("127.0.0.1", port, Upstream(1))


def test_server_gets_this_python_and_paths_that_do_not_depend_on_the_folder(tmp_path, monkeypatch):
    (tmp_path / "own").mkdir()
    monkeypatch.chdir(tmp_path)
    # Where nothing is, an error names this folder, and no other of its name is taken.
    monkeypatch.setenv("PLITKA_MODEL_DIR", "weights")
    monkeypatch.setenv("PLITKA_FEW_STEP_LORA", "fast.safetensors")
    monkeypatch.setenv("PLITKA_BASE_MODEL", "owner/model")
    monkeypatch.setenv("COG_WEIGHTS", "own")
    monkeypatch.setenv("TMPDIR", "temporary")
    environment = server_environment(5001, "sdxl", 2)
    assert environment["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert environment["PLITKA_MODEL_DIR"] == str(tmp_path / "weights")
    assert environment["PLITKA_FEW_STEP_LORA"] == str(tmp_path / "fast.safetensors")
    assert environment["PLITKA_BASE_MODEL"] == "owner/model"
    assert environment["COG_WEIGHTS"] == str(tmp_path / "own")
    assert environment["TMPDIR"] == str(tmp_path / "temporary")
    assert environment["PLITKA_ENGINE"] == "sdxl"
    assert (environment["PORT"], environment["OMP_NUM_THREADS"]) == ("5001", "2")
    # Empty is not set, and not the folder where the caller stands. What cannot be looked up is left alone.
    monkeypatch.setenv("COG_WEIGHTS", "")
    monkeypatch.setenv("PLITKA_BASE_MODEL", "d" * 300)
    environment = server_environment(5001, None, None)
    assert (environment["COG_WEIGHTS"], environment["PLITKA_BASE_MODEL"]) == ("", "d" * 300)


@pytest.mark.parametrize(("given", "expected"), [(None, "1"), ("4", "4")])
def test_server_has_one_heap_unless_the_operator_wants_more(monkeypatch, given, expected):
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    if given:
        monkeypatch.setenv("MALLOC_ARENA_MAX", given)
    assert server_environment(5001, None, None)["MALLOC_ARENA_MAX"] == expected


@pytest.mark.parametrize("given", ["a\0", "a" * 300, "../../../tmp/plitka-was-here", "/tmp/plitka-was-here"])
def test_an_id_never_blocks_the_server_and_makes_no_folder_elsewhere(render_server, given):
    assert render_server.post({"colors": "black"}, id=given).status_code == 422
    assert render_server.idle_status() == "READY"
    assert not Path("/tmp/plitka-was-here").exists()


class WebhookReceiver:
    """A server that keeps the JSON of every POST: `with WebhookReceiver() as (url, events)`."""

    def __enter__(self):
        events = []

        class Receiver(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                events.append(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}/", events

    def __exit__(self, *exc):
        self.server.shutdown()
        self.server.server_close()
