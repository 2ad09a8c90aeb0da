"""Where `plitka serve` listens, under which names it answers there, and to calls from which web sites."""

import socket

import local_http
import pytest
from gateway_setup import gateway

from plitka.server.relay import Upstream
from plitka.server.serve import ServeError, new_gateway

BODY = b'{"input": {}}'


HOSTS = {"localhost:5000": 200, "127.0.0.1": 200, "[::1]:5000": 200, "evil.example": 403, "10.0.0.1": 403}
HOSTS |= {"LocalHost:5000": 200, "localhost.evil.example": 403}


@pytest.mark.parametrize(("host", "status"), HOSTS.items())
def test_server_of_this_machine_alone_answers_only_under_its_own_name(client, host, status):
    assert client.get("/", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("host", "status"),
    {"localhost": 403, "127.1": 403, "::1": 403, "0.0.0.0": 200, "::": 200}.items(),
)
def test_what_a_server_listens_on_decides_whether_a_name_is_its_own(behind, host, status):
    try:
        running = gateway(behind, host)
    except OSError as error:
        pytest.skip(f"this machine has no {host}: {error}")
    address = "[::1]" if ":" in host else "127.0.0.1"
    with running:
        answer = local_http.get(f"http://{address}:{running.port}/", headers={"Host": "evil.example"})
    assert answer.status_code == status


def test_a_name_of_this_machine_is_a_name_of_the_server(behind, monkeypatch):
    """A name from /etc/hosts, which only the system can resolve."""
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **more: resolve("127.0.0.1", *rest, **more)
    )
    with gateway(behind, "my-machine") as running:
        monkeypatch.undo()
        url = f"http://127.0.0.1:{running.port}/"
        assert local_http.get(url, headers={"Host": "my-machine"}).status_code == 200
        assert local_http.get(url, headers={"Host": "My-Machine"}).status_code == 200
        assert local_http.get(url, headers={"Host": "evil.example"}).status_code == 403


@pytest.mark.parametrize("host", ["0..0.0.0", ".", "a" * 64 + ".example", "\u044b..\u044b", "::1::"])
def test_host_that_is_no_name_is_refused_in_one_sentence(host):
    with pytest.raises(ServeError, match=r"cannot listen on .* port 5000: ") as refused:
        new_gateway(host, 5000, Upstream(1))
    assert str(refused.value).count("5000") == 1


def test_an_empty_host_listens_nowhere(invoke):
    with pytest.raises(ServeError, match="empty"):
        new_gateway("", 0, Upstream(1))
    result = invoke("serve", "--host", "")
    assert result.exit_code == 2
    assert "0.0.0.0" in result.output


def test_port_of_the_environment_is_the_default_of_the_option(invoke, monkeypatch):
    calls = []
    monkeypatch.setattr(
        "plitka.server.serve.serve", lambda host, port, *rest, **more: calls.append(port) or 0
    )
    monkeypatch.setenv("PORT", "8123")
    assert invoke("serve").exit_code == 0
    assert invoke("serve", "--port", "8124").exit_code == 0
    assert calls == [8123, 8124]
    monkeypatch.setenv("PORT", "http")
    refused = invoke("serve")
    assert refused.exit_code == 2
    assert "PORT" in refused.stderr


POSTS = [
    ({}, 200),
    ({"Origin": "http://localhost:5000"}, 200),
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": "http://evil.example", "Content-Type": "text/plain"}, 403),
    ({"Content-Type": "text/plain"}, 415),
    ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    # A tunnel's page: another address, but JSON, which a browser lets no stranger's page send.
    ({"Origin": "https://tunnel.example", "Content-Type": "application/json"}, 200),
    ({"Origin": "https://tunnel.example", "Content-Type": "Application/JSON; charset=utf-8"}, 200),
]


@pytest.mark.parametrize(("headers", "status"), POSTS)
def test_forms_on_other_web_sites_draw_nothing_on_this_machine(client, headers, status):
    given = {"Host": "localhost:5000"} | headers
    answer = client.post("/predictions", headers=given, content=BODY)
    assert answer.status_code == status


def test_browser_may_not_ask_to_send_json_from_elsewhere(client):
    assert client.options("/predictions", headers={"Origin": "http://evil.example"}).status_code == 405
