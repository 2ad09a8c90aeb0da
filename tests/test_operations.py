"""What an operator sees of the real server: figures for Prometheus, spans, a line in the log."""

import json
import math
import subprocess
import sys
from collections import Counter
from itertools import dropwhile
from types import SimpleNamespace

import local_http
import pytest
from cog_server import MIX, PATIENCE_SECONDS, CogServer, as_json, eventually, small_json, wait_for
from operations import lines_of, scrape
from otlp_receiver import otlp_receiver
from test_gateway_line import ask, body, held, later, place, processes, state, stopped_at
from typer.testing import CliRunner

from plitka.choices import ENGINE_NAMES
from plitka.cli.commands import app
from plitka.server.cog_process import held_port
from plitka.server.serve import ROOT

CALLER_TEXT = "https://caller.example/secret"


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A server with a line of one, whose figures and spans are looked at."""
    with held_port() as port, otlp_receiver() as (address, spans):
        server = CogServer.start(
            tmp_path_factory.mktemp("operations"),
            "render",
            PLITKA_QUEUE=1,
            PLITKA_METRICS_PORT=port,
            COG_TRACE_CONFIGURED=1,
            OTEL_TRACES_SAMPLER="parentbased_always_off",
            OTEL_EXPORTER_OTLP_ENDPOINT=address,
            OTEL_BSP_SCHEDULE_DELAY=200,
        )
        try:
            assert server.wait_until_started()["status"] == "READY"
            yield SimpleNamespace(server=server, port=port, spans=spans)
        finally:
            server.stop()


def counted(watched, name, *labels):
    return scrape(watched.port).by(name, *labels)


def gained(before, after):
    """What came in addition, by the labels."""
    return {key: value - before.get(key, 0) for key, value in after.items() if value != before.get(key, 0)}


def outcomes(watched):
    return counted(watched, "plitka_predictions_total", "outcome", "reason", "engine", "quality")


def test_figures_of_a_prediction_are_those_of_its_metrics(watched):
    before = scrape(watched.port)
    request = small_json(maps=["height"], overrides={"sheet": {}})
    metrics = watched.server.predict(params_json=request)["metrics"]
    timing = metrics["timing"]
    kind = {"engine": "render", "quality": "standard"}
    stages = {
        (stage, step): seconds
        for stage in ("preview", "final", "colormap", "sheet")
        for step, seconds in timing[stage].items()
    }
    stages |= {("map", step): seconds for step, seconds in timing["maps"]["height"].items()}
    stages["plan", "draw"] = timing["plan"]
    corrected = {
        picture: "corrected" if metrics["correction"][picture]["corrected"] else "none"
        for picture in ("preview", "final")
    }
    error = pytest.approx(metrics["fidelity"]["worst_error_pp"], abs=1e-4)
    # Each is counted by itself, and somebody may look in between.
    wanted = [
        *(("plitka_stage_seconds_sum", {"stage": at[0], "step": at[1]}, stages[at]) for at in stages),
        *(("plitka_pictures_total", {"picture": at, "correction": corrected[at]}, 1) for at in corrected),
        ("plitka_predictions_total", {"outcome": "succeeded", "reason": "none", **kind}, 1),
        ("plitka_prediction_seconds_sum", kind, timing["total"]),
        ("plitka_first_picture_seconds_sum", kind, timing["first_picture"]),
        ("plitka_share_error_percentage_points_count", kind, 1),
        ("plitka_share_error_percentage_points_sum", kind, error),
        ("plitka_wait_seconds_count", {"end": "taken"}, 1),
    ]
    memory = {
        "plitka_peak_ram_bytes": metrics["memory"]["peak_ram_mib"] * 2**20,
        "plitka_peak_vram_bytes": 0,
        "plitka_queue_places": 1,
    }

    def found():
        after = scrape(watched.port)
        gains = [
            (name, labels, round(after.of(name, **labels) - before.of(name, **labels), 4))
            for name, labels, _ in wanted
        ]
        return gains, {name: after[name] for name in memory}

    eventually(found, (wanted, memory))
    # Cog's server has two seconds to say it, which a busy machine may need.
    states = {("READY",): 1}, {("BUSY",): 1}
    wait_for(lambda: scrape(watched.port).by("plitka_server_state", "state") in states)


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"params_json": json.dumps({"colors": [{"name": CALLER_TEXT, "proportion": 1}]})}, "request"),
        ({"seed": CALLER_TEXT}, "inputs"),
    ],
)
def test_refused_request_is_counted_by_its_kind_and_never_by_its_words(watched, inputs, reason):
    before = outcomes(watched)
    watched.server.post(inputs)
    eventually(lambda: gained(before, outcomes(watched)), {("failed", reason, "unknown", "unknown"): 1})
    answer = local_http.get(f"http://127.0.0.1:{watched.port}/metrics", timeout=PATIENCE_SECONDS)
    assert CALLER_TEXT not in answer.text


def test_line_and_every_way_to_leave_it_are_counted(watched):
    server = watched.server
    before, refused = outcomes(watched), counted(watched, "plitka_refused_requests_total", "status")
    with held(server, "first"):
        assert later(server, "second").status_code == 202
        wait_for(lambda: place(server, "second"))
        assert scrape(watched.port)["plitka_queue_waiting"] == 1
        assert ask(server, "POST", "", json=body(3)).status_code == 429
        assert ask(server, "POST", "/second/cancel").status_code == 200
        wait_for(lambda: state(server, "second").get("status") == "canceled")
    ended = {
        ("left_line", "canceled", "unknown", "unknown"): 1,
        ("succeeded", "none", "render", "preview"): 1,
    }
    eventually(lambda: gained(before, outcomes(watched)), ended)
    assert scrape(watched.port)["plitka_queue_waiting"] == 0
    now = counted(watched, "plitka_refused_requests_total", "status")
    assert gained(refused, now)[("429",)] == 1


def test_cancelled_drawing_is_counted_and_is_in_the_log(watched):
    server, before = watched.server, outcomes(watched)
    folders = set(server.temp.glob("plitka-*/*"))
    # Large enough to be drawn still when it is cancelled, however late that is.
    server.start_prediction("stopped", {"params_json": as_json(width=2048, variants=8)})
    wait_for(lambda: set(server.temp.glob("plitka-*/*")) - folders)
    assert server.cancel("stopped").status_code == 200
    wait_for(lambda: gained(before, outcomes(watched)))
    (ended,) = gained(before, outcomes(watched))
    assert ended[:2] == ("canceled", "caller")
    wait_for(lambda: any(line["outcome"] == "canceled" for line in lines_of(server.log)))


def test_every_prediction_has_a_line_in_the_log_and_none_in_its_own(watched):
    drawn = watched.server.predict(params_json=small_json(seed=77))
    bad = watched.server.post({"colors": f"60% {CALLER_TEXT}"}).json()

    def lines():
        return list(dropwhile(lambda line: line["seed"] != "77", lines_of(watched.server.log)))

    wait_for(lambda: len(lines()) >= 2)
    good, failed = lines()
    metrics = drawn["metrics"]
    assert drawn["logs"] == bad["logs"] == ""
    assert good["outcome"] == "succeeded"
    assert (good["seed"], good["engine"], good["quality"]) == ("77", "render", "standard")
    assert good["work_seconds"] == metrics["timing"]["total"] <= good["seconds"]
    assert good["first_picture_seconds"] == metrics["timing"]["first_picture"]
    assert good["share_error_pp"] == metrics["fidelity"]["worst_error_pp"]
    assert good["peak_ram_mib"] == metrics["memory"]["peak_ram_mib"]
    assert (failed["outcome"], failed["error"], failed["seed"]) == ("failed", "RequestError", None)
    assert CALLER_TEXT not in json.dumps(failed)


def traced(watched, trace, **changes):
    """A prediction whose caller records a trace."""
    answer = local_http.post(
        f"{watched.server.url}/predictions",
        json={"input": {"params_json": small_json(**changes)}},
        headers={"traceparent": f"00-{trace}-0123456789abcdef-01"},
    )
    return answer.json()


def test_stages_of_a_prediction_are_spans_inside_of_its_callers_trace(watched):
    trace = "0123456789abcdef0123456789abcdef"
    metrics = traced(watched, trace, maps=["height", "ids"], overrides={"sheet": {}})["metrics"]

    def received():
        return {span.id: span for span in list(watched.spans) if span.trace == trace}

    def names():
        return Counter(span.name for span in received().values())

    stages = ["plan", "preview", "final", "colormap", "map", "map", "sheet"]
    stages += ["draw", "correction", "encode"] * 2
    of_cog = ["POST /predictions", "cog.prediction.invoke"]
    # They come in batches, in any order.
    eventually(lambda: names() & Counter(stages + of_cog), Counter(stages + of_cog))
    spans = received()
    stages = [span for span in spans.values() if span.scope == "plitka"]
    for span in stages:
        above = spans[span.parent]
        inner = span.name in ("draw", "correction", "encode")
        assert above.name in (("preview", "final") if inner else ("cog.prediction.invoke",))
        assert above.begun <= span.begun <= span.ended <= above.ended
        assert set(span.attributes) <= {
            f"plitka.{name}" for name in ("engine", "quality", "steps", "share_error_pp", "corrected", "map")
        }
    (final,) = [span for span in stages if span.name == "final"]
    assert final.attributes["plitka.engine"] == "render"
    assert final.attributes["plitka.share_error_pp"] == metrics["fidelity"]["worst_error_pp"]
    (draw,) = [span for span in stages if span.name == "draw" and span.parent == final.id]
    assert (draw.ended - draw.begun) / 1e9 == pytest.approx(metrics["timing"]["final"]["draw"], abs=1e-3)
    maps = {span.attributes["plitka.map"] for span in stages if span.name == "map"}
    assert maps == {"height", "ids"}
    assert not any(span.error for span in stages)


def test_caller_without_a_trace_costs_no_span(watched):
    earlier, trace = {span.trace for span in watched.spans}, "fedcba9876543210fedcba9876543210"
    watched.server.predict(params_json=small_json(quality="preview"))
    # Those of a later prediction would come after its own.
    traced(watched, trace, quality="preview")
    wait_for(lambda: any((span.name, span.trace) == ("final", trace) for span in list(watched.spans)))
    of_stages = {span.trace for span in list(watched.spans) if span.scope == "plitka"}
    assert of_stages - earlier == {trace}


def test_the_port_of_the_figures_answers_nothing_else_and_only_under_its_own_name(watched):
    address = f"http://127.0.0.1:{watched.port}"
    for path in ("/", "/predictions", "/metrics/", "/health-check"):
        assert local_http.get(address + path, timeout=PATIENCE_SECONDS).status_code == 404
    foreign = local_http.get(f"{address}/metrics", headers={"Host": "x.example"}, timeout=PATIENCE_SECONDS)
    assert foreign.status_code == 403
    assert local_http.post(f"{address}/metrics", timeout=PATIENCE_SECONDS).status_code in (404, 405)
    assert local_http.get(f"{watched.server.url}/metrics", timeout=PATIENCE_SECONDS).status_code == 404


def test_every_label_has_a_value_of_a_short_list(watched):
    for sample in scrape(watched.port).samples:
        assert set(sample.labels) <= {
            *("outcome", "reason", "engine", "quality", "stage", "step", "end", "le", "picture"),
            *("correction", "kind", "status", "state"),
        }
        assert sample.labels.get("engine", "unknown") in (*ENGINE_NAMES, "unknown")
        assert not math.isnan(sample.value)


@pytest.fixture
def ports():
    """Two ports, for as long as a test runs."""
    with held_port() as one, held_port() as other:
        yield one, other


@pytest.mark.long
def test_restart_is_counted_and_a_receiver_that_is_gone_harms_nothing(tmp_path, ports):
    port, gone = ports
    server = CogServer.start(
        tmp_path,
        "render",
        PLITKA_METRICS_PORT=port,
        COG_TRACE_CONFIGURED=1,
        OTEL_TRACES_SAMPLER="always_on",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{gone}",
    )
    try:
        assert server.wait_until_started()["status"] == "READY"
        cog, _ = processes(server)
        stopped_at(server, "lost")
        assert later(server, "patient").status_code == 202
        wait_for(lambda: place(server, "patient"))
        cog.kill()
        wait_for(lambda: state(server, "patient").get("status") == "succeeded")
        wait_for(lambda: scrape(port).of("plitka_predictions_total", outcome="succeeded") == 1)
        found = scrape(port)
        assert found.by("plitka_restarts_total", "reason") == {("ended",): 1}
        assert found.of("plitka_predictions_total", outcome="failed", reason="broken_off") == 1
    finally:
        server.stop()


@pytest.mark.long
def test_a_port_that_is_taken_stops_the_start_in_one_sentence(watched):
    with held_port() as port:
        command = [sys.executable, "-m", "plitka", "serve", "--port", str(port)]
        command += ["--metrics-port", str(watched.port)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {watched.port}: " in done.stderr


@pytest.mark.long
def test_without_a_provider_nothing_of_opentelemetry_is_loaded():
    program = (
        "import sys\n"
        "from plitka.engines import load_engine\n"
        "from plitka.generation import generate\n"
        "from plitka.request.tile_request import parse_request\n"
        f"request = parse_request({json.dumps({'colors': MIX, 'seed': 1})!r})\n"
        "assert len(list(generate(request, load_engine('render')))) == 3\n"
        "assert not [name for name in sys.modules if name.startswith(('opentelemetry', 'prometheus'))]\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


@pytest.mark.long
def test_a_metrics_port_that_is_the_servers_own_is_refused_by_name():
    ended = CliRunner().invoke(app, ["serve", "--port", "5999", "--metrics-port", "5999"])
    assert ended.exit_code == 2
    assert "--metrics-port: 5999 is the port of the server itself" in " ".join(ended.output.split())
