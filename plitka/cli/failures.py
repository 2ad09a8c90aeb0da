"""Errors that people can mend, each as one message on standard error and an exit status."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from rich.console import Console

from plitka.cli.report import say

FAILURE, BAD_REQUEST = 1, 2

messages = Console(stderr=True)


@contextmanager
def exit_status() -> Iterator[None]:
    """Turn the errors that people can mend into one message and the exit status for them."""
    from plitka.errors import (
        DeviceError,
        DrawingError,
        EngineError,
        MetadataError,
        ModelFileError,
        RequestError,
        SchemaError,
        ServeError,
    )

    try:
        yield
    except RequestError as error:
        fail(*str(error).split("\n"), status=BAD_REQUEST)
    except MetadataError as error:
        fail(str(error), status=BAD_REQUEST)
    except (EngineError, ServeError, SchemaError, ModelFileError, DeviceError, DrawingError) as error:
        fail(str(error), status=FAILURE)
    except OSError as error:
        fail(file_sentence(error), status=FAILURE)


def file_sentence(error: OSError) -> str:
    """The file and what is wrong with it, without Python's number for that."""
    return f"{error.filename}: {error.strerror}" if error.filename is not None else str(error)


def fail(*lines: str, status: int) -> NoReturn:
    """Say what is wrong and leave."""
    say(messages, *lines, style="red")
    raise typer.Exit(status)
