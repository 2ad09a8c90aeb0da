"""The outputs of the example notebook, made the way Jupyter makes them, without Jupyter."""

import ast
import base64
import io
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

Notebook = dict[str, Any]


def executed(notebook: Notebook) -> Notebook:
    """The notebook with fresh outputs: its code cells run in order, in one namespace.

    An output is what a cell prints, then the value of its last expression: a PNG where the value has one,
    else its text. Whatever a cell raises is passed on.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    cells, count = [], 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            count += 1
            cell = {
                **cell,
                "execution_count": count,
                "outputs": _run("".join(cell["source"]), namespace, count),
            }
        cells.append(cell)
    return {**notebook, "cells": cells}


def to_text(notebook: Notebook) -> str:
    """The notebook as the text of its file."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def refreshed(path: Path) -> str:
    """The text of a notebook's file with fresh outputs."""
    return to_text(executed(json.loads(path.read_text(encoding="utf-8"))))


def _run(source: str, namespace: dict[str, Any], count: int) -> list[dict[str, Any]]:
    tree = ast.parse(source)
    last = [tree.body.pop()] if isinstance(tree.body[-1], ast.Expr) else []
    printed, values = io.StringIO(), list[Any]()
    # Python shows the value of an interactive statement through this hook, as Jupyter does.
    with redirect_stdout(printed), mock.patch.object(sys, "displayhook", values.append):
        exec(compile(tree, "notebook", "exec"), namespace)
        exec(compile(ast.Interactive(last), "notebook", "single"), namespace)
    outputs: list[dict[str, Any]] = []
    if text := printed.getvalue():
        outputs.append({"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)})
    for value in values:
        if value is not None:
            result = {"data": _shown(value), "execution_count": count, "metadata": {}}
            outputs.append({**result, "output_type": "execute_result"})
    return outputs


def _shown(value: Any) -> dict[str, Any]:
    if hasattr(value, "_repr_png_"):
        # A picture's own text holds its address in memory.
        return {"image/png": base64.b64encode(value._repr_png_()).decode() + "\n"}
    return {"text/plain": repr(value).splitlines(keepends=True)}
