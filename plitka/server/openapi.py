"""The OpenAPI schema of the predictor, made from its signature.

`cog build` makes the same schema by parsing `predict.py`, but needs Docker; the server reads it from
`.cog/openapi_schema.json` and without it takes inputs of any type. The layout is that of Cog's own generator
(github.com/replicate/cog, `pkg/schema/openapi_spec.go`) for the types that `predict.py` uses.
"""

import ast
import importlib.util
import inspect
import json
import textwrap
import typing
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import cog
from cog.input import FieldInfo

from plitka.errors import SchemaError
from plitka.files.whole_files import write_whole

SCHEMA_FILE = Path(".cog/openapi_schema.json")
PREDICTOR_FILE, PREDICTOR_CLASS = "predict.py", "OptimizedPredictor"

JSON_TYPES: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    cog.Path: {"type": "string", "format": "uri"},
}
# JSON Schema's name of each constraint that `cog.Input` takes.
CONSTRAINTS = {
    "description": "description",
    "ge": "minimum",
    "le": "maximum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "regex": "pattern",
    "accept": "x-cog-accept",
}


def schema_text(root: Path) -> str:
    """The text of the schema file for the predictor in `root`."""
    run = getattr(_load_predictor(root), PREDICTOR_CLASS).run
    return json.dumps(openapi_schema(run), indent=2, ensure_ascii=False) + "\n"


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


def _load_predictor(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("predict", root / PREDICTOR_FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def openapi_schema(run: Callable[..., Any]) -> dict[str, Any]:
    """The OpenAPI 3.0.2 document for a predictor with this `run` method.

    Raises:
        SchemaError: An input or the output has a type that is not in `JSON_TYPES`.
    """
    schemas: dict[str, Any] = {"Input": {"title": "Input", "type": "object", "properties": {}}}
    schemas["Output"] = _output_schema(run)
    for order, (name, parameter) in enumerate(_inputs(run)):
        schemas["Input"]["properties"][name] = _input_schema(run, name, parameter.default, order)
        if parameter.default.choices:
            schemas[name] = {
                "title": name,
                "description": "An enumeration.",
                "enum": list(parameter.default.choices),
                **_json_type(run, name),
            }
        if parameter.default.default is None and not _is_optional(run, name):
            schemas["Input"].setdefault("required", []).append(name)
    return {
        "openapi": "3.0.2",
        "info": {"title": "Cog", "version": cog.__version__},
        "paths": _paths(streaming=_is_streaming(run)),
        "components": {"schemas": schemas | _protocol_schemas()},
    }


def _inputs(run: Callable[..., Any]) -> Iterator[tuple[str, inspect.Parameter]]:
    for name, parameter in inspect.signature(run).parameters.items():
        if name != "self":
            yield name, parameter


def _json_type(run: Callable[..., Any], name: str) -> dict[str, Any]:
    annotation = typing.get_type_hints(run)[name]
    if _is_optional(run, name):
        (annotation,) = set(typing.get_args(annotation)) - {type(None)}
    if annotation not in JSON_TYPES:
        raise SchemaError(f"{name}: the schema knows no type {annotation}")
    return JSON_TYPES[annotation]


def _is_optional(run: Callable[..., Any], name: str) -> bool:
    """Whether an input is of one type or None."""
    parts = typing.get_args(typing.get_type_hints(run)[name])
    return len(parts) == 2 and type(None) in parts


def _input_schema(run: Callable[..., Any], name: str, info: FieldInfo, order: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"x-order": order}
    if info.choices:
        schema["allOf"] = [_ref(name)]
    else:
        schema |= {"title": _title(name), **_json_type(run, name)}
    if info.default is not None:
        schema["default"] = info.default
    elif _is_optional(run, name):
        schema |= {"default": None, "nullable": True}
    given = {key: getattr(info, attribute) for attribute, key in CONSTRAINTS.items()}
    return schema | {key: value for key, value in given.items() if value is not None}


def _output_schema(run: Callable[..., Any]) -> dict[str, Any]:
    output = typing.get_type_hints(run)["return"]
    items = [JSON_TYPES[item] for item in typing.get_args(output) if item in JSON_TYPES]
    if typing.get_origin(output) is not Iterator or len(items) != 1:
        raise SchemaError(f"the schema knows no output type {output}")
    return {"title": "Output", "type": "array", "items": items[0], "x-cog-array-type": "iterator"}


def _title(name: str) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in name.split("_"))


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _text(title: str, **more: str) -> dict[str, str]:
    return {"title": title, "type": "string", **more}


def _protocol_schemas() -> dict[str, Any]:
    """Requests, responses and errors: the same for every Cog predictor."""
    times = {
        name: _text(_title(name), format="date-time") for name in ("created_at", "started_at", "completed_at")
    }
    response = {
        "input": _ref("Input"),
        "output": _ref("Output"),
        "id": _text("Id"),
        "version": _text("Version"),
        **times,
        "status": _text("Status"),
        "error": _text("Error"),
        "logs": _text("Logs"),
        "metrics": {"title": "Metrics", "type": "object"},
    }
    location = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
    error = {
        "loc": {"title": "Location", "type": "array", "items": location},
        "msg": _text("Message"),
        "type": _text("Error Type"),
    }
    detail = {"title": "Detail", "type": "array", "items": _ref("ValidationError")}
    return {
        "PredictionRequest": _object("PredictionRequest", {"id": _text("Id"), "input": _ref("Input")}),
        "PredictionResponse": _object("PredictionResponse", response),
        "Status": {
            **_text("Status", description="An enumeration."),
            "enum": ["starting", "processing", "succeeded", "canceled", "failed"],
        },
        "HTTPValidationError": _object("HTTPValidationError", {"detail": detail}),
        "ValidationError": {**_object("ValidationError", error), "required": ["loc", "msg", "type"]},
    }


def _object(title: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "type": "object", "properties": properties}


def _is_streaming(run: Callable[..., Any]) -> bool:
    """Whether `run` is decorated with `streaming`, which only its source shows."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(run))).body
    decorators = getattr(definition, "decorator_list", [])
    return "streaming" in {ast.unparse(decorator).partition("(")[0] for decorator in decorators}


def _paths(*, streaming: bool) -> dict[str, Any]:
    def operation(summary: str, operation_id: str, answer: dict[str, Any], **more: Any) -> dict[str, Any]:
        responses = {
            "200": {"description": "Successful Response", "content": _json_body(answer)},
            "422": {"description": "Validation Error", "content": _json_body(_ref("HTTPValidationError"))},
        }
        return {"post": {"summary": summary, "operationId": operation_id, **more, "responses": responses}}

    predict = operation(
        "Predict",
        "predict_predictions_post",
        _ref("PredictionResponse"),
        description="Run a single prediction on the model",
        requestBody={"content": _json_body(_ref("PredictionRequest"))},
    )
    if streaming:
        predict["post"]["x-cog-streaming"] = True
    prediction_id = {
        "required": True,
        "schema": _text("Prediction Id"),
        "name": "prediction_id",
        "in": "path",
    }
    cancel = operation(
        "Cancel", "cancel_predictions__prediction_id__cancel_post", {}, parameters=[prediction_id]
    )
    return {"/predictions": predict, "/predictions/{prediction_id}/cancel": cancel}


def _json_body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
