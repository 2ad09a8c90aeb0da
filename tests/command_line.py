"""The command line as a test uses it: one request, the files it gives, and what they say of themselves."""

import json
import subprocess
import sys

from small import SMALL

from plitka.output.provenance_reader import read_provenance

REQUEST = SMALL | {
    "colors": [{"name": "black", "proportion": 60}, {"name": "white", "proportion": 40}],
    "angle": 45,
    "seed": 11,
}
PARAMS = json.dumps(REQUEST)
COMMAND = [sys.executable, "-m", "plitka"]
DRAWING = ("generate", "-p", json.dumps(REQUEST | {"angle": 0, "seed": 1}))
FILES = ["colormap.png", "final.png", "preview.png"]


def written(folder):
    return sorted(path.name for path in folder.iterdir())


def request_in(path):
    return json.loads(read_provenance(path).request)


def run_process(*arguments, code=None, line=None, **options):
    """`plitka` in a process of its own, or in its place `code` or a whole command line."""
    command = line or [sys.executable, *(["-c", code] if code else ["-m", "plitka"]), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)
