"""Errors that leave a prediction, without the paths of this machine: callers see their texts.

Folders that the operator names stand as the variable that names them; of any other path its last name is
left. The whole text goes to the process's own standard error, which Cog's server writes to its log alone.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from plitka.errors import EngineError, ModelFileError, PhotographError, RequestError, printable
from plitka.files.temporary_folders import temporary_folder
from plitka.settings import (
    ADAPTERS_VARIABLE,
    BASE_MODEL_VARIABLE,
    FEW_STEP_LORA_VARIABLE,
    MODEL_DIR_VARIABLE,
    PALETTE_VARIABLE,
    PRIOR_MODEL_VARIABLE,
    TEMPORARY_VARIABLE,
    adapters_path,
    base_model,
    few_step_lora_path,
    model_dir,
    palette_path,
    prior_model,
)

# What a caller has sent, in words of its own: a value there may look like a path.
OF_THE_CALLER = (RequestError, PhotographError)
# An absolute path in quotes, where it may have blanks and anything else but them.
_QUOTED = re.compile(
    r"""(?<![\w/])(?P<quote>['"`])(?:file:)?/(?:(?!(?P=quote)).)*?"""
    r"""(?P<name>(?:(?!(?P=quote))[^/])+)/?(?P=quote)"""
)
# One without; what stands around its first slash keeps it from being a part of an address or a fraction.
_PATH = re.compile(
    r"""(?:\bfile:/*|(?<![\w/.<>]))/(?!/)(?:[^\s/'"`,;:()<>|]+/)*(?P<name>[^\s/'"`,;:()<>|]+)/?"""
)
# What the operator names by a variable.
_OF_THE_OPERATOR: Mapping[str, Callable[[], Path | str | None]] = {
    MODEL_DIR_VARIABLE: model_dir,
    BASE_MODEL_VARIABLE: base_model,
    PRIOR_MODEL_VARIABLE: prior_model,
    FEW_STEP_LORA_VARIABLE: few_step_lora_path,
    ADAPTERS_VARIABLE: adapters_path,
    PALETTE_VARIABLE: palette_path,
}
_END = r"""(?=$|[\s/'"`,;:().])"""


@contextmanager
def told_to_callers() -> Iterator[None]:
    """Take the paths out of the text of an error that leaves this block; its class stays."""
    try:
        yield
    except OF_THE_CALLER:
        raise
    except Exception as error:
        if without_paths(str(error)) == str(error):
            raise
        with suppress(Exception):
            if sys.__stderr__ is not None:
                whole = printable(f"{type(error).__name__}: {error}")
                print(f"told to the caller without paths: {whole}", file=sys.__stderr__, flush=True)
        raise _without_paths(error) from None


def without_paths(text: str) -> str:
    """A text in which no absolute path of this machine stands."""
    for folder, name in _named_folders():
        text = re.sub(re.escape(folder) + _END, name, text)
    text = _QUOTED.sub(lambda found: found["name"].join(found["quote"] * 2), text)
    return _PATH.sub(lambda found: found["name"], text)


def _named_folders() -> list[tuple[str, str]]:
    """What the operator has named, as it is written and where it leads, the longest first."""
    given = {TEMPORARY_VARIABLE: str(temporary_folder())}
    for variable, named in _OF_THE_OPERATOR.items():
        with suppress(EngineError):
            given[variable] = str(named() or "")
    found: dict[str, str] = {}
    for variable, path in given.items():
        for form in (path, *((str(Path.cwd() / path), str(Path(path).resolve())) if path else ())):
            # A relative path, or a hub's id, says nothing of the machine.
            if Path(form).is_absolute() and len(Path(form).parts) > 1:
                found.setdefault(form.rstrip("/"), variable)
    return sorted(found.items(), key=lambda item: -len(item[0]))


def _without_paths(error: Exception) -> Exception:
    """An error of the same class, where it can be made, with such a text."""
    if isinstance(error, ModelFileError):
        parts = (error.path, error.problem, error.remedy)
        return ModelFileError(*map(without_paths, parts), hint=without_paths(error.hint))
    if isinstance(error, OSError) and error.filename is not None:
        name = without_paths(os.fspath(error.filename))
        return type(error)(error.errno, without_paths(error.strerror or ""), name)
    said = without_paths(str(error))
    with suppress(Exception):
        other = type(error)(said)
        if str(other) == said:
            return other
    return RuntimeError(f"{type(error).__name__}: {said}")
