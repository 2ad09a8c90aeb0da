"""The eight standard scenarios: what the product is asked for, again and again, whatever draws."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

SCENARIOS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "one colour": {"colors": [("red", 100)]},
        "two colours": {"colors": [("black", 60), ("white", 40)]},
        "three colours": {"colors": [("terracotta", 50), ("beige", 30), ("black", 20)]},
        "four colours": {"colors": [("red", 40), ("blue", 30), ("grass green", 20), ("yellow", 10)]},
        "shares as fractions": {"colors": [("dark green", 0.7), ("pearl", 0.3)]},
        "45 degrees, softedge": {"colors": [("gray", 60), ("orange", 40)], "angle": 45},
        "90 degrees, canny": {"colors": [("brown", 80), ("sand", 20)], "angle": 90},
        "ControlNet switched off": {
            "colors": [("violet", 50), ("white", 50)],
            "angle": 45,
            "overrides": {"use_controlnet": False},
        },
    }
)


def params_of(scenario: str, quality: str = "standard", **overrides: Any) -> dict[str, Any]:
    """A scenario as a request, seed 1; `overrides` are those of the request, beside the scenario's own."""
    request: dict[str, Any] = {"angle": 0, "quality": quality, "seed": 1, **SCENARIOS[scenario]}
    request["colors"] = [{"name": name, "proportion": share} for name, share in request["colors"]]
    request["overrides"] = {**overrides, **request.get("overrides", {})}
    return request
