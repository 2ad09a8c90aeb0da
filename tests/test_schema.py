import ast
import json
import re
from collections.abc import Iterator

import jsonschema
import pytest
from cog._inspector import create_predictor
from cog.input import FieldInfo
from hypothesis import given
from hypothesis import strategies as st

from plitka.errors import SchemaError
from plitka.request import tile_request as requests
from plitka.request.profiles import PROFILES
from plitka.server import schema_file as schema
from plitka.server.openapi import openapi_schema
from plitka.server.serve import ROOT

SOURCE = (ROOT / schema.PREDICTOR_FILE).read_text(encoding="utf-8")
TRAINER = (ROOT / schema.TRAINER_FILE).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def committed():
    return json.loads((ROOT / schema.SCHEMA_FILE).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the predictor and its schema."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / schema.PREDICTOR_FILE).write_text(SOURCE, encoding="utf-8")
    (folder / schema.TRAINER_FILE).write_text(TRAINER, encoding="utf-8")
    schema.install_schema(folder)
    return folder


@pytest.fixture(scope="module")
def inputs(committed):
    return committed["components"]["schemas"]["Input"]["properties"]


def test_committed_schema_fits_the_predictor():
    assert schema.is_current(ROOT), "run: make schema"


def test_schema_is_written_once_and_then_left_alone(tmp_path):
    (tmp_path / schema.PREDICTOR_FILE).write_text(SOURCE, encoding="utf-8")
    (tmp_path / schema.TRAINER_FILE).write_text(TRAINER, encoding="utf-8")
    assert not schema.is_current(tmp_path)
    assert schema.install_schema(tmp_path)
    assert schema.is_current(tmp_path)
    assert not schema.install_schema(tmp_path)
    committed = (ROOT / schema.SCHEMA_FILE).read_bytes()
    assert (tmp_path / schema.SCHEMA_FILE).read_bytes() == committed


@given(
    indent=st.sampled_from([None, 0, 1, 4, "\t"]),
    sort_keys=st.booleans(),
    ensure_ascii=st.booleans(),
    ends=st.sampled_from(["", "\n", "\r\n\r\n", " "]),
    zero=st.sampled_from(["0.0", "0", "0e5", "-0", "0.00"]),
)
def test_another_layout_is_left_alone(installed, indent, sort_keys, ensure_ascii, ends, zero):
    path = installed / schema.SCHEMA_FILE
    document = json.loads((ROOT / schema.SCHEMA_FILE).read_bytes())
    text = json.dumps(document, indent=indent, sort_keys=sort_keys, ensure_ascii=ensure_ascii)
    assert '"default": 0.0' in text
    text = re.sub(r'"default": 0\.0\b', f'"default": {zero}', text)
    path.write_text(ends + text + ends, encoding="utf-8")
    before = path.stat(), path.read_bytes()
    assert not schema.install_schema(installed)
    assert (path.stat().st_mtime_ns, path.read_bytes()) == (before[0].st_mtime_ns, before[1])


def leaves(value, path=()):
    """The place of every value in a document that holds no others."""
    if isinstance(value, dict | list) and value:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))
    else:
        yield path


OTHERS = [None, True, False, 0, 1, 0.5, "", "x", [], {}, [0]]


@given(st.data())
def test_another_value_anywhere_is_seen(installed, data):
    document = json.loads((ROOT / schema.SCHEMA_FILE).read_bytes())
    *above, last = data.draw(st.sampled_from(sorted(leaves(document), key=str)))
    place = document
    for key in above:
        place = place[key]
    before = place[last]
    different = [other for other in OTHERS if (other, type(other) is bool) != (before, type(before) is bool)]
    place[last] = data.draw(st.sampled_from(different))
    path = installed / schema.SCHEMA_FILE
    path.write_text(json.dumps(document), encoding="utf-8")
    assert schema.install_schema(installed)
    assert schema.is_current(installed)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b"NaN", b"[1e99999999999999999999]"])
def test_what_is_no_schema_is_written_anew(installed, content):
    (installed / schema.SCHEMA_FILE).write_bytes(content)
    assert schema.install_schema(installed)
    assert schema.is_current(installed)


def test_changed_predictor_makes_the_schema_stale(tmp_path):
    changed = SOURCE.replace("default=0.0", "default=15.0")
    assert changed != SOURCE
    (tmp_path / schema.PREDICTOR_FILE).write_text(changed, encoding="utf-8")
    assert schema.install_schema(tmp_path)
    assert (tmp_path / schema.SCHEMA_FILE).read_bytes() != (ROOT / schema.SCHEMA_FILE).read_bytes()


def test_defaults_are_those_of_the_request(inputs):
    assert {name: entry["default"] for name, entry in inputs.items()} == {
        "params_json": "",
        "colors": requests.DEFAULT_COLORS,
        "angle": requests.DEFAULT_ANGLE,
        "quality": requests.DEFAULT_QUALITY,
        "seed": requests.DEFAULT_SEED,
        "adapter": "",
        "photo": None,
    }


def test_choices_of_quality_are_the_profiles(committed):
    assert committed["components"]["schemas"]["quality"]["enum"] == [*PROFILES, "fast"]


def test_every_input_is_described_in_one_line_of_the_form(inputs):
    for entry in inputs.values():
        assert 20 < len(entry["description"]) < 120


def test_schema_agrees_with_the_sdk(committed, inputs, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    info = create_predictor("predict", schema.PREDICTOR_CLASS)
    assert list(info.inputs) == list(inputs)
    for name, field in info.inputs.items():
        entry = inputs[name]
        if field.choices:
            entry = committed["components"]["schemas"][name] | entry
        assert entry["type"] == field.type.json_type()["type"]
        assert entry["default"] == field.default
        assert entry["description"] == field.description
        assert entry.get("nullable", False) == (field.type.repetition.name == "OPTIONAL")
    output = committed["components"]["schemas"]["Output"]
    assert output == info.output.json_type() | {"title": "Output"}


def test_input_section_is_valid_json_schema_that_takes_the_defaults(committed, inputs):
    definition = {**committed["components"]["schemas"]["Input"], "components": committed["components"]}
    jsonschema.Draft202012Validator.check_schema(definition)
    defaults = {name: entry["default"] for name, entry in inputs.items()}
    # OpenAPI 3.0 says it of the input itself; JSON Schema, and Cog's server by it, refuses null.
    assert [name for name, default in defaults.items() if default is None] == ["photo"]
    assert inputs["photo"]["nullable"] is True
    jsonschema.validate({**defaults, "photo": "data:image/png;base64,"}, definition)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"quality": "ultra"}, definition)


@pytest.mark.parametrize(("source", "count"), [(SOURCE, 7), (TRAINER, 11)])
def test_arguments_of_inputs_are_literals_because_cog_only_parses_the_file(source, count):
    calls = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Input"
    ]
    assert len(calls) == count
    for call in calls:
        for keyword in call.keywords:
            if not isinstance(keyword.value, ast.Constant):
                ast.literal_eval(keyword.value)
            if keyword.arg == "description":
                assert ast.get_source_segment(source, keyword.value).count("\n") == 0


def with_output(annotation):
    def run(self): ...

    run.__annotations__["return"] = annotation
    return run


def with_input(annotation):
    def run(self, mix): ...

    run.__annotations__ |= {"mix": annotation, "return": Iterator[str]}
    run.__defaults__ = (FieldInfo(default=1),)
    return run


@pytest.mark.parametrize("annotation", [None, str, list[str], Iterator[dict], Iterator])
def test_output_type_that_the_schema_does_not_know_is_refused(annotation):
    with pytest.raises(SchemaError, match="output type"):
        openapi_schema(with_output(annotation))


def test_input_type_that_the_schema_does_not_know_is_refused_by_name():
    with pytest.raises(SchemaError, match="mix"):
        openapi_schema(with_input(dict))


def test_trainings_have_a_section_of_their_own_as_in_what_cog_builds(committed):
    schemas, paths = committed["components"]["schemas"], committed["paths"]
    assert {"/trainings", "/trainings/{training_id}/cancel"} <= set(paths)
    asked = schemas["TrainingRequest"]["properties"]["input"]
    assert asked == {"$ref": "#/components/schemas/TrainingInput"}
    inputs = schemas["TrainingInput"]
    assert inputs["required"] == ["photographs"]
    assert inputs["properties"]["steps"] | {"minimum": 1, "maximum": 20000} == inputs["properties"]["steps"]
    assert set(schemas["TrainingOutput"]["required"]) == {"weights", "sheet", "report"}
    for entry in inputs["properties"].values():
        assert 20 < len(entry["description"]) < 120


def test_a_predictor_without_a_trainer_beside_it_has_a_schema_of_its_own(tmp_path):
    (tmp_path / schema.PREDICTOR_FILE).write_text(SOURCE, encoding="utf-8")
    assert list(json.loads(schema.schema_text(tmp_path))["paths"]) == [
        "/predictions",
        "/predictions/{prediction_id}/cancel",
    ]
