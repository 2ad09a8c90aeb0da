"""Where `COG_WEIGHTS` points: a path here, or an address to be fetched, whose secrets are never shown.

A presigned address carries the right to read the file in its query. The libraries put whole addresses into
their errors, and an error of setup stands in the log and on `/health-check`.
"""

import re
import shutil
from http.client import responses
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

import requests
import urllib3

from plitka.errors import ModelFileError, remedied

REMEDY = (
    "COG_WEIGHTS may be a folder, a .tar or a .zip, or its file://, http:// or https:// address, "
    "without quotes or blanks around it."
)
ANSWER_SECONDS = 10
SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
# An address that is its own content.
DATA = "data:"
# A user's name and password in an address.
USER = re.compile(r"[^/]*:[^/]*@")
# In place of an address that cannot even be taken apart.
UNREADABLE = "the address in COG_WEIGHTS"


@remedied(REMEDY)
def is_address(weights: str) -> bool:
    """True for what has to be fetched. Raises ModelFileError for an address of an unknown kind."""
    if weights.lower().startswith(DATA):
        return True
    scheme = SCHEME.match(weights)
    if scheme is None or scheme[1].lower() == "file":
        return False
    if scheme[1].lower() not in ("http", "https"):
        problem = f"an address that starts with {scheme[1][:20]}:// cannot be fetched"
        raise ModelFileError(without_secrets(weights), problem)
    return True


@remedied(REMEDY)
def local_path(weights: str) -> Path | None:
    """The path of a folder or an archive, given as such or as `file://`; None for an empty text.

    Raises ModelFileError for what is not there.
    """
    if not weights.strip():
        return None
    path = Path(weights)
    if SCHEME.match(weights):
        parts = urlsplit(weights)
        if parts.netloc not in ("", "localhost"):
            problem = f"a file on another machine, '{parts.netloc[:60]}', cannot be read"
            raise ModelFileError(without_secrets(weights), problem)
        path = Path(unquote(parts.path))
    try:
        problem = "" if path.exists() else "there is no such folder or file"
    except OSError as error:
        problem = f"it cannot be looked up: {error.strerror}"
    if problem:
        # An address in quotes, or with a letter missing, is taken for a path.
        raise ModelFileError(USER.sub("", str(path).partition("?")[0])[:200], problem)
    return path


def without_secrets(address: str) -> str:
    """An address as it may be shown: without user, password, query and fragment."""
    if address.lower().startswith(DATA):
        return UNREADABLE
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return UNREADABLE
    return f"{parts.scheme}://{host}{port}{parts.path}"[:200]


@remedied(REMEDY)
def download(address: str, target: IO[bytes]) -> None:
    """Write what lies at an address to an open file. Raises ModelFileError without the address's secrets.

    Errors of `target`, such as a full disk, go through.
    """
    try:
        if address.lower().startswith(DATA):
            # The standard library fetches nothing for this scheme.
            with urlopen(address) as content:
                shutil.copyfileobj(content, target)
                return
        with requests.get(address, stream=True, timeout=ANSWER_SECONDS) as answer:
            if answer.status_code != requests.codes.ok:
                problem = f"the server answers {answer.status_code} {responses.get(answer.status_code, '')}"
            else:
                answer.raw.decode_content = True
                shutil.copyfileobj(answer.raw, target)
                return
    except (requests.RequestException, urllib3.exceptions.HTTPError, UnicodeError, ValueError) as error:
        problem = _problem_of(error)
    # Out here, where the library's error with the whole address in it is no longer the context.
    raise ModelFileError(without_secrets(address), problem.rstrip(), hint="A presigned address expires.")


def _problem_of(error: Exception) -> str:
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return f"no answer came within {ANSWER_SECONDS} s"
    if isinstance(error, requests.exceptions.SSLError | urllib3.exceptions.SSLError):
        return "the server's certificate is not accepted"
    if isinstance(error, requests.TooManyRedirects):
        return "it leads round in a circle"
    if isinstance(error, urllib3.exceptions.HTTPError):
        return "the download broke off"
    if isinstance(error, requests.ConnectionError):
        return "the server cannot be reached, or its name is not known"
    return "it is no address that can be fetched"
