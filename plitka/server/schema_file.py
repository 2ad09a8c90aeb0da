"""The file with the OpenAPI schema beside the predictor: whether it is current, and how it is written.

Cog's server reads it and without it takes inputs of any type.
"""

import importlib.util
import json
import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

from plitka.errors import SchemaError
from plitka.files.whole_files import write_whole
from plitka.server.openapi import openapi_schema

SCHEMA_FILE = Path(".cog/openapi_schema.json")
PREDICTOR_FILE, PREDICTOR_CLASS = "predict.py", "OptimizedPredictor"
# Not in an installed package.
TRAINER_FILE, TRAINER_FUNCTION = "train.py", "train"


def schema_text(root: Path) -> str:
    """The text of the schema file for the predictor in `root`, and the trainer, if there is one."""
    run = getattr(_load(root, PREDICTOR_FILE), PREDICTOR_CLASS).run
    has_trainer = (root / TRAINER_FILE).is_file()
    train = getattr(_load(root, TRAINER_FILE), TRAINER_FUNCTION) if has_trainer else None
    return json.dumps(openapi_schema(run, train), indent=2, ensure_ascii=False) + "\n"


def is_current(root: Path) -> bool:
    """Whether the schema file in `root` fits the predictor there; its layout does not matter."""
    try:
        found = _meaning((root / SCHEMA_FILE).read_bytes())
    # A file that cannot be read as JSON does not fit.
    except (OSError, ValueError, ArithmeticError, RecursionError):
        return False
    return found == _meaning(schema_text(root).encode())


def install_schema(root: Path) -> bool:
    """Write the schema where a server that runs in `root` looks for it. True if the file had to change.

    Raises:
        SchemaError: It had to, and cannot be written, or the predictor has no schema.
    """
    if is_current(root):
        return False
    path = root / SCHEMA_FILE
    try:
        path.parent.mkdir(exist_ok=True)
        write_whole(path, schema_text(root).encode())
    except OSError as error:
        raise SchemaError(
            f"{path}: the file does not fit {PREDICTOR_FILE} and cannot be written: {error.strerror}. "
            "Run `plitka schema` where it can"
        ) from error
    return True


def _meaning(text: bytes) -> Any:
    """A JSON document without its layout: `1` is `1.0`, and neither is `true`."""
    return json.loads(text, parse_int=_number, parse_float=_number)


def _number(text: str) -> tuple[Decimal]:
    # Wrapped, since Python takes True and 1 for equal.
    return (Decimal(text),)


def _load(root: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name.removesuffix(".py"), root / name)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    # The trainer is made of code beside it, which no installed package has.
    sys.path.append(str(root))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path[:] = before
    return module
