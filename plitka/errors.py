"""Every error that Plitka raises on purpose; the text of each is a sentence for the user.

```text
PlitkaError                 catch this to catch all of them
├── RequestError            the request cannot be served as it stands; lists every problem
│   └── PlanError           the plan of an experiment cannot be drawn; lists every problem
├── EngineError             there is no such engine, or a part of the installation is missing
├── DeviceError             a device setting is not allowed
├── ModelFileError          a weight file is missing, broken or not what it should be
├── DrawingError            a picture could not be drawn
│   ├── GpuMemoryError      the GPU's memory does not suffice
│   └── NonFiniteImageError the model's numbers overflowed
├── MetadataError           a picture file does not contain the request that made it
├── OperatorFileError       a file of the operator's cannot be used; lists every problem
│   ├── PaletteError        the palette file
│   └── AdapterListError    the list of adapters, or an adapter in it
├── PhotographError         a photograph cannot be matched: what it is, or what it shows
├── FolderError             a folder for temporary files cannot be used (an OSError too)
├── OutputError             standard output cannot be written to (an OSError too)
├── ServeError              the server cannot be started
├── CatalogueError          a catalogue cannot be made: its table, its rule, its runner
└── SchemaError             the schema's file does not fit the predictor
    inside the package, turned into one of the above before they reach a caller:
    UnknownColorError, HeaderError, ContainerError
```

Each is also of the built-in class that fits (`ValueError`, `RuntimeError`, `OSError`). What else can leave
Plitka are the system's own errors (`OSError` of a full disk) and a plain `ValueError` for a bad argument of a
function (a size that a plan does not have). `plitka.server.answers.RefusedError` becomes an HTTP answer, and
`plitka.cli.process.StoppedError` ends the process at a signal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SHOWN_CHARACTERS = 60
# How many problems the text of an error lists.
LISTED_PROBLEMS = 20


class PlitkaError(Exception):
    """The base of every error in this module."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a request.

    Attributes:
        field: Where it is, as the user wrote it: ``colors[1].proportion``.
        value: What stands there, shortened and safe to print; empty where nothing stands.
        reason: What is wrong with it, as the end of a sentence that starts with the value.
        allowed: What may stand there.
    """

    field: str
    value: str
    reason: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.said()} Allowed: {self.allowed}."

    def said(self) -> str:
        """The problem as a sentence, without what is allowed."""
        sentence = " ".join(part for part in (self.value, self.reason) if part)
        stop = "" if sentence.endswith(("?", ".")) else "."
        return f"{self.field}: {sentence}{stop}"


class RequestError(PlitkaError, ValueError):
    """A request that cannot be served as it stands. Nothing has been generated.

    Attributes:
        problems: Every problem found, in the order of the fields.
    """

    _what = "request"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return str(self.problems[0])
        shown = self.problems[:LISTED_PROBLEMS]
        listed = [
            # What is allowed is said once, after the last of several that are about the same.
            f"- {problem.said() if later and _is_alike(problem, later) else problem}"
            for problem, later in zip(shown, (*shown[1:], None), strict=True)
        ]
        if len(self.problems) > LISTED_PROBLEMS:
            listed.append(f"- and {len(self.problems) - LISTED_PROBLEMS} more.")
        return "\n".join([f"The {self._what} has {len(self.problems)} problems:", *listed])


def _is_alike(problem: Problem, other: Problem) -> bool:
    return (problem.field, problem.allowed) == (other.field, other.allowed)


class PlanError(RequestError):
    """The plan of an experiment that cannot be drawn as it stands; its problems name places in the YAML."""

    _what = "plan"


class EngineError(PlitkaError, RuntimeError):
    """The engine asked for is unknown or cannot be loaded here."""


class DeviceError(PlitkaError, ValueError):
    """A device setting is not allowed."""


class ModelFileError(PlitkaError, RuntimeError):
    """A weight file is missing, broken or not what it should be; says which, what is wrong, what to do.

    Attributes:
        path: The file, or the model's name.
        problem: What is wrong with it, without a stop.
        hint: A sentence about this problem that goes before the remedy; may be empty.
        remedy: What to do, a sentence: from what raises, or from the nearest `remedied` around it.
    """

    def __init__(self, path: Path | str, problem: str, remedy: str = "", *, hint: str = "") -> None:
        super().__init__(path, problem, remedy)
        self.path = str(path)
        self.problem = printable(problem)
        self.hint = hint
        self.remedy = remedy

    def __str__(self) -> str:
        said = [f"{self.path}: {self.problem}.", *filter(None, (self.hint, self.remedy))]
        # Names in a file may contain control characters, and this goes to terminals and logs.
        return printable(" ".join(said))


@contextmanager
def remedied(remedy: str) -> Iterator[None]:
    """Say what to do about a ModelFileError of this block, or of this function, that does not say it yet."""
    try:
        yield
    except ModelFileError as error:
        error.remedy = error.remedy or remedy
        raise


class DrawingError(PlitkaError, RuntimeError):
    """A picture could not be drawn, for the reason that its message gives."""


class GpuMemoryError(DrawingError):
    """The GPU's memory does not suffice, even with everything offloaded that can be."""


class NonFiniteImageError(DrawingError):
    """The model's numbers overflowed; the picture would be black or noise."""


class MetadataError(PlitkaError, ValueError):
    """The file is not a picture, or not one that Plitka made; names it and what is wrong with it."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)

    def __str__(self) -> str:
        path, problem = self.args
        return f"{printable(str(path))}: {problem}"


class PhotographError(PlitkaError, ValueError):
    """A photograph that cannot be matched: not a picture that can be read, or not one of granules.

    Attributes:
        problem: What is wrong and what would be right, a sentence without the file's name.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class OperatorFileError(PlitkaError, RuntimeError):
    """A file of the operator's that cannot be used: it cannot be read, or it is not what it should be.

    Attributes:
        path: The file.
        problems: Every problem found, sentences without a stop.
    """

    kind = "file"

    def __init__(self, path: Path | str, problems: Iterable[str]) -> None:
        self.path, self.problems = str(path), tuple(map(printable, problems))
        super().__init__(self.path, self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return f"{self.kind} {printable(self.path)}: {self.problems[0]}."
        listed = [f"- {problem}." for problem in self.problems[:LISTED_PROBLEMS]]
        if len(self.problems) > LISTED_PROBLEMS:
            listed.append(f"- and {len(self.problems) - LISTED_PROBLEMS} more.")
        return "\n".join([f"{self.kind} {printable(self.path)} has {len(self.problems)} problems:", *listed])


class PaletteError(OperatorFileError):
    """A palette file that cannot be used: it cannot be read, or it is no palette."""

    kind = "palette"


class AdapterListError(OperatorFileError):
    """A list of adapters that cannot be used, or adapters in it that are missing, broken or do not fit."""

    kind = "adapters"


class FolderError(PlitkaError, OSError):
    """A folder that Plitka or Cog's server needs cannot be used; names it, why, and what to do."""


class OutputError(PlitkaError, OSError):
    """Standard output cannot be written to: it is closed, its reader is gone, its disk is full."""


class ServeError(PlitkaError, RuntimeError):
    """The server cannot be started from this installation, or not where it was asked to listen."""


class CatalogueError(PlitkaError, RuntimeError):
    """A catalogue cannot be made, or not as it was asked for: the table, the rule, the runner, a library."""


class SchemaError(PlitkaError, RuntimeError):
    """The schema's file does not fit the predictor and cannot be written, or the predictor has none."""


class UnknownColorError(PlitkaError, ValueError):
    """A name that no palette colour has.

    Attributes:
        name: The name as it was given.
        suggestions: Accepted names of up to three different colours that are alike in spelling or look,
            best first.
    """

    def __init__(self, name: str, suggestions: tuple[str, ...]) -> None:
        self.name = name
        self.suggestions = suggestions
        super().__init__(name, suggestions)

    def __str__(self) -> str:
        return f"{self.name!r} is not a known colour"


class HeaderError(PlitkaError, ValueError):
    """The bytes are not a header of this format; the message is a few words about why."""


class ContainerError(PlitkaError, ValueError):
    """The file is not a PNG, JPEG or WebP, or damaged; the message is the end of a sentence about it."""


def shown(value: object) -> str:
    """Write a value of any size as short JSON-like text that is safe to print.

    Control characters, direction marks and lone surrogates appear as escapes.
    """
    if isinstance(value, int) and value.bit_length() > 512:
        return f"a whole number of {value.bit_length()} bits"
    if isinstance(value, str) and len(value) > _SHOWN_CHARACTERS:
        text = f'{json.dumps(value[:_SHOWN_CHARACTERS], ensure_ascii=False)[:-1]}…"'
    else:
        text = _json(value)
    return printable(text)


def printable(text: str) -> str:
    """Text of any origin as one line for a terminal or log: escapes for everything that is not printable."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _json(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, RecursionError):
        return f"a value of type {type(value).__name__}"
    if isinstance(value, dict | list) and len(text) > _SHOWN_CHARACTERS:
        return f"{text[:_SHOWN_CHARACTERS]}…"
    return text
