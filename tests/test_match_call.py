"""The call `POST /match`: the mix on a photograph, found in a process of its own."""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress

import httpx
import psutil
import pytest
from cog_server import wait_for
from gateway_setup import EchoHandler, connection, echo_server, gateway
from photo_files import BAD_FILES, NEAR, SHARES, address, encoded, tile, turned
from thorough import one_in

from plitka.colors.palette import PALETTE, palette_in_use
from plitka.server import matches
from plitka.server.matches import MAX_MATCHES


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


def shares(colors):
    return {color["id"]: color["share"] for color in colors}


def is_right(colors):
    return shares(colors) == pytest.approx(SHARES, abs=NEAR)


def words_at(answer, *place):
    assert answer.status_code == 422, answer.text[:300]
    return [problem["msg"] for problem in answer.json()["detail"] if tuple(problem["loc"]) == place]


@pytest.mark.long
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


@pytest.mark.long
def test_a_match_takes_corners_and_known_colours(client, photo):
    corners = [[100, 100], [900, 100], [900, 900], [100, 900]]
    found = client.post("/match", json={"photo": photo, "corners": corners, "colors": "red, black, yellow"})
    assert is_right(found.json()["colors"])
    assert found.json()["corners"] == corners
    assert found.json()["sets"][0]["confidence"] == 1


@pytest.mark.long
def test_a_photograph_that_lies_on_its_side_is_turned_as_it_says(client):
    found = client.post("/match", json={"photo": address(turned(tile()[:768]))}).json()
    assert found["size"] == [1024, 768]
    assert is_right(found["colors"])


@pytest.mark.parametrize("kind", one_in(3, BAD_FILES))
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


@pytest.mark.long
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
    found = []
    for child in psutil.Process(os.getpid()).children(recursive=True):
        # It may end while it is looked at.
        with suppress(psutil.NoSuchProcess):
            if "waits for ever" in " ".join(child.cmdline()):
                found.append(child)
    return found


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


@pytest.mark.long
def test_a_process_that_dies_takes_nothing_with_it(client, photo, monkeypatch):
    monkeypatch.setattr(matches, "_PROGRAM", ("/bin/sh", "-c", "kill -SEGV $$"))
    assert client.post("/match", json={"photo": photo}).status_code == 500
    monkeypatch.undo()
    assert client.post("/match", json={"photo": photo}).status_code == 200


def test_a_caller_who_goes_away_ends_the_process(running, client, photo, endless):
    body = json.dumps({"photo": photo}).encode()
    head = "POST /match HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with connection(running, f"{head}Content-Length: {len(body)}\r\n\r\n".encode(), body):
        wait_for(looking)
    wait_for(lambda: not looking())


def test_more_matches_than_there_is_room_for_are_sent_away_and_other_calls_go_on(client, photo, endless):
    with ThreadPoolExecutor(MAX_MATCHES + 1) as pool:
        calls = [pool.submit(client.post, "/match", json={"photo": photo}) for _ in range(MAX_MATCHES + 1)]
        try:
            # None of the others ends by itself.
            assert next(as_completed(calls)).result().status_code == 429
            assert client.get("/health-check").status_code == 200
        finally:
            while not all(call.done() for call in calls):
                for process in looking():
                    with suppress(psutil.NoSuchProcess):
                        process.kill()
                time.sleep(0.05)
    assert sorted(call.result().status_code for call in calls) == [429, *[500] * MAX_MATCHES]


@pytest.mark.long
@pytest.mark.parametrize("later", one_in(2, ["{broken", None]))
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
