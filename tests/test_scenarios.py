"""The eight standard scenarios through the real server, without weights and on a small model."""

import json

import pytest
from cog_server import pictures

from plitka.metrics import NO_CONTROLNET

STEPS = {"num_inference_steps": 2}
SCENARIOS = {
    "one colour": {"colors": [("red", 100)]},
    "two colours": {"colors": [("black", 60), ("white", 40)]},
    "three colours": {"colors": [("terracotta", 50), ("beige", 30), ("black", 20)]},
    "four colours": {"colors": [("red", 40), ("blue", 30), ("grass green", 20), ("yellow", 10)]},
    "shares as fractions": {"colors": [("dark green", 0.7), ("pearl", 0.3)]},
    "45 degrees, softedge": {"colors": [("gray", 60), ("orange", 40)], "angle": 45},
    "90 degrees, canny": {"colors": [("brown", 80), ("sand", 20)], "angle": 90},
    "ControlNet switched off": {
        "colors": [("violet", 50), ("white", 50)],
        "angle": 45,
        "overrides": {"use_controlnet": False},
    },
}
EDGES = {"45 degrees, softedge": "softedge", "90 degrees, canny": "canny"}


def params_of(scenario):
    request = {"angle": 0, "quality": "preview", "seed": 1, **SCENARIOS[scenario]}
    request["colors"] = [{"name": name, "proportion": share} for name, share in request["colors"]]
    request["overrides"] = {**STEPS, **request.get("overrides", {})}
    return request


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("engine", ["render", "sdxl"])
def test_scenario_gives_three_pictures_and_says_how_they_were_made(engine, scenario, request):
    server = request.getfixturevalue(f"{engine}_server")
    params = params_of(scenario)
    prediction = server.predict(params_json=json.dumps(params))
    answer = pictures(prediction)
    metrics = prediction["metrics"]

    assert [picture.size for picture in answer] == [(512, 512), (1024, 1024), (1024, 1024)]
    assert metrics["engine"] == engine
    assert metrics["seed"] == "1"
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
        assert sum(color["measured"] for color in colors) == pytest.approx(1)

    if engine == "sdxl":
        assert all(1 <= metrics["steps"][name] <= 2 for name in ("preview", "final"))
        assert metrics["drawing"]["final"]["control"] == EDGES.get(scenario)
        assert (metrics["pipeline"]["controlnet"] == NO_CONTROLNET) == (scenario not in EDGES)
    else:
        assert metrics["pipeline"]["controlnet"] == NO_CONTROLNET
        assert metrics["fidelity"]["worst_error_pp"] < 1
        assert metrics["correction"]["final"]["corrected"] is False


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_colormap_shows_every_colour_of_the_mix_and_only_them(render_server, scenario):
    params = params_of(scenario) | {"angle": 0}
    colormap = pictures(render_server.predict(params_json=json.dumps(params)))[2]
    areas = sorted((count for count, _ in colormap.getcolors(16)), reverse=True)
    shares = sorted((color["proportion"] for color in params["colors"]), reverse=True)
    exact = [share / sum(shares) for share in shares]
    assert [area / 1024**2 for area in areas] == pytest.approx(exact, abs=0.001)
