"""The options that commands share, with what `--help` says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from plitka import choices
from plitka.choices import EngineName, one_of
from plitka.settings import DEFAULT_ENGINE, ENGINE_VARIABLE

FOLDER = "Folder for the files, made where it is missing."

Params = Annotated[
    str | None,
    typer.Option("--params", "-p", help="The whole request as JSON; @FILE reads a file, - standard input."),
]
Colors = Annotated[str | None, typer.Option(help="Colours and shares, such as '60% black, 40% white'.")]
Angle = Annotated[str | None, typer.Option(help="Laying angle of the joints, degrees.")]
Quality = Annotated[str | None, typer.Option(help=f"{one_of(choices.Quality, quote='')}.")]
Seed = Annotated[str | None, typer.Option(help="0 to 2^63 - 1, or -1 for a random one.")]
Maps = Annotated[
    str | None,
    typer.Option(help=f"Maps for 3-D programs, divided by commas: {', '.join(choices.MAP_NAMES)}."),
]
Variants = Annotated[
    str | None,
    typer.Option(help="Final pictures, 1 to 8, each with the seed after that of the one before."),
]
Adapter = Annotated[
    str | None, typer.Option(help="Another LoRA, by its name in the operator's list (PLITKA_ADAPTERS).")
]
ScaleBar = Annotated[
    bool, typer.Option("--scale-bar", help="Draw a scale bar onto preview and final picture.")
]
Out = Annotated[Path, typer.Option("--out", "-o", help=FOLDER)]
Force = Annotated[bool, typer.Option("--force", help="Replace the pictures of an earlier run in its place.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document in place of lines and tables.")]
Engines = Annotated[
    EngineName | None,
    typer.Option("--engine", help=f"Default: {ENGINE_VARIABLE}, else {DEFAULT_ENGINE}."),
]
Weights = Annotated[
    Path | None, typer.Option(help="Folder, .tar or .zip with a LoRA and embeddings.", exists=True)
]
