"""The OpenAPI schema of the predictor, and of the trainer beside it, made from their signatures.

`cog build` makes the same schema by parsing `predict.py` and `train.py`, but needs Docker. The layout is
that of Cog's own generator (github.com/replicate/cog, `pkg/schema/openapi_spec.go`) for the types that these
files use.
"""

import ast
import inspect
import textwrap
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cog
from cog.input import FieldInfo

from plitka.errors import SchemaError

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


@dataclass(frozen=True)
class Call:
    """What Cog calls a prediction or a training in a schema."""

    verb: str
    noun: str
    prefix: str

    @property
    def path(self) -> str:
        """Where it is asked for."""
        return f"/{self.noun}s"


PREDICTION, TRAINING = Call("predict", "prediction", ""), Call("train", "training", "Training")


def openapi_schema(run: Callable[..., Any], train: Callable[..., Any] | None = None) -> dict[str, Any]:
    """The OpenAPI 3.0.2 document for a predictor with this `run` method, and for a `train` function.

    Raises:
        SchemaError: An input or the output has a type that is not in `JSON_TYPES`.
    """
    paths, schemas = _paths(PREDICTION, streaming=_is_streaming(run)), _schemas(run, PREDICTION)
    if train is not None:
        paths |= _paths(TRAINING, streaming=False)
        schemas = _schemas(train, TRAINING) | schemas
    return {
        "openapi": "3.0.2",
        "info": {"title": "Cog", "version": cog.__version__},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _schemas(called: Callable[..., Any], call: Call) -> dict[str, Any]:
    """What is sent and answered: inputs, output, and around them Cog's own."""
    key = f"{call.prefix}Input"
    inputs: dict[str, Any] = {"title": key, "type": "object", "properties": {}}
    schemas: dict[str, Any] = {key: inputs, f"{call.prefix}Output": _output_schema(called)}
    for order, (name, parameter) in enumerate(_inputs(called)):
        inputs["properties"][name] = _input_schema(called, name, parameter.default, order)
        if parameter.default.choices:
            schemas[name] = {
                "title": name,
                "description": "An enumeration.",
                "enum": list(parameter.default.choices),
                **_json_type(called, name),
            }
        if parameter.default.default is None and not _is_optional(called, name):
            inputs.setdefault("required", []).append(name)
    return schemas | _protocol_schemas(call)


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


def _output_schema(called: Callable[..., Any]) -> dict[str, Any]:
    """A predictor's files one after the other, a trainer's each under its name."""
    output = typing.get_type_hints(called)["return"]
    if inspect.isclass(output) and issubclass(output, cog.BaseModel):
        fields = typing.get_type_hints(output)
        if fields and all(each in JSON_TYPES for each in fields.values()):
            properties = {name: {**JSON_TYPES[each], "title": _title(name)} for name, each in fields.items()}
            return _object("Output", properties) | {"required": list(fields)}
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


def _protocol_schemas(call: Call) -> dict[str, Any]:
    """Requests, responses and errors: the same for everything that Cog calls."""
    times = {
        name: _text(_title(name), format="date-time") for name in ("created_at", "started_at", "completed_at")
    }
    response = {
        "input": _ref(f"{call.prefix}Input"),
        "output": _ref(f"{call.prefix}Output"),
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
    request = {"id": _text("Id"), "input": response["input"]}
    sent, answered = _protocol_names(call)
    return {
        sent: _object(sent, request),
        answered: _object(answered, response),
        "Status": {
            **_text("Status", description="An enumeration."),
            "enum": ["starting", "processing", "succeeded", "canceled", "failed"],
        },
        "HTTPValidationError": _object("HTTPValidationError", {"detail": detail}),
        "ValidationError": {**_object("ValidationError", error), "required": ["loc", "msg", "type"]},
    }


def _protocol_names(call: Call) -> tuple[str, str]:
    name = call.noun.capitalize()
    return f"{name}Request", f"{name}Response"


def _object(title: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "type": "object", "properties": properties}


def _is_streaming(run: Callable[..., Any]) -> bool:
    """Whether `run` is decorated with `streaming`, which only its source shows."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(run))).body
    decorators = getattr(definition, "decorator_list", [])
    return "streaming" in {ast.unparse(decorator).partition("(")[0] for decorator in decorators}


def _paths(call: Call, *, streaming: bool) -> dict[str, Any]:
    def operation(summary: str, operation_id: str, answer: dict[str, Any], **more: Any) -> dict[str, Any]:
        responses = {
            "200": {"description": "Successful Response", "content": _json_body(answer)},
            "422": {"description": "Validation Error", "content": _json_body(_ref("HTTPValidationError"))},
        }
        return {"post": {"summary": summary, "operationId": operation_id, **more, "responses": responses}}

    sent, answered = _protocol_names(call)
    begin = operation(
        _title(call.verb),
        f"{call.verb}_{call.noun}s_post",
        _ref(answered),
        description=f"Run a single {call.noun} on the model",
        requestBody={"content": _json_body(_ref(sent))},
    )
    if streaming:
        begin["post"]["x-cog-streaming"] = True
    name = f"{call.noun}_id"
    in_path = {"required": True, "schema": _text(_title(name)), "name": name, "in": "path"}
    cancel = operation("Cancel", f"cancel_{call.noun}s__{name}__cancel_post", {}, parameters=[in_path])
    return {call.path: begin, f"{call.path}/{{{name}}}/cancel": cancel}


def _json_body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
