"""The gateway in front of a server in place of Cog's that keeps every body."""

import http.server
import threading
from contextlib import contextmanager

import httpx
from gateway_setup import gateway


class Recorder(http.server.BaseHTTPRequestHandler):
    """A server in place of Cog's that keeps every body."""

    protocol_version = "HTTP/1.1"
    bodies: list

    def do_POST(self):
        self.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_PUT = do_POST  # noqa: N815  # as http.server looks it up

    def log_message(self, *args):
        pass


@contextmanager
def recording():
    """What sends a body through the gateway and gives the answer and what has reached the server behind."""
    Recorder.bodies = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with gateway(server.server_port) as running_gateway, httpx.Client(timeout=30, verify=False) as client:

            def send(body, path="/predictions", method="POST", **headers):
                Recorder.bodies.clear()
                url = f"http://127.0.0.1:{running_gateway.port}{path}"
                return client.request(method, url, content=body, headers=headers), list(Recorder.bodies)

            yield send
        server.shutdown()


def refused(answer):
    """The problems of a refusal by place, each checked to be in words."""
    assert 400 <= answer.status_code < 500
    problems = answer.json()["detail"]
    assert 1 <= len(problems) <= 20
    for problem in problems:
        assert set(problem) == {"loc", "msg", "type"}
        assert problem["loc"][0] == "body"
        assert problem["msg"].isprintable()
        assert 10 < len(problem["msg"]) < 400
    return {tuple(problem["loc"]): problem["msg"] for problem in problems}
