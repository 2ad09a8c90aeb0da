"""Neutral granules are not tinted by their neighbours, whatever the part of a picture that is worked on."""

from functools import partial

import numpy as np
import pytest
from mixes import mix_of

from plitka.tile import neutral
from plitka.tile.bands import row_bands
from plitka.tile.neutral import REACH, Shown, neutrality, neutrals_of

MIX = mix_of(BLACK=40, RED=40, WHITE=20)


def blocks(seed=1):
    """Colours in squares of 8 pixels, joints among them, and two planes of chroma."""
    rng = np.random.default_rng(seed)
    colors = rng.choice(np.array([0, 1, 2, 255], np.uint8), (8, 8)).repeat(8, 0).repeat(8, 1)
    return colors, [rng.integers(0, 256, colors.shape, np.uint8) for _ in range(2)]


def kept(colors, planes, wraps):
    """The planes after the camera."""
    changed = [plane.copy() for plane in planes]
    Shown(colors, neutrals_of(MIX)).keep_neutral(changed, wraps)
    return changed


def test_only_the_edges_of_neutral_granules_change_and_towards_their_own_tint():
    colors, planes = blocks()
    at_edge = np.zeros(colors.shape, np.bool_)
    for row, column in np.ndindex(colors.shape):
        around = colors[max(row - REACH, 0) : row + REACH + 1, max(column - REACH, 0) : column + REACH + 1]
        at_edge[row, column] = len(np.unique(around)) > 1
    for plane, after, channel in zip(planes, kept(colors, planes, wraps=False), (0, 1), strict=True):
        for found in neutrals_of(MIX):
            own = found.chroma[channel] * 255
            before, then = (side[at_edge & (colors == found.index)] for side in (plane, after))
            assert then - own == pytest.approx((before.astype(float) - own) * found.left, abs=0.51)
        vivid = np.isin(colors, (1, 255)) | ~at_edge
        assert np.array_equal(plane[vivid], after[vivid])


@pytest.mark.parametrize("wraps", [False, True])
def test_bands_of_rows_change_nothing(wraps, monkeypatch):
    colors, planes = blocks()
    whole = kept(colors, planes, wraps)
    for rows in (1, 3, 7, 63):
        monkeypatch.setattr(neutral, "row_bands", partial(row_bands, pixels=64 * rows))
        assert all(map(np.array_equal, kept(colors, planes, wraps), whole))


def test_a_seamless_picture_has_no_seam():
    colors, planes = blocks()
    shift = partial(np.roll, shift=(5, 21), axis=(0, 1))
    moved = kept(shift(colors), [shift(plane) for plane in planes], wraps=True)
    assert all(map(np.array_equal, moved, [shift(plane) for plane in kept(colors, planes, wraps=True)]))


def test_colours_of_one_mix_are_neutral_by_their_chroma():
    black, red, _ = MIX
    assert neutrality(black) > 0.98 and neutrality(red) == 0
    assert [found.index for found in neutrals_of(MIX)] == [0, 2]
    # Alone a colour has no neighbours of another tint.
    assert neutrals_of(mix_of(BLACK=100)) == ()
