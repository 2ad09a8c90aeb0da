"""`import plitka` as a caller meets it: what it offers, what it loads, what a type checker says of it."""

import inspect
import json
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from request_strategies import documents, objects
from thorough import examples

import plitka
from plitka import errors

NAMES = {
    *("parse_request", "load_engine", "generate", "plan_for"),
    *("TileRequest", "Engine", "Result", "TilePlan", "Fidelity", "ColorFidelity", "Problem"),
    *("PlitkaError", "RequestError", "EngineError", "DeviceError", "ModelFileError", "FolderError"),
    *("DrawingError", "GpuMemoryError", "NonFiniteImageError", "PaletteError", "AdapterListError"),
    "__version__",
}
# Raised by the command line and the server alone, or turned into another one before a caller meets it.
INNER_ERRORS = {
    *("MetadataError", "PhotographError", "OutputError", "ServeError", "SchemaError"),
    *("CatalogueError", "PlanError", "OperatorFileError"),
    *("UnknownColorError", "HeaderError", "ContainerError"),
}
REQUEST = {
    "colors": [{"name": "black", "proportion": 60}, {"name": "white", "proportion": 40}],
    "angle": 45,
    "seed": 7,
}


def python(code):
    """What a new interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package_offers_these_names():
    assert set(plitka.__all__) == NAMES
    assert set(dir(plitka)) >= NAMES
    assert [name for name in plitka.__all__ if getattr(plitka, name) is None] == []
    with pytest.raises(AttributeError, match="has no attribute 'draw_everything'"):
        _ = plitka.draw_everything


def test_every_error_that_a_caller_can_meet_is_offered():
    raised = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, Exception)
    }
    assert raised == (NAMES & raised) | INNER_ERRORS
    assert all(issubclass(getattr(plitka, name), plitka.PlitkaError) for name in raised - INNER_ERRORS)


def test_import_alone_loads_nothing():
    heavy = "'numpy', 'cv2', 'torch', 'pydantic', 'diffusers', 'PIL'"
    assert python(f"import plitka, sys; print([m for m in ({heavy}) if m in sys.modules])") == "[]\n"
    shown = python("import plitka, sys; print('generate' in dir(plitka), 'plitka.errors' in sys.modules)")
    assert shown == "True False\n"


# A module that is called like a name of the package takes its place once it is imported.
@pytest.mark.long
@pytest.mark.parametrize("first", ["import predict", "from plitka import *"])
def test_a_name_means_the_same_whatever_is_imported_first(first):
    code = f"""
{first}
import plitka
before = {{name: getattr(plitka, name) for name in plitka.__all__}}
import predict, plitka.cli.commands, plitka.engine.render
print(before == {{name: getattr(plitka, name) for name in plitka.__all__}})
print([name for name, value in before.items() if type(value) is type(plitka)])
"""
    assert python(code) == "True\n[]\n"


def test_star_import_gives_the_names():
    assert python("from plitka import *; print(callable(generate), Result.__name__)") == "True Result\n"


def test_what_is_offered_is_documented():
    for name in NAMES - {"__version__"}:
        public = getattr(plitka, name)
        assert inspect.getdoc(public), name
        if inspect.isfunction(public):
            sections = ["Args:", "Returns:"]
            assert [part for part in sections if part not in inspect.getdoc(public)] == [], name
            parameters = inspect.signature(public).parameters
            assert [each for each in parameters if f"{each}: " not in inspect.getdoc(public)] == [], name
        elif not issubclass(public, Exception):
            members = {key: value for key, value in vars(public).items() if not key.startswith("_")}
            defined = {key: value for key, value in members.items() if callable(value) or is_property(value)}
            assert [key for key, value in defined.items() if not inspect.getdoc(value)] == [], name


def is_property(value):
    return isinstance(value, property)


def test_a_tile_is_drawn_measured_and_saved(tmp_path):
    request = plitka.parse_request(REQUEST)
    engine = plitka.load_engine("render")
    folder = tmp_path / "new" / "tile"
    results = list(plitka.generate(request, engine))
    assert [result.save(folder) for result in results] == [
        folder / "preview.png",
        folder / "final.png",
        folder / "colormap.png",
    ]
    for result in results:
        assert (folder / result.filename).read_bytes() == result.data
        assert isinstance(result, plitka.Result)
    preview, final, colormap = results
    assert [result.image.shape for result in results] == [(512, 512, 3), (1024, 1024, 3), (1024, 1024, 3)]
    assert [color.id for color in final.fidelity.colors] == ["BLACK", "WHITE"]
    assert [color.measured for color in final.fidelity.colors] == pytest.approx([0.6, 0.4], abs=0.01)
    assert preview.fidelity.worst_error_pp < 1
    assert colormap.fidelity is None


@pytest.mark.long
def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    result = next(plitka.generate(plitka.parse_request(REQUEST), plitka.load_engine("render")))
    with pytest.raises(OSError, match="file"):
        result.save(tmp_path / "file")


@examples(30)
@given(documents | objects)
def test_a_dictionary_means_what_its_json_means(request_):
    assert outcome(request_) == outcome(json.dumps(request_))


def outcome(given):
    """The request without the random seed, or the text of the error."""
    try:
        request = plitka.parse_request(given)
    except plitka.RequestError as error:
        return str(error)
    return request.mix, request.angle, request.quality, request.overrides, request.notices


@pytest.mark.parametrize("number", [60, 60.0, np.float32(60), np.int64(60), Decimal(60), Fraction(60)])
def test_numbers_of_every_kind_are_taken(number):
    colors = ({"name": "black", "proportion": number}, {"name": "white", "proportion": 40})
    assert plitka.parse_request(REQUEST | {"colors": colors}) == plitka.parse_request(REQUEST)


endless = {"colors": []}
endless["colors"].extend([endless] * 50)

# Some twenty lists, and as many values as no machine could write.
shared = {"colors": []}
for _ in range(20):
    shared = {"colors": [shared["colors"]] * 50}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"angle": {1}}, r"^angle: a value of type set cannot be part of a request\. Allowed: text, numbers"),
        ({"angle": float("nan")}, "^angle: .*finite"),
        ({"seed": 10**5000}, "^seed: "),
        ({"colors": [{"name": b"black"}]}, r"^colors\[0\]\.name: a value of type bytes"),
        ({7: 1}, "^params_json: 7 is a key and not text"),
        ({"overrides": {("a", "b"): 1}}, "^overrides: .*is a key and not text"),
        ({"angle": Decimal("sNaN")}, "^angle: .*finite"),
        ({"angle": Fraction(-(10**400))}, "^angle: .*finite"),
        ({"angle": np.True_}, "^angle: true is not a number"),
        (endless, "^params_json: is nested more than 8 levels deep"),
        (shared, "^params_json: is longer than 65536 bytes"),
    ],
)
def test_a_value_that_no_request_can_hold_is_named(changes, message):
    with pytest.raises(plitka.RequestError, match=message):
        plitka.parse_request(REQUEST | changes)


def test_every_bad_value_is_named_at_once():
    with pytest.raises(plitka.RequestError) as error:
        plitka.parse_request({"colors": [{"name": {1}, "proportion": b"1"}], "angle": object()})
    fields = [problem.field for problem in error.value.problems]
    assert fields == ["colors[0].name", "colors[0].proportion", "angle"]


@pytest.mark.parametrize("given", [None, 5, b"{}", ["black"], object()])
def test_what_is_no_request_is_refused(given):
    with pytest.raises(plitka.RequestError, match=r"^params_json: "):
        plitka.parse_request(given)
