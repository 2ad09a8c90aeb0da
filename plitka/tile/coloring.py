"""Assigns colours to granules so that the visible areas have the requested shares at every size."""

import numpy as np
from numpy.typing import NDArray

# Part of the area coloured at random; the rest, the smallest granules, makes the shares exact.
_RANDOM_PART = 0.9
# Shares this close to the requested ones, at every size, are not improved further.
_EVEN = 0.0002
# Largest number of exchanges of two granules, and granules of each colour tried for one.
_EXCHANGES = 60
_TRIED = 300
# Granules of so few pixels on average are exchanged in great numbers first, by areas of up to so many pixels.
_TINY = 4
_TINY_AREAS = 4


def assign_colors(
    areas: NDArray[np.int64], shares: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Give each granule a colour so that the visible areas have the requested shares.

    `areas` (S, G) visible pixels of each granule at S sizes of the picture, the largest first; `shares` (C,)
    summing to 1. Returns (G,) indices into the shares. Most granules are coloured at random; a colour with
    too much area gives granules back, and the smallest granules then fill what is missing, so the error that
    remains is a few pixels. Exchanges make the other sizes equally exact.
    """
    colors = _colors_at_one_size(areas[0], shares, rng)
    if areas.sum(1).min() < _TINY * len(colors):
        _even_out_many(colors, areas, shares)
    _even_out(colors, areas, shares, rng)
    return colors


def _colors_at_one_size(
    areas: NDArray[np.int64], shares: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.uint8]:
    order = rng.permutation(len(areas))
    by_size = np.argsort(-areas[order], kind="stable")
    large = order[
        np.sort(by_size[: np.searchsorted(np.cumsum(areas[order][by_size]), _RANDOM_PART * areas.sum())])
    ]
    colors = rng.choice(len(shares), len(areas), p=shares / shares.sum()).astype(np.uint8)
    wanted = shares * areas.sum()
    edges = np.cumsum(shares) * areas[large].sum()
    colors[large] = np.searchsorted(edges[:-1], np.cumsum(areas[large]) - areas[large] / 2, side="right")
    missing = wanted - np.bincount(colors[large], areas[large], len(shares))
    is_free = np.ones(len(areas), np.bool_)
    is_free[large] = False
    for color in np.flatnonzero(missing < 0):
        own = large[colors[large] == color]
        for granule in own[np.argsort(areas[own], kind="stable")[::-1]]:
            if missing[color] >= 0:
                break
            missing[color] += areas[granule]
            is_free[granule] = True
    free = np.flatnonzero(is_free & (areas > 0))
    free = free[np.argsort(-areas[free], kind="stable")]
    colors[free] = _shared_out(areas[free], missing)
    return colors


def _shared_out(areas: NDArray[np.int64], missing: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A colour for each of these areas (n,), one by one: that of which most is `missing` (C,)."""
    pending, given = missing.tolist(), bytearray()
    for area in areas.tolist():
        most = max(pending)
        color = pending.index(most)
        pending[color] = most - area
        given.append(color)
    return np.frombuffer(given, np.uint8)


def _even_out_many(colors: NDArray[np.uint8], areas: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
    """Exchange granules of a pixel or so, in place: pairs of equal area at the first size only.

    That moves the shares at the other size, by a pixel for each pair, and leaves those at the first.
    """
    first, *others = areas
    for area in others:
        for _ in range(4 * len(shares)):
            error = np.rint(np.bincount(colors, area, len(shares)) - shares * area.sum()).astype(np.int64)
            most, least = int(error.argmax()), int(error.argmin())
            left = min(error[most], -error[least])
            for pixels in range(_TINY_AREAS):
                alike = first == pixels
                given = np.flatnonzero(alike & (area == 1) & (colors == most))
                taken = np.flatnonzero(alike & (area == 0) & (colors == least))
                count = max(min(left, len(given), len(taken)), 0)
                colors[given[:count]], colors[taken[:count]] = least, most
                left -= count
            if left == min(error[most], -error[least]):
                break


def _even_out(
    colors: NDArray[np.uint8],
    areas: NDArray[np.int64],
    shares: NDArray[np.float64],
    rng: np.random.Generator,
) -> None:
    """Exchange granules of two colours, in place, while that reduces the largest error at any size."""
    parts = areas / areas.sum(1, keepdims=True)
    errors = np.stack([np.bincount(colors, part, len(shares)) for part in parts]) - shares
    for _ in range(_EXCHANGES):
        size, color = np.unravel_index(np.abs(errors).argmax(), errors.shape)
        worst = abs(errors[size, color])
        other = errors[size].argmin() if errors[size, color] > 0 else errors[size].argmax()
        if worst < _EVEN or other == color:
            return
        pair = [_some_granules(colors == which, areas[0], rng) for which in (color, other)]
        # The last of each stands for giving a granule without getting one.
        own, others = (np.pad(parts[:, granules], ((0, 0), (0, 1))) for granules in pair)
        left = _left_by_exchanges(own, others, errors[:, color], errors[:, other])
        best = np.unravel_index(left.argmin(), left.shape)
        if left[best] >= worst:
            return
        for granules, place, new in zip(pair, best, (other, color), strict=True):
            colors[granules[place : place + 1]] = new
        change = own[:, best[0]] - others[:, best[1]]
        errors[:, color] -= change
        errors[:, other] += change


def _left_by_exchanges(
    own: NDArray[np.float64],
    others: NDArray[np.float64],
    error: NDArray[np.float64],
    other_error: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(n, m): the larger error, at any size, of two colours after each exchange of a granule.

    `own` (S, n) and `others` (S, m) are the granules' parts of the area, the errors (S,) those before.
    """
    left = np.zeros((own.shape[1], others.shape[1]))
    change, aside = np.empty_like(left), np.empty_like(left)
    for size in range(len(own)):
        # The larger of |error - change| and |other_error + change|: exactly so, since rounding keeps order.
        ends = error[size], -other_error[size]
        np.subtract.outer(own[size], others[size], out=change)
        np.maximum(left, np.subtract(max(ends), change, out=aside), out=left)
        np.maximum(left, np.subtract(change, min(ends), out=aside), out=left)
    return left


def _some_granules(
    of_color: NDArray[np.bool_], areas: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Visible granules of a colour, a random sample where there are many."""
    granules = np.flatnonzero(of_color & (areas > 0))
    return rng.permutation(granules)[:_TRIED]
