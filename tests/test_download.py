"""`COG_WEIGHTS` on the real server: unset, a path, an address; and what of an address is ever shown."""

import http.server
import shutil
import socket
import tarfile
import threading
from pathlib import Path

import pytest
from checkpoints import EMBEDDINGS_FILE, LORA_FILE
from cog_server import CogServer, pictures, small_model_json
from drawing import load_small_engine
from hypothesis import given
from hypothesis import strategies as st

import predict
from plitka.errors import ModelFileError
from plitka.weights.download import UNREADABLE, without_secrets

SECRET = "X-Amz-Signature=verysecret"
SHORT = {"params_json": small_model_json(overrides={"num_inference_steps": 2})}


class Store(http.server.BaseHTTPRequestHandler):
    """A store of files that answers as its paths say."""

    archive = b""

    def do_GET(self):
        kind = self.path.strip("/").split("?")[0].split("/")[0]
        if kind.isdigit():
            self.send_error(int(kind), f"no {SECRET} here")
        elif kind == "round":
            self.send_response(302)
            self.send_header("Location", self.path)
            self.end_headers()
        elif kind == "elsewhere":
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{free_port()}/x?{SECRET}")
            self.end_headers()
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.archive)))
            self.end_headers()
            self.wfile.write(self.archive[: 100 if kind == "cut" else None])

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def archive(server_model_folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "own weights.tar"
    with tarfile.open(path, "w") as tar:
        for name in (LORA_FILE, EMBEDDINGS_FILE):
            tar.add(server_model_folder / name, name)
    return path


@pytest.fixture(scope="module")
def store(archive):
    Store.archive = archive.read_bytes()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://user:verysecret@127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def started(tmp_path, server_model_folder):
    """Start the real server with these weights; what it says, and whether it is ready."""
    servers = []

    def start(weights, engine="sdxl"):
        server = CogServer.start(tmp_path, engine, PLITKA_MODEL_DIR=server_model_folder, COG_WEIGHTS=weights)
        servers.append(server)
        return server, server.wait_until_started()

    yield start
    for server in servers:
        server.stop()


# The engine that takes no weights starts fast, and says which it was given.


@pytest.mark.long
def test_empty_is_not_set(started):
    _, health = started("", engine="render")
    assert health["status"] == "READY", health["setup"]


@pytest.mark.long
def test_a_file_address_reaches_the_engine_as_the_path_of_the_file(started, archive):
    _, health = started(archive.as_uri(), engine="render")
    assert health["status"] == "SETUP_FAILED"
    assert f"weights {archive}: the engine 'render' draws without any" in health["setup"]["logs"]


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_a_file_address_works_for_a_folder_and_an_archive(server_model_folder, archive, tmp_path, kind):
    place = tmp_path / "own folder"
    place.mkdir()
    for name in (LORA_FILE, EMBEDDINGS_FILE):
        shutil.copy(server_model_folder / name, place)
    given = place if kind == "folder" else archive
    with predict.fetched(given.as_uri()) as path:
        assert path == given
        engine = load_small_engine(server_model_folder, path)
    assert engine.lora is not None
    assert engine.tokens == ("<s0>", "<s1>")


@pytest.mark.long
def test_a_presigned_address_that_fails_never_shows_its_secrets(started, store):
    """The whole error of setup stands on `/health-check` and in the server's log."""
    server, health = started(f"{store}/403/weights.tar?{SECRET}", engine="render")
    assert health["status"] == "SETUP_FAILED"
    everything = f"{health}{server.log.read_text()}"
    assert "/403/weights.tar: the server answers 403" in everything
    assert "A presigned address expires" in everything
    assert "verysecret" not in everything
    assert "X-Amz" not in everything


@pytest.mark.long
def test_a_presigned_address_that_works_never_shows_its_secrets(started, store):
    server, health = started(f"{store}/good/weights.tar?{SECRET}")
    assert health["status"] == "READY", health["setup"]
    pictures(server.predict(**SHORT))
    assert "verysecret" not in f"{health}{server.log.read_text()}{server.health()}"
    assert list(server.temp.glob("plitka-download-*")) == []


def silent_address():
    """A server that takes the connection and never answers."""
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("{store}/404/w.tar", "the server answers 404 Not Found."),
        ("{store}/500/w.tar", "the server answers 500"),
        ("{store}/cut/w.tar", "the download broke off"),
        ("{store}/round/w.tar", "it leads round in a circle"),
        ("{store}/elsewhere/w.tar", "the server cannot be reached"),
        ("http://127.0.0.1:{free}/w.tar", "the server cannot be reached"),
        ("http://name.invalid/w.tar", "the server cannot be reached, or its name is not known"),
        ("{silent}/w.tar", "no answer came within"),
        ("https://127.0.0.1:{plain}/w.tar", "the server's certificate is not accepted"),
        ("http://[::1/w.tar", "it is no address that can be fetched"),
        ("http://:99999999/w.tar", "it is no address that can be fetched"),
        ("http:///w.tar", "it is no address that can be fetched"),
        ("data:nothing", "it is no address that can be fetched"),
        ("s3://bucket/w.tar", "an address that starts with s3:// cannot be fetched"),
        ("FTP://host/w.tar", "an address that starts with FTP:// cannot be fetched"),
        ("file://elsewhere/w.tar", "a file on another machine, 'elsewhere'"),
        ("file:///nowhere/w.tar", "there is no such folder or file"),
        ("/nowhere/w.tar", "there is no such folder or file"),
    ],
)
def test_weights_that_cannot_be_had_are_one_sentence(store, monkeypatch, path, reason):
    monkeypatch.setattr("plitka.weights.download.ANSWER_SECONDS", 0.5)
    listener, silent = silent_address()
    plain = store.rpartition(":")[2]
    address = path.format(store=store, free=free_port(), silent=silent, plain=plain)
    if "://" in address and not address.startswith("file"):
        address += f"?{SECRET}"
    with listener, pytest.raises(ModelFileError) as raised, predict.fetched(address):
        pass
    text = str(raised.value)
    assert reason in text.replace(SECRET, "")
    assert "\n" not in text
    assert "COG_WEIGHTS" in text
    assert SECRET not in text
    assert "user:" not in text
    assert raised.value.__context__ is None


@given(
    st.from_regex(
        r"(https?|s3|file|x)://([a-z:]{0,5}@)?[a-z.:0-9\[\]]{0,9}(/[a-z%]{0,5}){0,2}", fullmatch=True
    ),
    st.sampled_from(["?token=Topsecret", "#Topsecret", "?a=b&Topsecret=1"]),
)
def test_no_address_shows_what_is_behind_its_path(address, secret):
    shown = without_secrets(address + secret)
    assert "Topsecret" not in shown
    assert "@" not in shown
    assert shown == UNREADABLE or "://" in shown


@pytest.mark.parametrize("user", ["", "user:Topsecret@", ":Topsecret@"])
@pytest.mark.parametrize(
    "spoilt",
    [
        '"https://{}"',
        "'https://{}'",
        " https://{}",
        "\thttp://{}",
        "https:/{}",
        "https//{}",
        "{}",
        "=https://{}",
    ],
)
def test_what_was_meant_as_an_address_shows_no_secret_either(spoilt, user):
    """Quotes stay around a value from Docker's `--env-file`; Cog makes a path of the text."""
    text = spoilt.format(f"{user}host.test/w.tar?{SECRET}")
    for weights in (text, Path(text)):
        with pytest.raises(ModelFileError) as raised, predict.fetched(weights):
            pass
        assert "host.test/w.tar: there is no such folder or file" in str(raised.value)
        assert "secret" not in str(raised.value)


@pytest.mark.parametrize("given", [None, "", " ", "\t"])
def test_nothing_given_is_no_weights(given):
    with predict.fetched(given) as path:
        assert path is None


def test_a_download_leaves_nothing(store, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with predict.fetched(f"{store}/good/w.tar?{SECRET}") as path:
        assert path.read_bytes() == Store.archive
    with pytest.raises(ModelFileError), predict.fetched(f"{store}/cut/w.tar?{SECRET}"):
        pass
    assert list(tmp_path.iterdir()) == []
