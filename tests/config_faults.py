"""Every setting of a model's configuration file, changed to what it might be instead."""

import json

from thorough import THOROUGH


def other_values(key, value):
    """Two values that a file might hold in place of one."""
    if isinstance(value, bool):
        return [not value, None]
    if isinstance(value, int | float):
        return [value + 1, value * 2 or 3]
    if isinstance(value, str):
        return ["DownBlock2D" if "Block" in value else "something", None]
    if isinstance(value, list):
        return [value[:-1], [value[-1], *value[1:]]]
    return [3, "timestep" if "type" in key else [1, 2]]


def changed_configs(path):
    """(key, value, what it was) for every setting of a file, and for one that no class knows.

    In a run that is not thorough one of the two values: the first of one setting, the second of the next.
    """
    config = json.loads(path.read_text())
    for number, (key, value) in enumerate([*config.items(), ("something_new", None)]):
        if key != "_diffusers_version":
            others = other_values(key, value)
            for other in others if THOROUGH else [others[number % 2]]:
                yield key, other, value
