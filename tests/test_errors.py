"""The overview of errors in `plitka/errors.py` names every error, and nothing else is raised on purpose."""

import ast
import builtins
import copy
import inspect
import pickle
import re

import pytest

from plitka import errors
from plitka.cli.failures import BAD_REQUEST, FAILURE, exit_status
from plitka.errors import MetadataError, PlitkaError, Problem, RequestError
from plitka.server.serve import ROOT

CLASSES = {name: value for name, value in vars(errors).items() if inspect.isclass(value)}
ERRORS = {name: value for name, value in CLASSES.items() if issubclass(value, Exception)}
TREE = re.compile(r"```text\n(.*?)```", re.DOTALL).search(errors.__doc__)[1]

# Errors that are not Plitka's own, and what each is raised for.
OTHER_ERRORS = {
    "ValueError": "a bad argument of a function",
    "AttributeError": "a name that `plitka` does not have",
    "OSError": "what the system itself would raise, with the file's name",
    "MemoryError": "what Python itself would raise",
    "BadParameter": "an option of the command line",
    "Exit": "the end of a command",
    "SystemExit": "the end of the process",
    "CallError": "a call of a service that draws a catalogue, turned into its tile's problem",
    "_LostError": "a prediction that cannot be fetched any more, caught where it is made anew",
    "PydanticCustomError": "turned into a RequestError by `parse_request`",
    "RefusedError": "turned into an HTTP answer by the gateway",
    "StoppedError": "a signal, turned into an exit status",
    "CancelledError": "an engine's picture that nobody waits for any more, caught where it was begun",
    "LeftLineError": "a caller that left the line, caught by the gateway",
    "RemoteProtocolError": "turned into status 400 by the HTTP server",
}


def parents_in_the_tree():
    """Each error of the overview with the one above it."""
    above, found = {}, {}
    for line in TREE.splitlines():
        indent, text = re.match(r"([│├└─ ]*)(.*)", line).groups()
        names = re.fullmatch(r"(\w+Error(?:, \w+Error)*)( {2,}.*| \S.*)?", text)
        depth = len(indent) // 4
        for name in names[1].split(", ") if names else ():
            above[depth] = name
            found[name] = above[depth - 1] if depth else None
    return found


def parents_in_the_code():
    return {
        name: None if error is PlitkaError else next(base.__name__ for base in error.__mro__[1:])
        for name, error in ERRORS.items()
    }


def test_the_overview_is_the_tree_of_classes():
    assert parents_in_the_tree() == parents_in_the_code()


@pytest.mark.parametrize("error", ERRORS.values(), ids=lambda error: error.__name__)
def test_every_error_is_caught_by_the_base_class_and_marked_where_it_is_an_oserror(error):
    assert issubclass(error, PlitkaError)
    marked = re.search(rf"{error.__name__}\b.*\(an OSError too\)", TREE) is not None
    assert issubclass(error, OSError) == marked


def raised_names(tree):
    """Names of the classes that a module raises, where it raises them by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            called = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if inspect.isclass(getattr(builtins, name, None)) or name[:1].isupper():
                yield name


def test_nothing_else_is_raised_on_purpose():
    files = [*ROOT.glob("plitka/**/*.py"), ROOT / "predict.py"]
    raised = {name: file for file in files for name in raised_names(ast.parse(file.read_text("utf-8")))}
    assert len(raised) > 12
    assert {name: file for name, file in raised.items() if name not in {*ERRORS, *OTHER_ERRORS}} == {}


def test_what_is_allowed_is_said_once_for_problems_that_are_alike():
    known = "a zip of photographs"
    photos = [Problem("photographs", f'"{n}.jpg"', "has no caption", known) for n in range(25)]
    text = str(RequestError([*photos[:2], Problem("steps", "0", "is too small", "1 to 9"), *photos[2:4]]))
    assert text.splitlines()[1:] == [
        '- photographs: "0.jpg" has no caption.',
        '- photographs: "1.jpg" has no caption. Allowed: a zip of photographs.',
        "- steps: 0 is too small. Allowed: 1 to 9.",
        '- photographs: "2.jpg" has no caption.',
        '- photographs: "3.jpg" has no caption. Allowed: a zip of photographs.',
    ]
    *_, last, more = str(RequestError(photos)).splitlines()
    assert last.endswith("Allowed: a zip of photographs.")
    assert more == "- and 5 more."


def an_error(error):
    """An instance of any error."""
    if issubclass(error, RequestError):
        return error([Problem("angle", "1", "is too small", "2")])
    parameters = inspect.signature(error.__init__).parameters
    named = [one for one in parameters.values() if one.kind is one.POSITIONAL_OR_KEYWORD]
    return error(*["what is wrong"] * max(len(named) - 1, 0))


@pytest.mark.parametrize("error", ERRORS.values(), ids=lambda error: error.__name__)
def test_the_command_line_turns_every_error_into_a_message_and_an_exit_status(error, capsys):
    import typer

    raised = an_error(error)
    with pytest.raises(typer.Exit) as ended, exit_status():
        raise raised
    is_request = isinstance(raised, RequestError | MetadataError)
    assert ended.value.exit_code == (BAD_REQUEST if is_request else FAILURE)
    assert str(raised).strip() in capsys.readouterr().err


@pytest.mark.parametrize("error", ERRORS.values(), ids=lambda error: error.__name__)
def test_every_error_comes_whole_out_of_another_process(error):
    raised = an_error(error)
    sent = pickle.loads(pickle.dumps(raised))  # noqa: S301  # written here
    for same in (sent, copy.copy(raised)):
        assert type(same) is error
        assert (str(same), vars(same)) == (str(raised), vars(raised))
