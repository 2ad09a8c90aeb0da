"""A photograph in a call of `plitka serve`: taken as a data: URL, and as nothing else."""

import gzip
import http.server
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import local_http
import pytest
from cog_server import pictures
from gateway_setup import EchoHandler, connection, echo_server, everything, gateway
from photo_files import BAD_FILES, KIND_ALONE, NEAR, SHARES, address, encoded, tile

from plitka.server.limits import Limits
from plitka.server.matches import MAX_OTHER_BYTES
from plitka.server.photographs import MAX_PHOTO_BYTES, MAX_PHOTOS, body_bytes_with_photo


@pytest.fixture(scope="module")
def photo():
    return address(encoded(tile(), quality=85))


@pytest.fixture(scope="module")
def running():
    with echo_server() as port, gateway(port) as running:
        yield running


@pytest.fixture(scope="module")
def client(running):
    with httpx.Client(base_url=f"http://127.0.0.1:{running.port}", timeout=300) as client:
        yield client


@pytest.fixture(scope="module")
def listener():
    """A web server that counts who calls."""

    class Counting(http.server.BaseHTTPRequestHandler):
        calls = 0

        def do_GET(self):
            type(self).calls += 1
            data = encoded(tile())
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Counting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        server.seen = Counting
        yield server
        server.shutdown()


def shares(colors):
    return {color["id"]: color["share"] for color in colors}


def is_right(colors):
    return shares(colors) == pytest.approx(SHARES, abs=NEAR)


def large_photo(size=MAX_PHOTO_BYTES):
    """A file of that size that begins as a JPEG does."""
    return address(b"\xff\xd8\xff\xe0" + bytes(size - 4))


def words_at(answer, *place):
    assert answer.status_code == 422, answer.text[:300]
    return [problem["msg"] for problem in answer.json()["detail"] if tuple(problem["loc"]) == place]


def test_a_photograph_is_matched_and_its_mix_drawn_by_the_real_server(render_server, photo):
    prediction = render_server.predict(photo=photo, seed=4, angle=30)
    assert len(pictures(prediction)) == 3
    found = prediction["metrics"]["match"]
    assert is_right(found["colors"])
    assert {"low", "high", "hex", "alike", "outside", "nearest"} <= set(found["colors"][0])
    assert len(found["colors"][0]["nearest"]) == 3
    assert set(found["sets"][0]["colors"]) == set(SHARES)
    request = json.loads(prediction["metrics"]["request"])
    assert (request["seed"], request["angle"]) == (4, 30)
    drawn = {entry["name"]: entry["proportion"] for entry in request["colors"]}
    assert drawn == pytest.approx(SHARES, abs=NEAR)
    assert "note: On the photograph: " in prediction["logs"]
    # Neither the photograph nor a part of it is left anywhere.
    assert photo[:200] not in json.dumps(prediction)
    assert not list(render_server.temp.glob("*.jpg"))
    assert not list(render_server.temp.glob("tmp*"))


def test_photograph_with_another_problem_is_refused_before_drawing_with_both(render_server):
    wall = address(BAD_FILES["a plain wall"][0])
    answer = render_server.predict(photo=wall, colors="blakc")
    assert answer["status"] == "failed"
    assert "photo: the photograph shows no granules" in answer["error"]
    assert "colors[0].name" in answer["error"]
    assert not answer.get("output")


@pytest.mark.parametrize("kind", BAD_FILES)
def test_what_is_no_photograph_of_a_tile_is_refused_by_the_real_server(render_server, kind):
    data, said = BAD_FILES[kind]
    answer = render_server.post({"photo": address(data)})
    if kind in KIND_ALONE:
        (words,) = words_at(answer, "body", "input", "photo")
    else:
        words = answer.json()["error"]
    assert "photo: the photograph" in words
    assert said in words
    assert render_server.idle_status() == "READY"


ADDRESSES = ["http://127.0.0.1:{port}/a.jpg", "HTTP://127.0.0.1:{port}/", "//127.0.0.1:{port}/a.jpg"]
NO_PHOTO = [
    *ADDRESSES,
    "https://127.0.0.1:{port}/a.jpg",
    "file:///etc/passwd",
    "/etc/passwd",
    "../../etc/passwd",
    "ftp://127.0.0.1:{port}/a.jpg",
    "a.jpg",
    "data:,a",
    "data:image/jpeg,a",
    "data:text/html;base64,YQ==",
    "data:image/jpeg;charset=utf-8;base64,YQ==",
    "data:image/../../etc;base64,YQ==",
    "data:image/jpeg;base64,YQ",
    "data:image/jpeg;base64,Y%51==",
    "data:image/jpeg;base64,Y\nQ==",
    "data:image/jpeg;base64,ы",
    " data:image/jpeg;base64,YQ==",
    "DATA:image/jpeg;base64,YQ==",
    5,
    True,
    ["data:image/jpeg;base64,YQ=="],
    {"url": "http://127.0.0.1:{port}/"},
]


@pytest.mark.parametrize("given", NO_PHOTO, ids=str)
def test_addresses_and_paths_are_refused_in_words_and_nobody_is_called(client, listener, given):
    given = json.loads(json.dumps(given).replace("{port}", str(listener.server_port)))
    reached, called = EchoHandler.reached, listener.seen.calls
    answer = client.post("/predictions", json={"input": {"photo": given, "sead": 1}})
    (words,) = words_at(answer, "body", "input", "photo")
    assert words.startswith("photo: ")
    assert "Allowed: a picture of at most 20 MiB as data:" in words
    # All at once.
    assert words_at(answer, "body", "input", "sead")
    assert words_at(client.post("/match", json={"photo": given}), "body", "photo") == [words]
    assert (EchoHandler.reached, listener.seen.calls) == (reached, called)


@pytest.mark.parametrize("form", ADDRESSES)
def test_the_real_server_is_not_made_to_fetch_an_address(render_server, listener, form):
    called = listener.seen.calls
    answer = render_server.post({"photo": form.format(port=listener.server_port)})
    assert words_at(answer, "body", "input", "photo")
    assert listener.seen.calls == called


@pytest.mark.long
def test_the_largest_photograph_is_passed_on_and_a_larger_one_refused_by_name(client):
    answer = client.post("/predictions", json={"input": {"photo": large_photo(), "seed": 3}})
    assert answer.status_code == 200
    assert json.loads(answer.json()["body"])["input"] == {"photo": large_photo(), "seed": 3}
    reached = EchoHandler.reached
    over = client.post("/predictions", json={"input": {"photo": large_photo(MAX_PHOTO_BYTES + 1)}})
    assert "too large" in words_at(over, "body", "input", "photo")[0]
    far = client.post("/predictions", json={"input": {"photo": large_photo(2 * MAX_PHOTO_BYTES)}})
    assert far.status_code == 413
    assert "a photograph of 20 MiB" in far.json()["detail"]
    assert EchoHandler.reached == reached


def test_room_for_a_photograph_is_for_nothing_else(client):
    long = "x" * (Limits.body_bytes + 1)
    reached = EchoHandler.reached
    for inputs in ({"colors": long}, {"photo": "data:image/png;base64,iVBO", "colors": long}):
        answer = client.post("/predictions", json={"input": inputs})
        assert answer.status_code in (413, 422), inputs
    beside = {"photo": address(b"\x89PNG" + bytes(8)), "params_json": long}
    assert client.post("/predictions", json={"input": beside}).status_code == 413
    other = {"photo": address(b"\x89PNG" + bytes(8)), "colors": "x" * (MAX_OTHER_BYTES + 1)}
    assert client.post("/match", json=other).status_code == 413
    assert EchoHandler.reached == reached


def test_compressed_bodies_are_not_unpacked(client):
    bomb = gzip.compress(b'{"photo": "' + b"A" * 20_000_000 + b'"}')
    assert len(bomb) < MAX_OTHER_BYTES
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    for path in ("/predictions", "/match"):
        assert client.post(path, content=bomb, headers=headers).status_code == 400


def test_as_many_large_photographs_as_there_is_room_for_wait_and_the_next_is_sent_away(client):
    EchoHandler.release.clear()
    EchoHandler.waiting.clear()
    large = {"input": {"photo": large_photo(2 * 2**20)}}

    def put(number, body=large):
        return client.put(f"/predictions/later{number}", json=body)

    with ThreadPoolExecutor(MAX_PHOTOS) as pool:
        try:
            calls = [pool.submit(put, number) for number in range(MAX_PHOTOS)]
            deadline = time.monotonic() + 300
            asked = [f"/predictions/later{number}" for number in range(MAX_PHOTOS)]
            while any(client.get(path).status_code != 200 for path in asked) and time.monotonic() < deadline:
                time.sleep(0.05)
            refused = put("x")
            assert refused.status_code == 429
            assert "photograph" in refused.json()["detail"]
            assert int(refused.headers["Retry-After"]) > 0
        finally:
            EchoHandler.release.set()
    assert [call.result().status_code for call in calls] == [200] * MAX_PHOTOS
    # Their room is free again, also where nobody waited for the answer, and after a refusal.
    for number in range(MAX_PHOTOS + 1):
        later = client.put(f"/predictions/free{number}", json=large, headers={"Prefer": "respond-async"})
        assert later.status_code in (200, 202), later.text
    for _ in range(MAX_PHOTOS + 1):
        assert client.post("/predictions", json={"input": {**large["input"], "a": 1}}).status_code == 422


def test_a_header_that_announces_too_much_is_refused_before_the_body(running):
    size = body_bytes_with_photo(Limits.body_bytes) + 1
    head = f"POST /predictions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
    with connection(running, head.encode()) as raw:
        raw.shutdown(1)
        assert everything(raw).startswith(b"HTTP/1.1 413 ")
    assert local_http.get(f"http://127.0.0.1:{running.port}/").status_code == 200
