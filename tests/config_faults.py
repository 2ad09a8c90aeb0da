"""Every setting of a model's configuration file, changed to what it might be instead."""

import json


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
    """(key, value, what it was) for every setting of a file, and for one that no class knows."""
    config = json.loads(path.read_text())
    for key, value in [*config.items(), ("something_new", None)]:
        if key != "_diffusers_version":
            yield from ((key, other, value) for other in other_values(key, value))
