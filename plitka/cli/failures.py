"""Errors of Plitka and of files, each as one message on standard error and an exit status."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from rich.console import Console
from typer.core import TyperGroup

from plitka.cli.report import print_lines
from plitka.errors import MetadataError, OperatorFileError, PlitkaError, RequestError

FAILURE, BAD_REQUEST = 1, 2

messages = Console(stderr=True)


@contextmanager
def exit_status() -> Iterator[None]:
    """Turn every PlitkaError and OSError into one message and an exit status.

    The status is BAD_REQUEST if what was given cannot be drawn: a request, or a picture to draw again.
    """
    try:
        yield
    except RequestError as error:
        fail(*str(error).split("\n"), status=BAD_REQUEST)
    except MetadataError as error:
        fail(str(error), status=BAD_REQUEST)
    except OperatorFileError as error:
        fail(*str(error).split("\n"), status=FAILURE)
    except PlitkaError as error:
        fail(str(error), status=FAILURE)
    except OSError as error:
        fail(file_sentence(error), status=FAILURE)


class PlainErrors(TyperGroup):
    """Commands whose errors about option values are plain lines, without a box that breaks paths."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            command = (error.ctx or ctx).command_path
            fail(error.format_message(), f"Options: {command} --help", status=BAD_REQUEST)


def file_sentence(error: OSError) -> str:
    """The file and what is wrong with it, without Python's number for that."""
    return f"{error.filename}: {error.strerror}" if error.filename is not None else str(error)


def fail(*lines: str, status: int) -> NoReturn:
    """Print what is wrong and exit."""
    print_lines(messages, *lines, style="red")
    raise typer.Exit(status)
