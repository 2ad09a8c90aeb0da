"""How much is tried: a part in `make test`, everything with `HYPOTHESIS_PROFILE=thorough`."""

import os

from hypothesis import settings

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
# Generated cases of a thorough run for each one of `make test`.
FACTOR = 20


def examples(count):
    """The settings of a property that tries so many cases in `make test`."""
    return settings(max_examples=count * FACTOR if THOROUGH else count)
