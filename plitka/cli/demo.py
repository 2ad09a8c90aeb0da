"""The requests that `plitka demo` draws: one of each kind, small enough to look at in a minute."""

from collections.abc import Mapping
from typing import Any

DEMO_REQUESTS: Mapping[str, Mapping[str, Any]] = {
    "black-white": {
        "colors": [{"name": "black", "proportion": 60}, {"name": "white", "proportion": 40}],
        "seed": 1,
    },
    "terracotta-bricks": {
        "colors": [
            {"name": "terracotta", "proportion": 70},
            {"name": "beige", "proportion": 20},
            {"name": "black", "proportion": 10},
        ],
        "angle": 45,
        "seed": 2,
    },
    "green-grid": {
        "colors": [
            {"name": "тёмно-зелёный", "proportion": 0.5},
            {"name": "light green", "proportion": 0.3},
            {"name": "yellow", "proportion": 0.2},
        ],
        "overrides": {"layout": "grid"},
        "seed": 3,
    },
    "one-percent": {
        "colors": [{"name": "blue", "proportion": 99}, {"hex": "#F2C230", "proportion": 1}],
        "seed": 4,
    },
}
