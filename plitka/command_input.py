"""Requests as the command line gives them: JSON, a file, standard input, or options."""

import sys
from pathlib import Path

import typer

from plitka import request as requests
from plitka.request import TileRequest


def read_request(
    params: str | None, colors: str | None, angle: str | None, quality: str | None, seed: str | None
) -> TileRequest:
    """The request of the options, None standing for one that was not given. Raises RequestError."""
    text = read_text(params) if params is not None else ""
    if params is not None and not text.strip():
        # An empty file or pipe is a mistake, not a wish for the default tile: refused as every bad request.
        return requests.parse_request(text)
    simple = (
        requests.DEFAULT_COLORS if colors is None else colors,
        requests.DEFAULT_ANGLE if angle is None else angle,
        requests.DEFAULT_QUALITY if quality is None else quality,
        requests.DEFAULT_SEED if seed is None else seed,
    )
    return requests.parse_inputs(text, *simple)


def read_text(params: str) -> str:
    """The text of `--params`: the argument itself, the file behind @, or standard input for -."""
    if params == "-":
        return sys.stdin.read()
    if not params.startswith("@"):
        return params
    try:
        return Path(params[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"--params: {params[1:]} cannot be read: {error}") from error
