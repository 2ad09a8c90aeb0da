"""The eight standard scenarios: what the product is asked for, again and again, whatever draws."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "references" / "scenarios"
SCENARIOS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
)


def params_of(scenario: str, **overrides: Any) -> dict[str, Any]:
    """A scenario as a request; `overrides` are those of the request, and win over the scenario's own."""
    request = SCENARIOS[scenario]
    return {**request, "overrides": {**request.get("overrides", {}), **overrides}}
