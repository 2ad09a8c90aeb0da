"""Orders for tests: mixes, what is asked, and palettes that know granules as goods."""

import json
from importlib import resources

from hypothesis import strategies as st

from plitka.colors.palette import PALETTE

CODES = tuple(PALETTE)
# Areas and amounts as people give them.
tenths = st.integers(1, 10**7).map(lambda tenths: tenths / 10)
asked = st.fixed_dictionaries(
    {
        "area_m2": tenths | st.floats(0.01, 1e6),
        "thickness_mm": st.integers(1, 500) | st.floats(1, 500),
        "waste_percent": st.integers(0, 100) | st.floats(0, 100),
        "binder_percent": st.integers(0, 100) | st.floats(0, 100),
    }
)
goods = st.fixed_dictionaries(
    {},
    optional={
        "density_kg_m3": st.floats(900, 2500),
        "laid_kg_m3": st.floats(200, 1500),
        "bulk_kg_m3": st.floats(300, 900),
        "price_per_kg": st.integers(0, 10**5).map(lambda cents: cents / 100),
        "bag_kg": st.sampled_from([0.1, 15, 22.7, 25, 1000]),
    },
)
# Codes or hex colours with per cent that need not sum to 100.
ids = st.sampled_from(CODES) | st.integers(0, 0xFFFFFF).map(lambda value: f"#{value:06X}")
shares = st.integers(1, 1000).map(lambda tenths: tenths / 10) | st.floats(0.001, 100)
mixes = st.lists(st.tuples(ids, shares), min_size=1, max_size=8, unique_by=lambda pair: pair[0])


def request_of(mix, order):
    """A request document of pairs of colour and share."""
    colors = [
        {"hex" if color.startswith("#") else "name": color, "proportion": f"{share!r} %"}
        for color, share in mix
    ]
    return {"colors": colors, "seed": 1, "overrides": {"order": order}}


def palette_with(goods_of, folder, currency="EUR"):
    """The file of the built-in palette, some colours with figures of goods."""
    built_in = json.loads((resources.files("plitka.colors") / "palette.json").read_text(encoding="utf-8"))
    colors = [{**color, **goods_of.get(color["code"], {})} for color in built_in["colors"]]
    path = folder / f"palette{len(list(folder.iterdir()))}.json"
    path.write_text(json.dumps({**built_in, "currency": currency, "colors": colors}), encoding="utf-8")
    return path
