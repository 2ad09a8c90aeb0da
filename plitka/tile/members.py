"""Which granule each pixel belongs to, where a heap repeats or joints cut granules: numbers without gaps.

The maps may be large, so what is computed from them is computed for some rows at a time.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plitka.tile.bands import row_bands

# Keys are ranked by a table of all possible ones if these are no more; sorting takes longer.
_TABLE = 1 << 26


def cut_by_tiles(members: NDArray[np.int32], tiles: NDArray[np.integer[Any]]) -> None:
    """Granules cut in two by joints: what lies in each tile is a granule of its own; in place.

    `members` (rows, columns) are the numbers of granules, `tiles` those of tiles; granules are numbered anew.
    """
    tile_count = int(tiles.max()) + 1
    if (int(members.max()) + 1) * tile_count <= np.iinfo(np.int32).max:
        for band in row_bands(members.shape):
            members[band] *= np.int32(tile_count)
            members[band] += tiles[band].astype(np.int32)
        numbered(members)
        return

    def keys(band: slice) -> NDArray[np.int64]:
        return members[band].astype(np.int64) * tile_count + tiles[band]

    _rank_sorted(keys, members)


def numbered(keys: NDArray[np.int32]) -> NDArray[np.int32]:
    """The rank of each key among all that occur, (rows, columns), in place."""
    most = int(keys.max()) + 1
    if most > _TABLE:
        _rank_sorted(keys.__getitem__, keys)
        return keys
    occurs = np.zeros(most, np.bool_)
    bands = list(row_bands(keys.shape))
    for band in bands:
        occurs[_runs(keys[band])[0]] = True
    rank = np.cumsum(occurs, dtype=np.int32)
    rank -= 1
    for band in bands:
        keys[band] = rank.take(keys[band], mode="wrap")
    return keys


def _rank_sorted(keys: Callable[[slice], NDArray[Any]], ranks: NDArray[np.int32]) -> None:
    """Write into `ranks` (rows, columns) the rank of each key among all; `keys` gives those of some rows."""
    bands = list(row_bands(ranks.shape))
    # Neighbours mostly have the same key, so that there are much fewer runs than pixels.
    found = np.unique(np.concatenate([np.unique(_runs(keys(band))[0]) for band in bands]))
    for band in bands:
        own, lengths = _runs(keys(band))
        ranks[band] = np.repeat(np.searchsorted(found, own), lengths).reshape(ranks[band].shape)


def _runs(keys: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Keys one after the other, those that are equal to the one before left out, and how often each is."""
    flat = keys.ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    return flat[starts], np.diff(starts, append=len(flat))


def places_of(
    members: NDArray[np.int32], count: int, tiles: NDArray[np.integer[Any]] | None
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Of `count` granules, where each is, (count, 2) in parts of the map's width, and its tile (count,).

    `members` (rows, columns) has -1 on joints. Of the pixels of a granule the last one counts.
    """
    rows, columns = members.shape
    place, tile = np.zeros((count + 1, 2), np.float32), np.zeros(count + 1, np.intp)
    across, down = np.arange(columns) / columns, np.arange(rows) / columns
    for band in row_bands(members.shape):
        row, column = np.nonzero(_may_be_last(members[band]))
        row += band.start
        own = members[row, column]
        place[own, 0] = across[column]
        place[own, 1] = down[row]
        if tiles is not None:
            tile[own] = tiles[row, column]
    return place[:-1], tile[:-1]


def _may_be_last(members: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Pixels of which neither the right nor the lower neighbour, if there is one, is of the same granule."""
    last = np.ones(members.shape, np.bool_)
    np.not_equal(members[:, :-1], members[:, 1:], out=last[:, :-1])
    last[:-1] &= members[:-1] != members[1:]
    return last
