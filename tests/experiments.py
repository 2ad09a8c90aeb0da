"""Plans of experiments for the tests."""

import json

SMALL = {
    "colors": [{"name": "red", "proportion": 60}, {"name": "white", "proportion": 40}],
    "width": 256,
    "width_mm": 40,
}


def plan_text(**changed):
    plan = {
        "request": SMALL,
        "vary": {"angle": [0, 45], "overrides.color_lock": ["auto", "off"]},
        "seeds": 2,
        "best": {"minimize": "fidelity.error_pp"},
    }
    # JSON is YAML.
    return json.dumps({key: value for key, value in (plan | changed).items() if value is not None})
