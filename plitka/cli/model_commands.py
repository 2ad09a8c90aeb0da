"""The commands about what is installed: `plitka models` and `plitka schema`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from plitka.choices import EngineName
from plitka.cli.drawing import results
from plitka.cli.failures import FAILURE, exit_status, fail, messages
from plitka.cli.options import AsJson
from plitka.cli.report import models_report, print_files, print_json, print_lines
from plitka.engines import RENDER

if TYPE_CHECKING:
    from plitka.weights.verify import FileStatus

# The operator's list, beside the engines.
ADAPTERS = "adapters"

# States of files with which an engine starts.
SOUND = ("ok", "hub", "without")

ModelEngines = Annotated[
    EngineName | None, typer.Option("--engine", help="Default: every engine that has weights.")
]


def schema(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; fail if the file is stale.")
    ] = False,
) -> None:
    """Write the OpenAPI schema of predict.py to where the server looks for it."""
    from plitka.server.schema_file import SCHEMA_FILE, install_schema, is_current
    from plitka.server.serve import ROOT

    with exit_status():
        if check and not is_current(ROOT):
            fail(f"{ROOT / SCHEMA_FILE} does not fit predict.py; run: plitka schema", status=FAILURE)
        changed = not check and install_schema(ROOT)
        print_lines(results, f"{ROOT / SCHEMA_FILE}: {'written' if changed else 'up to date'}")


def list_models(engine: ModelEngines = None, as_json: AsJson = False) -> None:
    """Show where every weight file of an engine comes from and whether it is there."""
    show_models(engine, hashes=False, as_json=as_json)


def verify_models(engine: ModelEngines = None, as_json: AsJson = False) -> None:
    """Check every weight file by size and sha256; fail if one is missing or broken."""
    if not show_models(engine, hashes=True, as_json=as_json):
        raise typer.Exit(FAILURE)


def show_models(engine: str | None, *, hashes: bool, as_json: bool) -> bool:
    """Print an engine's files, or those of every engine with any. True if none is missing or broken."""
    from plitka.settings import model_dir
    from plitka.weights.adapter_list import verify_adapters
    from plitka.weights.listing import verify
    from plitka.weights.manifest import load_manifest

    with exit_status():
        names = [engine] if engine else list(load_manifest().models)
        found: dict[str, list[FileStatus]] = {}
        for name in names:
            with messages.status(f"checking the files of {name}"):
                found[name] = [] if name == RENDER else list(verify(name, hashes=hashes))
        if adapters := list(verify_adapters(hashes=hashes)):
            found[ADAPTERS] = adapters
        whole = all(file.state in SOUND for files in found.values() for file in files)
        if as_json:
            print_json(results, models_report(model_dir(), found, whole=whole))
        elif engine == RENDER:
            print_lines(results, f"{RENDER} draws without weights")
        else:
            print_lines(results, f"model folder: {model_dir().resolve()}")
            for name, files in found.items():
                print_lines(results, name)
                print_files(results, files)
        return whole
