"""A hub on this machine: a folder of models as `owner/name`, over the routes that huggingface_hub calls.

Give a program `HF_ENDPOINT` and a fresh `HF_HOME`, and it fetches from here.
"""

import hashlib
import json
import threading
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Hub(BaseHTTPRequestHandler):
    def __init__(self, folder, asked, *arguments):
        self.folder, self.asked = folder, asked
        super().__init__(*arguments)

    def do_HEAD(self):
        self._answer(with_body=False)

    def do_GET(self):
        self._answer(with_body=True)

    def _answer(self, with_body):
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self._send(self._model("/".join(parts[2:4]), is_tree=parts[4:5] == ["tree"]), with_body)
            return
        path = self.folder.joinpath(*parts[:2], *parts[4:])
        is_file = parts[2:3] == ["resolve"]
        if is_file:
            self.asked.append("/".join((*parts[:2], *parts[4:])))
        self._send(path.read_bytes() if is_file and path.is_file() else None, with_body)

    def _model(self, name, is_tree):
        model = self.folder / name
        files = sorted(str(path.relative_to(model)) for path in model.rglob("*") if path.is_file())
        tree = [{"type": "file", "path": file, "size": 1, "oid": COMMIT} for file in files]
        siblings = [{"rfilename": file} for file in files]
        document = tree if is_tree else {"id": name, "sha": COMMIT, "siblings": siblings}
        return json.dumps(document).encode() if files else None

    def _send(self, content, with_body):
        self.send_response(404 if content is None else 200)
        if content is None:
            self.send_header("X-Error-Code", "EntryNotFound")
        content = content or b""
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@contextmanager
def small_hub(folder: Path):
    """Its address, and the list of files that it has been asked for so far, as `owner/name/path`."""
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Hub, folder, asked))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
