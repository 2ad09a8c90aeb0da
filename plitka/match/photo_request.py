"""A request with a photograph: the mix that was found on it, and everything else as it was asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from plitka.colors.mix import Mix, MixColor, blend
from plitka.errors import PhotographError, Problem, RequestError, shown
from plitka.files.temporary_folders import reason
from plitka.match.photo import read_photograph
from plitka.match.recipe import Match, match_photograph
from plitka.match.report import sentences
from plitka.request.photo_inputs import parse_around_photo
from plitka.request.tile_request import TileRequest

FIELD = "photo"
ALLOWED = (
    "a sharp photograph of one tile from above as JPEG, PNG or WebP, its granules 4 to 60 pixels across, "
    "as an upload or a data: URL"
)
# Decimals of a share: finer than a photograph can tell.
_DECIMALS = 4


def request_of_photo(
    photo: Path | str,
    params_json: str | None,
    colors: str | None,
    angle: float | str | None,
    quality: str | None,
    seed: int | str | None,
    adapter: str | None = None,
) -> tuple[TileRequest, Match]:
    """Read a request, and the mix from a photograph.

    Args:
        photo: The file; a text is what Cog's server could not fetch, and refused.
        params_json, colors, angle, quality, seed, adapter: As for `parse_around_photo`.

    Returns:
        The request with the mix that was found, and the match.

    Raises:
        RequestError: With every problem of the request and that of the photograph, as one of `photo`.
    """
    problems: list[Problem] = []
    request = known = found = None
    try:
        request, known = parse_around_photo(params_json, colors, angle, quality, seed, adapter)
    except RequestError as error:
        problems += error.problems
    try:
        found = _match(photo, known)
    except RequestError as error:
        problems += error.problems
    if problems or request is None or found is None:
        raise RequestError(problems)
    mix, _ = blend(((color, round(color.share, _DECIMALS)) for color in found.mix), 1.0)
    lines = sentences(found, given=known is not None)
    notices = tuple(f"{line[0].upper()}{line[1:]}." for line in (f"on the photograph: {_said(mix)}", *lines))
    return replace(request, mix=mix, notices=notices + request.notices), found


def _match(photo: Path | str, known: Mix | None) -> Match:
    # Text of a caller's: a path of this machine is not opened, and an address not called.
    if isinstance(photo, str):
        raise _refused(shown(photo), "is no file that was sent")
    try:
        return match_photograph(read_photograph(photo), colors=known)
    except PhotographError as error:
        raise _refused("the photograph", error.problem) from error
    except OSError as error:
        raise _refused("the photograph", f"cannot be read: {reason(error, photo)}") from error


def _refused(value: str, problem: str) -> RequestError:
    return RequestError([Problem(FIELD, value, problem, ALLOWED)])


def _said(mix: Mix) -> str:
    return ", ".join(f"{color.share:.1%} {_name(color)}" for color in mix)


def _name(color: MixColor) -> str:
    return color.name or color.id
