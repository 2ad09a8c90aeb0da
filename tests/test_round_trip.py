"""From a mix to a picture, a print, a photograph, a recipe and an order: what comes back is near."""

import sys

import pytest

from plitka.colors.mix import palette_mix_color
from plitka.colors.palette import PALETTE
from plitka.match.recipe import match_photograph
from plitka.order.amounts import order_of
from plitka.server.serve import ROOT

# What matching renders scatters by: docs/order.md has the figures of twenty mixes.
NEAR = 0.05
MIX = tuple(
    palette_mix_color(PALETTE[code], share)
    for code, share in (("RED", 0.5), ("BLACK", 0.3), ("SKYBLUE", 0.2))
)


@pytest.fixture(scope="module")
def round_trip():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        import round_trip

        yield round_trip
    for name in ("round_trip", "match_cases"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def photograph(round_trip):
    """A mix, drawn and printed at 300 dots per inch, before a camera with a cast; and its request."""
    request = round_trip.request_of(MIX, 7, side=512)
    on_paper = round_trip.printed(round_trip.drawn(request), request.scale.width_mm)
    # 94 mm at 300 dots per inch.
    assert on_paper.shape == (1110, 1110, 3)
    return request, round_trip.photographed(on_paper, round_trip.CAST, 7)


@pytest.mark.parametrize("known", [True, False], ids=["colours known", "colours unknown"])
def test_recipe_and_order_come_back(round_trip, photograph, known):
    request, picture = photograph
    found = match_photograph(picture, colors=request.mix if known else None)
    shares = {color.id: color.share for color in found.mix}
    assert set(shares) == {"RED", "BLACK", "SKYBLUE"}
    wanted, got = order_of(request.mix, round_trip.ORDER), order_of(found.mix, round_trip.ORDER)
    assert got.grams == wanted.grams
    kilograms = {line.id: line.grams / got.grams for line in got.lines}
    for color in request.mix:
        assert abs(shares[color.id] - color.share) < NEAR
        # The kilograms follow the shares.
        assert abs(kilograms[color.id] - shares[color.id]) < 1e-6
