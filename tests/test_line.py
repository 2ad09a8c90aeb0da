"""The line by itself, against a list; the answers it keeps; answers out of streams; origins."""

import asyncio
import re
from contextlib import contextmanager
from itertools import pairwise

import httpx2
import local_http
import pytest
from gateway_setup import EchoHandler, connection, gateway, put
from hypothesis import given
from hypothesis import strategies as st

from plitka.errors import ServeError
from plitka.server.access import Access, check_origin
from plitka.server.answers import RefusedError
from plitka.server.kept_answers import KeptAnswers
from plitka.server.line import Line
from plitka.server.turns import whole_answer

MOVES = st.lists(st.sampled_from(["join", "begin", "end", "cancel", "give up"]) | st.integers(0, 5))


@given(st.integers(0, 3), MOVES)
def test_places_are_those_of_a_list_whatever_happens(places, moves):
    """`begin` is Cog's server taking the first, an integer a cancel or hang-up of the one with that place."""

    async def play():
        line, waiting, drawn = Line(places), [], None
        for number, move in enumerate(moves):
            if move == "join":
                is_free = drawn is None and not waiting
                if not is_free and len(waiting) >= places:
                    with pytest.raises(RefusedError) as full:
                        line.join(str(number))
                    assert full.value.status == 429
                    assert int(full.value.headers["Retry-After"]) >= 1
                    continue
                ticket = line.join(str(number))
                if is_free and not places:
                    with pytest.raises(RefusedError):
                        line.must_wait(ticket)
                    line.leave(ticket)
                else:
                    line.must_wait(ticket)
                    waiting.append(ticket)
            elif move == "begin" and waiting and drawn is None:
                drawn = waiting.pop(0)
                line.begin(drawn)
                assert line.is_drawn(drawn.id)
            elif move == "end" and drawn is not None:
                line.leave(drawn)
                drawn = None
            elif isinstance(move, int) and move < len(waiting):
                gone = waiting.pop(move)
                assert line.cancel(gone.id)
                assert gone.end.result().status == "canceled"
                line.leave(gone)
            assert len(line) == len(waiting)
            for position, ticket in enumerate(waiting, 1):
                assert line.state(ticket)["queue"] == {"position": position, "waiting": len(waiting)}
            assert not line.cancel("unknown")

    asyncio.run(play())


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 40))))
def test_kept_answers_stay_within_their_bounds_and_are_the_latest(given_answers):
    kept, expected = KeptAnswers(count=3, size=60), {}
    for name, size in given_answers:
        answer = name.encode() * size
        kept.keep(name, answer)
        expected.pop(name, None)
        expected[name] = answer
        while len(expected) > 3 or sum(map(len, expected.values())) > 60:
            del expected[next(iter(expected))]
        assert {key: kept.get(key) for key in "abcdef" if kept.get(key) is not None} == expected


def test_kept_answers_go_after_their_time():
    kept = KeptAnswers(seconds=0.0)
    kept.keep("a", b"{}")
    assert kept.get("a") is None


EVENTS = (
    b'event: start\ndata: {"id":"a"}\n\nevent: log\ndata: event: completed\n\n'
    b'event: completed\ndata: {"x":1}\n\n'
)


@given(st.lists(st.integers(0, len(EVENTS)), max_size=8))
def test_answer_is_found_wherever_a_stream_is_cut(cuts):
    cuts = [0, *sorted(cuts), len(EVENTS)]

    async def pieces():
        for start, end in pairwise(cuts):
            yield EVENTS[start:end]

    class Stream(httpx2.AsyncByteStream):
        def __aiter__(self):
            return pieces()

    assert asyncio.run(whole_answer(httpx2.Response(200, stream=Stream()))) == b'{"x":1}'


# In front of a server that is at work for as long as it is not released


@contextmanager
def at_work(running):
    """Within it, the server behind is drawing."""
    EchoHandler.release.clear()
    with connection(running, put("stream", headers="Accept: text/event-stream\r\n")) as raw:
        answer = b""
        while b"event: start" not in answer:
            answer += raw.recv(4096)
        yield
        EchoHandler.release.set()


def test_who_has_waited_too_long_is_told(behind):
    with gateway(behind, line=Line(seconds=0.3)) as running, at_work(running):
        call = {"json": {"input": {}}}
        url = f"http://127.0.0.1:{running.port}/predictions/waiting"
        whole = local_http.put(url, **call)
        assert (whole.status_code, whole.headers["retry-after"]) == (503, "5")
        assert "0.3 seconds" in whole.json()["detail"]
        events = local_http.put(url, headers={"Accept": "text/event-stream"}, **call).text
        assert re.findall("^event: (.*)$", events, re.MULTILINE) == ["queue", "completed"]
        assert '"status": "failed"' in events


@pytest.mark.parametrize("places", [0, 1])
def test_a_line_is_as_long_as_it_was_made(behind, places):
    with gateway(behind, line=Line(places)) as running, at_work(running):
        url = f"http://127.0.0.1:{running.port}/predictions"
        call = {"json": {"input": {}}, "headers": {"Prefer": "respond-async"}}
        statuses = [local_http.post(url, **call).status_code for _ in range(2)]
        assert statuses == [202] * places + [429] * (2 - places)


SHOP = "https://shop.example"


@pytest.fixture(scope="module")
def open_to_shop(behind):
    with gateway(behind, access=Access(origins=(SHOP,))) as running:
        yield f"http://127.0.0.1:{running.port}"


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        (SHOP, True),
        ("http://shop.example", False),
        (f"{SHOP}:8443", False),
        ("null", False),
        ("https://shop.example.evil.example", False),
        ("https://evil-shop.example", False),
    ],
)
def test_pages_of_named_origins_alone_may_use_the_server(open_to_shop, origin, is_allowed):
    asks = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type,prefer"}
    address = f"{open_to_shop}/predictions/abc"
    preflight = local_http.options(address, headers={"Origin": origin} | asks)
    call = local_http.put(address, json={"input": {}}, headers={"Origin": origin})
    cancel = local_http.post(f"{address}/cancel", headers={"Origin": origin})
    health = local_http.get(f"{open_to_shop}/health-check", headers={"Origin": origin})
    for answer in (preflight, call, cancel, health):
        allowed = answer.headers.get("access-control-allow-origin")
        assert allowed == (origin if is_allowed else None)
    assert preflight.is_success == is_allowed
    assert cancel.status_code == (200 if is_allowed else 403)


def test_without_a_named_origin_no_page_elsewhere_gets_cors_headers(behind):
    with gateway(behind) as running:
        answer = local_http.get(f"http://127.0.0.1:{running.port}/health-check", headers={"Origin": SHOP})
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("origin", [SHOP, "http://localhost:3000", "http://[::1]:8080", "http://10.0.0.1"])
def test_origins_as_browsers_send_them_are_taken(origin):
    assert check_origin(origin) == origin


NO_ORIGINS = ["*", "null", "", "shop.example", "https://*.shop.example", f"{SHOP}/", f"{SHOP}/page"]
NO_ORIGINS += ["ftp://a.example", "https://Shop.example", f"{SHOP}:443", "http://a.example:80"]
NO_ORIGINS += [f"{SHOP} {SHOP}", f"{SHOP}\n"]


@pytest.mark.parametrize("text", NO_ORIGINS)
def test_what_is_no_exact_origin_is_refused(invoke, text):
    with pytest.raises(ServeError, match="is no origin"):
        check_origin(text)
    refused = invoke("serve", "--allow-origin", text)
    assert refused.exit_code == 2
    assert "origin" in refused.stderr
