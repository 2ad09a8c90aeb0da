"""Requests as the command line gives them: JSON, a file, standard input, or options."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import typer

from plitka.cli.failures import messages
from plitka.cli.report import print_lines
from plitka.errors import Problem, RequestError
from plitka.request import tile_request as requests
from plitka.request.tile_request import TileRequest

# More than any request may have, so that a longer file is refused as too long without being read to its end.
READ_BYTES = 2**20
NO_MIX = Problem(
    "colors",
    "",
    "no mix is given",
    f'colours and shares, such as --colors "{requests.DEFAULT_COLORS}", or --params',
)
QUESTION = f"Colours and shares (Enter for {requests.DEFAULT_COLORS}): "


def read_request(
    params: str | None,
    colors: str | None,
    angle: str | None,
    quality: str | None,
    seed: str | None,
    maps: str | None = None,
    variants: str | None = None,
    adapter: str | None = None,
) -> TileRequest:
    """The request of the options, None standing for one that was not given.

    Without a mix it is asked for on a terminal. Raises RequestError, also where nobody can be asked.
    """
    if params is None and colors is None:
        return _ask_for_mix(angle, quality, seed, maps, variants, adapter)
    text = read_text(params) if params is not None else ""
    if params is not None and not text.strip():
        # An empty file or pipe is refused as a bad request; it does not ask for the default tile.
        return requests.parse_request(text)
    simple = (
        requests.DEFAULT_COLORS if colors is None else as_typed(colors),
        requests.DEFAULT_ANGLE if angle is None else as_typed(angle),
        requests.DEFAULT_QUALITY if quality is None else as_typed(quality),
        requests.DEFAULT_SEED if seed is None else as_typed(seed),
    )
    names = None if maps is None else [name.strip() for name in as_typed(maps).split(",") if name.strip()]
    others = (None if option is None else as_typed(option) for option in (variants, adapter))
    request = requests.parse_inputs(text, *simple, names, *others)
    if colors is None:
        return request
    # No notice about default colours if they were typed.
    notices = tuple(notice for notice in request.notices if notice != requests.DEFAULT_NOTICE)
    return replace(request, notices=notices)


def _ask_for_mix(*others: str | None) -> TileRequest:
    """The request of colours that somebody types and the other options, in the order of `read_request`."""
    if not _can_ask():
        raise RequestError([NO_MIX, *_problems(requests.ANY_COLOR, *others)])
    # Nobody is asked for colours that cannot be drawn at such an angle.
    if problems := _problems(requests.ANY_COLOR, *others):
        raise RequestError(problems)
    while True:
        try:
            messages.print(QUESTION, end="", markup=False, highlight=False, soft_wrap=True)
            answer = input().strip() or requests.DEFAULT_COLORS
        except EOFError:
            print_lines(messages, "")
            raise RequestError([NO_MIX]) from None
        try:
            return read_request(None, answer, *others)
        except RequestError as error:
            print_lines(messages, *str(error).split("\n"), style="red")


def _problems(colors: str, *others: str | None) -> tuple[Problem, ...]:
    try:
        read_request(None, colors, *others)
    except RequestError as error:
        return error.problems
    return ()


def _can_ask() -> bool:
    """Whether somebody sits at a terminal, reads messages there and can answer."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def read_text(params: str) -> str:
    """The text of `--params`: the argument itself, the file behind @, or standard input for -."""
    if params == "-":
        if sys.stdin is None:
            raise typer.BadParameter("--params: standard input is closed")
        return _decoded(sys.stdin.buffer.read(READ_BYTES), "standard input", sys.stdin.encoding)
    if not params.startswith("@"):
        return as_typed(params)
    try:
        with Path(params[1:]).open("rb") as file:
            return _decoded(file.read(READ_BYTES), params[1:])
    except OSError as error:
        raise typer.BadParameter(f"--params: {params[1:]} cannot be read: {error.strerror}") from error


def as_typed(argument: str) -> str:
    """An argument decoded as UTF-8, also where the locale has another encoding and Python kept the bytes."""
    try:
        return os.fsencode(argument).decode("utf-8")
    except UnicodeError:
        return argument


def _decoded(data: bytes, source: str, otherwise: str = "utf-8") -> str:
    """The text of a file or a pipe: UTF-8, with or without a byte order mark, or else another encoding."""
    for encoding in ("utf-8-sig", otherwise):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError as error:
            # What was cut off at the limit is too long in any case.
            if len(data) == READ_BYTES and error.start > READ_BYTES - 4:
                return data.decode(encoding, "ignore")
            bad = error
    raise typer.BadParameter(f"--params: {source} is not in UTF-8: {bad.reason} at byte {bad.start}") from bad
