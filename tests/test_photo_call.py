"""A photograph in a call of `plitka serve`: taken as a data: URL, and as nothing else."""

import gzip
import http.server
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import local_http
import psutil
import pytest
from cog_server import pictures
from gateway_setup import EchoHandler, connection, echo_server, everything, gateway
from photo_files import BAD_FILES, KIND_ALONE, NEAR, SHARES, address, encoded, tile, turned

from plitka.colors.palette import PALETTE, palette_in_use
from plitka.server import matches
from plitka.server.limits import Limits
from plitka.server.matches import MAX_MATCHES, MAX_OTHER_BYTES
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


def test_a_match_says_what_was_found_without_cogs_server(client, photo):
    reached = EchoHandler.reached
    answer = client.post("/match", json={"photo": photo})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    found = answer.json()
    assert is_right(found["colors"])
    assert found["size"] == [1024, 1024]
    assert {entry["name"] for entry in found["request"]["colors"]} == set(SHARES)
    assert EchoHandler.reached == reached


def test_a_match_takes_corners_and_known_colours(client, photo):
    corners = [[100, 100], [900, 100], [900, 900], [100, 900]]
    found = client.post("/match", json={"photo": photo, "corners": corners, "colors": "red, black, yellow"})
    assert is_right(found.json()["colors"])
    assert found.json()["corners"] == corners
    assert found.json()["sets"][0]["confidence"] == 1


def test_a_photograph_that_lies_on_its_side_is_turned_as_it_says(client):
    found = client.post("/match", json={"photo": address(turned(tile()[:768]))}).json()
    assert found["size"] == [1024, 768]
    assert is_right(found["colors"])


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_match_of_what_is_no_photograph_of_a_tile_is_refused_in_words(client, kind):
    data, said = BAD_FILES[kind]
    (words,) = words_at(client.post("/match", json={"photo": address(data)}), "body", "photo")
    assert words.startswith("photo: the photograph")
    assert said in words


@pytest.mark.parametrize(
    "corners",
    [
        [],
        [[0, 0]] * 3,
        [[0, 0]] * 5,
        [[0, 0, 0]] * 4,
        [[0, "a"]] * 4,
        [[0, None]] * 4,
        "x",
        [[1e9, 0]] * 4,
        5,
    ],
)
def test_corners_that_are_none_are_refused_with_what_is_allowed(client, photo, corners):
    answer = client.post("/match", json={"photo": photo, "corners": corners, "colors": 5, "more": 1})
    assert "Allowed: four points" in words_at(answer, "body", "corners")[0]
    assert words_at(answer, "body", "colors") and words_at(answer, "body", "more")


def test_corners_outside_and_unknown_colours_are_problems_of_their_own(client, photo):
    outside = client.post(
        "/match", json={"photo": photo, "corners": [[0, 0], [5000, 0], [5000, 900], [0, 900]]}
    )
    assert "a corner lies outside" in words_at(outside, "body", "photo")[0]
    unknown = client.post("/match", json={"photo": photo, "colors": "blakc"})
    assert "black" in words_at(unknown, "body", "colors")[0]


@pytest.mark.parametrize("body", [b"", b"[]", b"5", b"null", b"{", b"\xff", b"{}", b'{"photo": null}'])
def test_what_is_no_call_of_a_match_is_refused(client, body):
    answer = client.post("/match", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["detail"]
    assert client.get("/match").status_code == 405


def looking():
    """The processes that look at photographs."""
    return [
        child
        for child in psutil.Process(os.getpid()).children(recursive=True)
        if child.is_running() and "waits for ever" in " ".join(child.cmdline())
    ]


@pytest.fixture
def endless(monkeypatch):
    program = (sys.executable, "-c", "import time; 'waits for ever'; time.sleep(1000)")
    monkeypatch.setattr(matches, "_PROGRAM", program)


def test_a_match_that_takes_too_long_is_ended_and_said_to_have_failed(client, photo, endless, monkeypatch):
    monkeypatch.setattr(matches, "MATCH_SECONDS", 1.0)
    answer = client.post("/match", json={"photo": photo})
    assert answer.status_code == 500
    assert "in time" in answer.json()["detail"]
    assert not looking()


def test_a_process_that_computes_for_ever_ends_itself(client, photo, monkeypatch):
    code = (
        "import plitka.server.match_process as match; match.CPU_SECONDS = 1;"
        "match.answer_to = lambda *given: all(number == 0 for number in iter(int, 1)); match.main()"
    )
    monkeypatch.setattr(matches, "_PROGRAM", (sys.executable, "-c", code))
    assert client.post("/match", json={"photo": photo}).status_code == 500
    assert not looking()


def test_a_process_that_dies_takes_nothing_with_it(client, photo, monkeypatch):
    monkeypatch.setattr(matches, "_PROGRAM", ("/bin/sh", "-c", "kill -SEGV $$"))
    assert client.post("/match", json={"photo": photo}).status_code == 500
    monkeypatch.undo()
    assert client.post("/match", json={"photo": photo}).status_code == 200


def test_a_caller_who_goes_away_ends_the_process(running, client, photo, endless):
    body = json.dumps({"photo": photo}).encode()
    head = "POST /match HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with connection(running, f"{head}Content-Length: {len(body)}\r\n\r\n".encode(), body):
        wait_until(looking)
    wait_until(lambda: not looking())


def test_more_matches_than_there_is_room_for_are_sent_away_and_other_calls_go_on(client, photo, endless):
    with ThreadPoolExecutor(MAX_MATCHES) as pool:
        calls = [pool.submit(local_post, client, photo) for _ in range(MAX_MATCHES)]
        wait_until(looking)
        wait_until(lambda: local_post(client, photo, 2) == 429)
        assert client.get("/health-check").status_code == 200
        while not all(call.done() for call in calls):
            for process in looking():
                process.kill()
            time.sleep(0.05)
    assert {call.result() for call in calls} == {500}


def local_post(client, photo, seconds=300):
    try:
        return client.post("/match", json={"photo": photo}, timeout=seconds).status_code
    except httpx.TimeoutException:
        return None


def wait_until(condition):
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.05)


def test_a_header_that_announces_too_much_is_refused_before_the_body(running):
    size = body_bytes_with_photo(Limits.body_bytes) + 1
    head = f"POST /predictions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
    with connection(running, head.encode()) as raw:
        raw.shutdown(1)
        assert everything(raw).startswith(b"HTTP/1.1 413 ")
    assert local_http.get(f"http://127.0.0.1:{running.port}/", timeout=30).status_code == 200


@pytest.mark.parametrize("later", [None, "{broken", '{"version": 1, "colors": []}'])
def test_the_palette_is_that_of_the_servers_start(client, photo, monkeypatch, tmp_path, later):
    path = tmp_path / "own.json"
    own = [
        {"code": f"Z-{code}", "names": {"en": f"own {code}"}, "prompt_word": "red", "hex": color.hex}
        for code, color in PALETTE.items()
    ]
    path.write_text(json.dumps({"version": 1, "colors": own}), encoding="utf-8")
    monkeypatch.setenv("PLITKA_PALETTE", str(path))
    assert "Z-RED" in palette_in_use()
    path.unlink() if later is None else path.write_text(later)
    answer = client.post("/match", json={"photo": photo, "colors": "own red, own black, Z-BLUE, own yellow"})
    assert answer.status_code == 200, answer.text[:300]
    assert set(shares(answer.json()["colors"])) >= {f"Z-{code}" for code in SHARES}
