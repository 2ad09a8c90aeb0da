"""What was found on a photograph, as JSON and in sentences."""

from __future__ import annotations

from typing import Any

from plitka.match.recipe import Match, MatchedColor, NearName


def report(found: Match) -> dict[str, Any]:
    """The match as a JSON-ready document; `request` is the value of `params_json` that draws it."""
    frame = found.frame
    return {
        "colors": [_color(color) for color in found.colors],
        "sets": [{"colors": list(each.ids), "confidence": each.confidence} for each in found.sets],
        "uneven": found.uneven,
        "granule_pixels": round(frame.granule, 1),
        "corners": None if frame.corners is None else [list(map(float, each)) for each in frame.corners],
        "corners_found": frame.found,
        "request": request_of(found),
    }


def request_of(found: Match) -> dict[str, Any]:
    """A request that draws the mix: the value of `params_json`."""
    return {
        "colors": [
            {"hex" if color.id.startswith("#") else "name": color.id, "proportion": round(color.share, 4)}
            for color in found.mix
        ]
    }


def sentences(found: Match, *, given: bool) -> list[str]:
    """About the sets, about what cannot be told apart, and about what is in no palette.

    Args:
        found: The match.
        given: Whether the colours were known, so that there is one set.
    """
    lines = []
    if not given:
        lines += [
            f"{'likeliest set' if index == 0 else 'or'}: {', '.join(each.ids)} ({each.confidence:.0%})"
            for index, each in enumerate(found.sets)
        ]
    for color in found.colors:
        if color.outside:
            lines.append(f"{color.id} is in no palette; the nearest is {color.nearest[0].name}")
        elif color.alike:
            lines.append(
                f"{color.id} cannot be told for certain from {', '.join(color.alike)} on a photograph"
            )
        if any(name.known_batch and name.id == color.id for name in color.nearest):
            lines.append(f"{color.id} is here another batch than that of the palette")
    if found.uneven:
        lines.append(
            "the shares differ across the picture: is something else in it? Corners say where the tile is"
        )
    where = "given" if found.frame.corners and not found.frame.found else "found"
    tile = (
        f"the tile's corners were {where}"
        if found.frame.corners
        else "the middle of the photograph was taken"
    )
    return [*lines, f"granules of {found.frame.granule:.0f} pixels; {tile}"]


def _color(color: MatchedColor) -> dict[str, Any]:
    return {
        "id": color.id,
        "share": round(color.share, 4),
        "low": round(color.low, 4),
        "high": round(color.high, 4),
        "hex": color.hex,
        "lab": list(color.lab),
        "outside": color.outside,
        "alike": list(color.alike),
        "nearest": [_near(name) for name in color.nearest],
    }


def _near(name: NearName) -> dict[str, Any]:
    return {"id": name.id, "name": name.name, "delta_e": name.delta_e, "known_batch": name.known_batch}
