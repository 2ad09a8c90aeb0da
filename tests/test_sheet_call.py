"""`POST /sheet` of `plitka serve`, and the sheet that a prediction brings."""

import base64
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed

import httpx
import pytest
from cog_server import small_json
from gateway_setup import EchoHandler, echo_server, gateway
from sheets import logo, text_of, tile_file

from plitka.request.tile_request import parse_request
from plitka.server import sheets as call
from plitka.server.sheets import MAX_BODY_BYTES, MAX_SHEETS

PICTURE = tile_file(parse_request({"colors": [{"name": "red"}], "seed": 5}))


def address(data, kind="png"):
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


@pytest.fixture(scope="module")
def client():
    with echo_server() as port, gateway(port) as running:
        client = httpx.Client(base_url=f"http://127.0.0.1:{running.port}", timeout=300)
        with client:
            yield client


def sheet_of(client, **body):
    return client.post("/sheet", json={"picture": address(PICTURE), **body})


def test_picture_comes_back_as_a_sheet_and_cogs_server_is_not_asked(client):
    EchoHandler.reached = 0
    said = {"text": "Наш текст", "language": "ru", "date": "2026-11-27", "logo": address(logo())}
    answer = sheet_of(client, sheet=said)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    for word in ("красный", "Наш текст", "27.11.2026"):
        assert word in text_of(answer.content)
    assert answer.content == sheet_of(client, sheet=said).content
    assert EchoHandler.reached == 0


def test_order_is_put_on_the_sheet_or_refused_with_the_rest(client):
    text = text_of(sheet_of(client, order={"area_m2": 120, "thickness_mm": "10"}).content)
    assert "1386.000" in text
    assert "kg" not in text_of(sheet_of(client).content)
    bad = {"area_m2": 1e9, "weight": 1}
    answer = sheet_of(client, order=bad, sheet={"text": "☃"})
    assert answer.status_code == 422
    places = {tuple(problem["loc"]) for problem in answer.json()["detail"]}
    fields = ("area_m2", "thickness_mm", "weight")
    assert places == {*(("body", "order", name) for name in fields), ("body", "sheet", "text")}
    assert sheet_of(client, order=[1]).status_code == 422


@pytest.mark.parametrize("output_format", ["jpg", "webp"])
def test_pictures_of_every_format_are_taken(client, output_format):
    request = parse_request({"colors": [{"name": "red"}], "seed": 5})
    picture = address(tile_file(request, output_format), output_format.replace("jpg", "jpeg"))
    assert text_of(sheet_of(client, picture=picture, sheet=None).content)


def test_everything_wrong_is_said_at_once_by_name(client):
    answer = sheet_of(client, picture="logo.png", sheet={"text": "☃", "logo": "x", "day": 1}, more=1)
    assert answer.status_code == 422
    places = {tuple(problem["loc"]) for problem in answer.json()["detail"]}
    assert places == {
        ("body", "picture"),
        ("body", "more"),
        ("body", "sheet", "text"),
        ("body", "sheet", "logo"),
        ("body", "sheet", "day"),
    }


@pytest.mark.parametrize(
    "body",
    [
        {"picture": None},
        {"picture": 5},
        {"picture": "http://127.0.0.1/a.png"},
        {"picture": "data:image/png;base64,%%"},
        {"picture": address(logo())},
        {"picture": address(b"%PDF-")},
        {"picture": address(PICTURE[:-2000])},
        {"sheet": []},
        {"sheet": "yes"},
        {"sheet": True},
    ],
)
def test_what_is_no_picture_or_sheet_is_refused_with_what_is_allowed(client, body):
    answer = sheet_of(client, **body)
    assert answer.status_code == 422
    (problem,) = answer.json()["detail"]
    assert problem["loc"] == ["body", *body]
    assert "Allowed: " in problem["msg"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", b'{"picture": "a", "picture": "b"'])
def test_what_is_no_json_object_is_refused(client, body):
    answer = client.post("/sheet", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["detail"]


def test_too_large_a_body_another_type_and_another_method_are_refused(client):
    large = client.post(
        "/sheet", content=b" " * (MAX_BODY_BYTES + 1), headers={"Content-Type": "application/json"}
    )
    assert large.status_code == 413
    assert client.post("/sheet", content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415
    assert client.get("/sheet").status_code == 405
    # The largest picture there is, noise of 1024 pixels, is taken.
    request = parse_request({"colors": [{"name": "red"}], "seed": 5})
    assert sheet_of(client, picture=address(tile_file(request, size=1024))).status_code == 200


def test_more_callers_than_there_is_room_for_are_told_to_come_again(client, monkeypatch):
    goes_on = threading.Event()

    def slow(body):
        assert goes_on.wait(300)
        return b"%PDF-"

    monkeypatch.setattr(call, "_sheet", slow)
    with ThreadPoolExecutor(MAX_SHEETS + 1) as pool:
        try:
            calls = [pool.submit(sheet_of, client) for _ in range(MAX_SHEETS + 1)]
            refused = next(as_completed(calls)).result()
            assert refused.status_code == 429
            assert int(refused.headers["Retry-After"]) > 0
            # Other calls go on meanwhile.
            assert client.get("/health-check").status_code == 200
        finally:
            goes_on.set()
    assert sorted(call.result().status_code for call in calls) == [*[200] * MAX_SHEETS, 429]


def test_prediction_brings_the_sheet_after_its_pictures_which_stay_as_they_are(render_server):
    plain = small_json(seed=3)
    asked = small_json(seed=3, overrides={"sheet": {"date": "2026-11-27", "logo": address(logo())}})
    without, with_sheet = (render_server.predict(params_json=text) for text in (plain, asked))
    assert with_sheet["output"][:3] == without["output"]
    (sheet,) = with_sheet["output"][3:]
    start, _, data = sheet.partition(",")
    assert start == "data:application/pdf;base64"
    assert "2026-11-27" in text_of(base64.b64decode(data))
    assert with_sheet["metrics"]["request"] == without["metrics"]["request"]
    assert with_sheet["metrics"]["timing"]["sheet"]["draw"] > 0


def test_prediction_with_a_sheet_that_cannot_be_made_is_refused_before_drawing(render_server):
    text = small_json(overrides={"sheet": {"text": "☃", "logo": "logo.png"}})
    answer = render_server.predict(params_json=text)
    assert answer["status"] == "failed"
    assert "overrides.sheet.text" in answer["error"]
    assert "overrides.sheet.logo" in answer["error"]
    assert not answer.get("output")
