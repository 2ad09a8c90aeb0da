"""The body of a prediction: refused with every problem by name, or serialised again for Cog's server.

Cog's own parser accepts more than it should (a list for an object, an id that leads out of its folder) and
drops keys it does not know. So it never gets the text that a caller sent, only keys and inputs known here.
"""

import difflib
import json
import math
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal, get_args

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, TypeAdapter, ValidationError, field_validator
from pydantic_core import PydanticCustomError, from_json

from plitka.errors import PhotographError, shown
from plitka.request.json_text import JsonObject, find_clashes
from plitka.server.answers import Detail, RefusedError, problem
from plitka.server.photographs import ALLOWED as ALLOWED_PHOTO
from plitka.server.photographs import photo_bytes

# Cog makes a folder of this name: `..` and `/` would choose where, and after a name that no folder can have
# the server would stay busy for good.
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
WebhookEvent = Literal["start", "output", "logs", "completed"]
# Replicate's API has these beside the input. They have no effect on a server of one model.
_WITHOUT_EFFECT = ("version", "stream", "created_at")
_ALLOWED = {
    "id": "1 to 64 Latin letters, digits, - and _",
    "input": 'an object such as {"colors": "60% black, 40% white"}',
    "context": "an object whose values are texts",
    "webhook": "an http or https address with a host",
    "webhook_events_filter": f"a list of {', '.join(get_args(WebhookEvent))}",
}
_LISTED_PROBLEMS = 20
# The one input that is a file.
PHOTO = "photo"
_KEY_CHARACTERS = 64

# Only addresses that every parser reads alike: some accept `http:x`, `https:///x`, blanks and brackets.
_NAME = r"[^\s\x00-\x20/?#\\@\[\]]"
_ADDRESS = re.compile(
    rf"https?://({_NAME}*@)?(\[[0-9a-f:.]+\](:[0-9]*)?|(?!:){_NAME}+)([/?#][^\s\x00-\x20\\]*)?", re.IGNORECASE
)
_url = TypeAdapter(AnyHttpUrl)


@dataclass(frozen=True)
class Prediction:
    """A request to Cog's server.

    Attributes:
        id: The id of the prediction.
        body: The body.
        webhook: The address that gets a message when it has ended; None for none.
        photo_size: How many bytes of the body are its photograph.
    """

    id: str
    body: bytes
    webhook: str | None = None
    photo_size: int = 0


class _Body(BaseModel):
    """The keys of a body that Cog's server reads."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str | None = None
    input: dict[str, Any]
    context: dict[str, str] = {}
    webhook: str | None = None
    webhook_events_filter: list[WebhookEvent] | None = None

    @field_validator("id")
    @classmethod
    def _check_id(cls, given: str | None) -> str | None:
        if given is not None and not ID.fullmatch(given):
            raise PydanticCustomError("id", "is no prediction id")
        return given

    @field_validator("webhook")
    @classmethod
    def _check_webhook(cls, given: str | None) -> str | None:
        # Checked by the same parser that Cog's sender uses.
        if given is None:
            return given
        try:
            url = _url.validate_python(given)
        except ValidationError:
            url = None
        if url is None or not _ADDRESS.fullmatch(given):
            raise PydanticCustomError("webhook", "is no web address")
        return given


class BodyReader:
    """Checks bodies against the inputs of the predictor.

    Args:
        inputs: The names of the predictor's inputs.
        allow_webhooks: Whether a request may have its answer sent to an address.
    """

    def __init__(self, inputs: Iterable[str], *, allow_webhooks: bool = True) -> None:
        self._inputs = tuple(inputs)
        self._allow_webhooks = allow_webhooks

    def read(self, data: bytes, path_id: str | None = None) -> Prediction:
        """Read a body; a prediction without an id, in the path or the body, gets one.

        Raises:
            RefusedError: With status 400 if the body is no JSON, else 422 and every problem in it.
        """
        document = parse_json(data)
        if not isinstance(document, JsonObject):
            words = f"{shown(document)} is no JSON object. Allowed: an object with input in it."
            raise unprocessable([problem(["body"], words)])
        problems = list(_clashes(document)) or list(self._problems(document))
        if problems:
            raise unprocessable(problems)
        known = {key: value for key, value in document.items() if key in _ALLOWED and value is not None}
        name = known.setdefault("id", path_id or uuid.uuid4().hex)
        wants_end = "completed" in known.get("webhook_events_filter", ("completed",))
        webhook = known.get("webhook") if wants_end else None
        photo = known["input"].get(PHOTO)
        size = len(photo) if isinstance(photo, str) else 0
        return Prediction(name, json.dumps(known, allow_nan=False).encode(), webhook, size)

    def _problems(self, document: JsonObject) -> Iterator[Detail]:
        envelope = {key: value for key, value in document.items() if key not in _WITHOUT_EFFECT}
        try:
            _Body.model_validate(envelope)
        except ValidationError as error:
            for found in error.errors(include_url=False):
                yield self._envelope_problem(found["loc"], found["type"], found["msg"], envelope)
        if not self._allow_webhooks and document.get("webhook") is not None:
            yield problem(["body", "webhook"], "This server sends no answers elsewhere: leave webhook out.")
        given = document.get("input")
        for key in given if isinstance(given, dict) else ():
            if key not in self._inputs:
                hint = _did_you_mean(key, self._inputs)
                words = f"{shown(key)} is no input{hint} Allowed: {', '.join(self._inputs)}."
                yield problem(["body", "input", _short(key)], words, "value_error.extra")
        if isinstance(given, dict) and PHOTO in self._inputs:
            yield from _photo_problems(given.get(PHOTO))
        yield from _beyond_range(envelope, ["body"])

    def _envelope_problem(
        self, place: Sequence[str | int], kind: str, text: str, envelope: dict[str, Any]
    ) -> Detail:
        where = ["body", *(_short(part) for part in place)]
        key = str(place[0])
        if kind == "missing":
            words = f"input is missing. Allowed: {_ALLOWED['input']}."
            return problem(where, words, "value_error.missing")
        if kind == "extra_forbidden":
            words = f"{shown(key)} is no key of a request{self._advice(key, envelope[key])}"
            return problem(where, f"{words} Allowed: {', '.join(_ALLOWED)}.", "value_error.extra")
        value: Any = envelope
        for part in place:
            value = value[part]
        reason = text if kind in _ALLOWED else f"cannot be {key}"
        return problem(where, f"{shown(value)} {reason}. Allowed: {_ALLOWED[key]}.")

    def _advice(self, key: str, value: object) -> str:
        if key in self._inputs:
            return "; it is an input: put it inside input."
        if isinstance(value, dict) and "input" in value:
            return "; put what stands inside it at the top."
        return _did_you_mean(key, tuple(_ALLOWED))


def check_path_id(name: str) -> None:
    """Refuse a malformed id in the path of a call.

    Raises:
        RefusedError: With status 422.
    """
    if not ID.fullmatch(name):
        words = f"{shown(name)} is no prediction id. Allowed: {_ALLOWED['id']}."
        raise unprocessable([problem(["path", "id"], words)])


def parse_json(data: bytes) -> Any:
    """Read JSON strictly: UTF-8, no NaN, no lone surrogates, at most 200 levels deep.

    Raises:
        RefusedError: With status 400.
    """
    try:
        from_json(data, allow_inf_nan=False)
    except ValueError as error:
        words = f"The body is not valid JSON: {error}."
        detail = [problem(["body"], words, "value_error.jsondecode")]
        raise RefusedError(HTTPStatus.BAD_REQUEST, detail) from None
    # The first parser keeps the last of two equal keys; this one remembers both.
    return json.loads(data.decode(), object_pairs_hook=JsonObject)


def _clashes(document: JsonObject) -> Iterator[Detail]:
    for clash in find_clashes(document):
        words = f"{clash.value} {clash.reason}. Allowed: {clash.allowed}."
        yield problem(["body", clash.field], words)


def _photo_problems(photo: object) -> Iterator[Detail]:
    """Null is refused by Cog's server as at any input, and an empty text is an empty field of a form."""
    if photo is None or photo == "":
        return
    try:
        photo_bytes(photo)
    except PhotographError as error:
        yield problem(["body", "input", PHOTO], f"{PHOTO}: {error.problem}. Allowed: {ALLOWED_PHOTO}.")


def _beyond_range(value: object, place: list[str | int]) -> Iterator[Detail]:
    """Problems of numbers beyond the range of a double, which Cog's parser cannot read, at any depth."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from _beyond_range(inner, [*place, _short(key)])
    elif isinstance(value, int | float) and not _is_double(value):
        yield problem(place, "The number is too large. Allowed: numbers below 1.7e308.")


def _is_double(value: float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _did_you_mean(key: str, known: Sequence[str]) -> str:
    wanted = key.casefold()[:_KEY_CHARACTERS]
    close = difflib.get_close_matches(wanted, known, n=1, cutoff=0.5)
    return f"; did you mean {shown(close[0])}?" if close else "."


def _short(part: str | int) -> str | int:
    return part[:_KEY_CHARACTERS] if isinstance(part, str) else part


def unprocessable(problems: Sequence[Detail]) -> RefusedError:
    """The refusal of a body with these problems."""
    return RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, problems[:_LISTED_PROBLEMS])
