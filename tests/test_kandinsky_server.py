"""Kandinsky 2.2 behind the real Cog server, named by environment variables alone."""

import json

import pytest
from cog_server import CogServer, as_json, field_of, pictures

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def server(tmp_path_factory, kandinsky_folder):
    """A server whose manifest has nothing but the depth decoder; decoder and prior are named beside it."""
    folder = tmp_path_factory.mktemp("kandinsky-server")
    manifest = json.loads((kandinsky_folder / "manifest.json").read_text())
    models = manifest["models"]["sdxl"]
    del models["prior"]
    (folder / "models").mkdir()
    (folder / "models/depth").symlink_to(kandinsky_folder / "depth")
    (folder / "models/manifest.json").write_text(json.dumps(manifest))
    server = CogServer.start(
        folder,
        "sdxl",
        PLITKA_MODEL_DIR=folder / "models",
        PLITKA_BASE_MODEL=kandinsky_folder / "decoder",
        PLITKA_PRIOR_MODEL=kandinsky_folder / "prior",
    )
    health = server.wait_until_started()
    assert health["status"] == "READY", server.log.read_text()
    yield server
    server.stop()


def test_a_tile_is_drawn_with_the_depth_of_its_plan_and_its_colours_hold(server):
    request = {
        "angle": 45,
        "width": 512,
        "height": 512,
        "width_mm": 84,
        "overrides": {"num_inference_steps": 2},
    }
    prediction = server.predict(params_json=as_json(**request))
    preview, final, _ = pictures(prediction)
    assert (preview.size, final.size) == ((256, 256), (512, 512))
    metrics = prediction["metrics"]
    assert (metrics["pipeline"]["controlnet"], metrics["drawing"]["final"]["control"]) == ("depth", "depth")
    before = metrics["correction"]["final"]["before"]["colors"]
    assert max(color["delta_e"] for color in before) > 10
    for color in metrics["fidelity"]["final"]["colors"]:
        assert color["delta_e"] < 3
        assert abs(color["measured"] - color["requested"]) < 0.01
    assert json.loads(field_of(final, "identity"))["prior"] == "prior"


def test_what_it_cannot_draw_is_refused_before_it_draws(server):
    answer = server.predict(params_json=as_json(overrides={"controlnets": [{"kind": "canny"}]}))
    assert answer["status"] == "failed"
    assert 'overrides.controlnets[0].kind: "canny" is no control image that a decoder' in answer["error"]
