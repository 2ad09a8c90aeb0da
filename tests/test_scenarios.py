"""The eight standard scenarios through the real server, without weights and on a small model."""

import json
from functools import cache
from itertools import product

import pytest
from cog_server import pictures
from thorough import one_in

from plitka.output.metrics import NO_CONTROLNET
from verification.scenarios import SCENARIOS, params_of

STEPS = {"num_inference_steps_preview": 2, "num_inference_steps_final": 2}
EDGES = {"6-angle-45": "softedge", "7-angle-90": "canny"}
# The engine with models draws one here; its other ways to draw have tests that start no server.
DRAWN = ["6-angle-45"]
CASES = [
    *one_in(3, product(["render"], SCENARIOS)),
    *(pytest.param("sdxl", name, marks=() if name in DRAWN else pytest.mark.slow) for name in SCENARIOS),
]


def short_request(scenario):
    return params_of(scenario, **STEPS)


@pytest.fixture(scope="module")
def predict(request):
    """The answer of an engine's server to a request, asked for once."""

    def ask(engine, params_json):
        return request.getfixturevalue(f"{engine}_server").predict(params_json=params_json)

    return cache(ask)


@pytest.mark.parametrize(("engine", "scenario"), CASES)
def test_scenario_gives_three_pictures_and_how_they_were_made(engine, scenario, predict):
    params = short_request(scenario)
    prediction = predict(engine, json.dumps(params))
    answer = pictures(prediction)
    metrics = prediction["metrics"]

    assert [picture.size for picture in answer] == [(512, 512), (1024, 1024), (1024, 1024)]
    assert metrics["engine"] == engine
    assert metrics["seed"] == str(params["seed"])
    assert [picture.info["plitka:engine"] for picture in answer] == [engine] * 3
    for picture in answer:
        made_from = json.loads(picture.info["plitka:request"])
        assert len(made_from["colors"]) == len(params["colors"])
        assert made_from["overrides"] == params["overrides"]

    total = sum(color["proportion"] for color in params["colors"])
    requested = [round(color["proportion"] / total, 6) for color in params["colors"]]
    for name in ("preview", "final"):
        colors = metrics["fidelity"][name]["colors"]
        assert [round(color["requested"], 6) for color in colors] == requested
        assert sum(color["measured"] for color in colors) == pytest.approx(1, abs=1e-5)

    if engine == "sdxl":
        assert all(1 <= metrics["steps"][name] <= 2 for name in ("preview", "final"))
        assert metrics["drawing"]["final"]["control"] == EDGES.get(scenario)
        assert (metrics["pipeline"]["controlnet"] == NO_CONTROLNET) == (scenario not in EDGES)
    else:
        assert metrics["pipeline"]["controlnet"] == NO_CONTROLNET
        assert metrics["fidelity"]["worst_error_pp"] < 1
        assert metrics["correction"]["final"]["corrected"] is False


@pytest.mark.parametrize("scenario", one_in(3, SCENARIOS))
def test_colormap_shows_every_colour_of_the_mix_and_only_them(predict, scenario):
    params = short_request(scenario) | {"angle": 0}
    colormap = pictures(predict("render", json.dumps(params)))[2]
    areas = sorted((count for count, _ in colormap.getcolors(16)), reverse=True)
    shares = sorted((color["proportion"] for color in params["colors"]), reverse=True)
    exact = [share / sum(shares) for share in shares]
    assert [area / 1024**2 for area in areas] == pytest.approx(exact, abs=0.001)
