"""Adapters and a few-step LoRA through the real server: named in what comes back, gone afterwards."""

import json

import local_http
import pytest
from adapter_lists import entry
from cog_server import REQUEST, field_of, pictures
from small import SMALL_OF_MODELS

pytestmark = pytest.mark.long

QUICK = SMALL_OF_MODELS | {"overrides": {"num_inference_steps": 1}}


def request(**changes):
    return json.dumps(REQUEST | QUICK | changes)


@pytest.fixture(scope="module")
def hashes(server_model_folder, sdxl_server):
    """The hash of every adapter's archive."""
    archives = [
        path for path in (server_model_folder / "adapters").iterdir() if path.suffix in (".tar", ".zip")
    ]
    return {path.stem: entry(path)["sha256"] for path in archives}


def test_an_adapter_is_drawn_and_named_and_nothing_of_it_is_left(sdxl_server, hashes):
    before = sdxl_server.predict(params_json=request())
    drawn = sdxl_server.predict(params_json=request(adapter="kohya", variants=2))
    after = sdxl_server.predict(params_json=request())
    assert before["status"] == drawn["status"] == "succeeded", (before, drawn)
    assert after["output"] == before["output"]
    assert drawn["output"][1] != before["output"][1]
    # The plan does not depend on it.
    maps = [picture.tobytes() for picture in (pictures(drawn)[2], pictures(before)[2])]
    assert maps[0] == maps[1]
    assert drawn["metrics"]["adapter"] == {"name": "kohya", "sha256": hashes["kohya"]}
    assert before["metrics"]["adapter"] == {"name": "none", "sha256": ""}
    for picture in pictures(drawn):
        identity = json.loads(field_of(picture, "identity"))
        assert (identity["adapter"], identity["adapter.sha256"]) == ("kohya", hashes["kohya"])
        assert json.loads(field_of(picture, "request"))["adapter"] == "kohya"
    # Cog's server puts the line into a text of its own.
    log = sdxl_server.log.read_text().replace("\\", "")
    assert f'"adapter": "kohya", "adapter_sha256": "{hashes["kohya"]}"' in log
    first, second = (pictures(drawn)[place].tobytes() for place in (1, 3))
    assert first != second


def test_fast_is_drawn_and_named_and_nothing_of_it_is_left(sdxl_server):
    before = sdxl_server.predict(params_json=request())
    fast = {"quality": "fast", "overrides": {}}
    drawn = sdxl_server.predict(params_json=request(**fast))
    joints = sdxl_server.predict(params_json=request(**fast, adapter="kohya", angle=45))
    after, again = (sdxl_server.predict(params_json=request(**more)) for more in ({}, fast))
    assert {one["status"] for one in (before, drawn, joints, after, again)} == {"succeeded"}
    assert after["output"] == before["output"]
    assert again["output"] == drawn["output"] != joints["output"]
    for one in (drawn, joints):
        for name in ("preview", "final"):
            how = one["metrics"]["drawing"][name]
            assert (how["few_step"], how["scheduler"]) == ("lightning", "euler_trailing")
            assert (how["steps"], how["strength"], how["guidance_scale"]) == (2, 0.5, 1)
            assert one["metrics"]["steps"][name] == how["unet_calls"] == 1
    assert joints["metrics"]["drawing"]["final"]["control"] == "softedge"
    assert before["metrics"]["drawing"]["final"]["few_step"] is None
    identities = [json.loads(field_of(pictures(one)[1], "identity")) for one in (drawn, after)]
    assert identities[0]["few_step"].startswith("lightning lightning.safetensors sha256:")
    assert "few_step" not in identities[1]


def test_fast_with_settings_of_other_qualities_is_refused(sdxl_server):
    overrides = {"num_inference_steps": 35, "scheduler": "ddim", "negative_prompt": "blurry"}
    answer = sdxl_server.predict(params_json=request(quality="fast", overrides=overrides))
    assert answer["status"] == "failed"
    for said in ("35 is no number of steps", "the sampler is euler_trailing", "without a negative prompt"):
        assert said in answer["error"]


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"params_json": request(adapter="summer")}, 'adapter: "summer" is not the name of an adapter here'),
        ({"adapter": "summer"}, 'adapter: "summer" is not the name of an adapter here'),
        ({"adapter": "../kohya.tar"}, 'adapter: "../kohya.tar" is no name of an adapter'),
        (
            {"params_json": request(), "adapter": "kohya"},
            'adapter: "kohya" is given together with params_json',
        ),
    ],
)
def test_another_name_is_refused_with_those_there_are(sdxl_server, inputs, said):
    answer = sdxl_server.predict(**inputs)
    assert answer["status"] == "failed"
    assert said in answer["error"]
    if "summer" in said:
        assert "kohya, diffusers, peft" in answer["error"]
    assert not answer.get("output")


def test_the_page_offers_them(sdxl_server):
    page = local_http.get(f"{sdxl_server.url}/").text
    assert 'const QUALITIES = [\n  "preview",\n  "standard",\n  "high",\n  "fast",\n];' in page
    assert 'const ADAPTERS = [\n  "kohya",\n  "diffusers",\n  "peft",\n];' in page


def test_an_archive_that_was_taken_away_is_told_of_without_where_it_lay(sdxl_server, server_model_folder):
    """Of three adapters the LoRAs of two are kept: one at least is read again."""
    archives = [path for path in (server_model_folder / "adapters").iterdir() if path.suffix != ".json"]
    away = {path: path.rename(path.with_name(f"{path.name}.away")) for path in archives}
    try:
        answers = [sdxl_server.predict(params_json=request(adapter=path.stem)) for path in archives]
    finally:
        for path, kept in away.items():
            kept.rename(path)
    errors = [answer["error"] for answer in answers if answer["status"] == "failed"]
    assert errors
    assert all("PLITKA_MODEL_DIR/adapters/" in error for error in errors)
    assert str(server_model_folder) not in json.dumps(answers)
    assert str(server_model_folder / "adapters") in sdxl_server.log.read_text()
