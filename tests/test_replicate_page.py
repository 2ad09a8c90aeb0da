"""The programs of the page about HTTP: they draw through the server and know a signed webhook."""

import base64
import hashlib
import hmac
import json
import shutil
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages import ROOT, code

PAGE = ROOT / "docs/Replicate.md"
ADDRESS = "http://127.0.0.1:5000"
PICTURES = ["colormap.png", "final.png", "preview.png"]
PROGRAMS = {"python": (sys.executable, "tile.py"), "js": ("node", "tile.mjs"), "php": ("php", "tile.php")}
SECRET = "whsec_" + base64.b64encode(b"a key of twenty-four by.").decode()
NOW = 1_700_000_000


def run(language, folder, text, *arguments):
    """What a program prints; skipped where nothing runs its language."""
    program, name = PROGRAMS[language]
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}")
    (folder / name).write_text(text)
    command = [program, name, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("language", PROGRAMS)
def test_program_saves_three_pictures_and_says_where_it_stands(render_server, tmp_path, language):
    program = code(PAGE, language)[0].replace(ADDRESS, render_server.url)
    said = run(language, tmp_path, program)
    assert sorted(path.name for path in tmp_path.glob("*.png")) == PICTURES
    assert said.startswith(("starting", "processing"))


def signed(body, name="msg_1", sent=str(NOW), secret=SECRET):
    """The headers of a webhook, signed as Standard Webhooks says."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{name}.{sent}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": name, "webhook-timestamp": sent, "webhook-signature": signature}


BODY = '{"id": "a", "color": "чёрный"}'.encode()
GOOD = signed(BODY)
OTHER = signed(BODY, secret="whsec_" + base64.b64encode(b"another key").decode())
# Headers, body, seconds since it was sent, and whether it is genuine.
WEBHOOKS = {
    "as sent": (GOOD, BODY, 0, True),
    "five minutes old": (GOOD, BODY, 300, True),
    "too old": (GOOD, BODY, 301, False),
    "from the future": (GOOD, BODY, -301, False),
    "changed": (GOOD, BODY + b" ", 0, False),
    "under another id": (GOOD | {"webhook-id": "msg_2"}, BODY, 0, False),
    "sent again later": (GOOD | {"webhook-timestamp": str(NOW + 60)}, BODY, 60, False),
    "of another secret": (OTHER, BODY, 0, False),
    "with a second signature": (
        GOOD | {"webhook-signature": f"{OTHER['webhook-signature']} {GOOD['webhook-signature']}"},
        BODY,
        0,
        True,
    ),
    "of another version": (
        GOOD | {"webhook-signature": GOOD["webhook-signature"].replace("v1,", "v2,")},
        BODY,
        0,
        False,
    ),
    "without a signature": ({key: GOOD[key] for key in ("webhook-id", "webhook-timestamp")}, BODY, 0, False),
    "without any header": ({}, BODY, 0, False),
    "with no time": (GOOD | {"webhook-timestamp": "now"}, BODY, 0, False),
    "with a signature that is no Base64": (GOOD | {"webhook-signature": "v1,é v1, ,"}, BODY, 0, False),
}
CALLS = {
    "python": """
import json, sys
cases = json.load(open(sys.argv[1]))
print(json.dumps([is_from_replicate(h, base64.b64decode(b), s, n) for h, b, s, n in cases]))
""",
    "js": """
import { readFileSync } from "node:fs";
const cases = JSON.parse(readFileSync(process.argv[2]));
const check = ([h, b, s, n]) => isFromReplicate(h, Buffer.from(b, "base64"), s, n);
console.log(JSON.stringify(cases.map(check)));
""",
    "php": """
$cases = json_decode(file_get_contents($argv[1]), true);
$check = fn ($c) => is_from_replicate($c[0], base64_decode($c[1]), $c[2], $c[3]);
echo json_encode(array_map($check, $cases));
""",
}


@pytest.mark.parametrize("language", PROGRAMS)
def test_check_of_a_webhook_takes_the_genuine_ones_alone(tmp_path, language):
    cases = [
        (headers, base64.b64encode(body).decode(), SECRET, NOW + age)
        for headers, body, age, _ in WEBHOOKS.values()
    ]
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    said = run(language, tmp_path, code(PAGE, language)[1] + CALLS[language], "cases.json")
    assert dict(zip(WEBHOOKS, json.loads(said), strict=True)) == {
        name: is_genuine for name, (*_, is_genuine) in WEBHOOKS.items()
    }


@given(st.binary(), st.binary(), st.text("0123456789", max_size=12), st.text(max_size=40))
def test_no_webhook_of_a_stranger_is_taken_whatever_it_holds(body, key, sent, signature):
    names = {}
    exec(code(PAGE, "python")[1], names)  # the page's own program
    secret = "whsec_" + base64.b64encode(key).decode()
    headers = signed(body, sent=str(NOW), secret=secret)
    assert names["is_from_replicate"](headers, body, secret, NOW)
    strange = headers | {"webhook-timestamp": sent, "webhook-signature": signature}
    assert not names["is_from_replicate"](strange, body, secret, NOW)
