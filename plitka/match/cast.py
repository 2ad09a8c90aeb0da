"""Take out the cast of a photograph by a white and a grey patch in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plitka.errors import PhotographError

# sRGB of a white card (L* 96) and of a grey card that reflects 18 % (L* 49.5), where nothing else is said.
WHITE_CARD, GREY_CARD = (243, 243, 243), (118, 118, 118)
# Levels beyond which a channel is clipped, and deviation within a patch that is even.
_DARKEST, _BRIGHTEST = 4, 252
_EVEN = 14.0
_LEAST_SIDE = 3


@dataclass(frozen=True)
class Patch:
    """A rectangle of a photograph, in its pixels, whose true colour is known (sRGB, 0 to 255)."""

    x: int
    y: int
    width: int
    height: int
    color: tuple[int, int, int]


def without_cast(photo: NDArray[np.uint8], white: Patch | None, grey: Patch | None) -> NDArray[np.uint8]:
    """The photograph with each channel's gain, and with both patches its gamma too, set by the patches.

    Each channel becomes gain * code ** gamma, so that the patches have their true colours. One patch alone
    leaves gamma as it is.

    Raises:
        PhotographError: A patch lies outside, is too small, uneven or clipped, or both are equally light.
    """
    seen = {
        name: (_mean(photo, patch, name), np.array(patch.color) / 255)
        for name, patch in (("white", white), ("grey", grey))
        if patch is not None
    }
    if not seen:
        return photo
    if len(seen) == 1:
        ((mean, true),) = seen.values()
        gamma, gain = np.ones(3), true / mean
    else:
        (bright, true_bright), (middle, true_middle) = seen["white"], seen["grey"]
        if (bright < 1.2 * middle).any():
            raise PhotographError("has a white patch that is no lighter than its grey one")
        gamma = np.log(true_bright / true_middle) / np.log(bright / middle)
        gain = true_bright / bright**gamma
    levels = np.arange(256)[:, None] / 255
    table = np.rint(np.clip(gain * levels**gamma, 0, 1) * 255).astype(np.uint8)
    return np.stack([table[photo[..., channel], channel] for channel in range(3)], -1)


def _mean(photo: NDArray[np.uint8], patch: Patch, name: str) -> NDArray[np.float64]:
    height, width = photo.shape[:2]
    inside = (
        patch.x >= 0 and patch.y >= 0 and patch.x + patch.width <= width and patch.y + patch.height <= height
    )
    if not inside or min(patch.width, patch.height) < _LEAST_SIDE:
        raise PhotographError(
            f"has {width} x {height} pixels; the {name} patch is outside, or under {_LEAST_SIDE} on a side"
        )
    part = photo[patch.y : patch.y + patch.height, patch.x : patch.x + patch.width].reshape(-1, 3)
    mean = part.mean(0)
    if mean.max() > _BRIGHTEST or mean.min() < _DARKEST:
        raise PhotographError(f"has a {name} patch that is clipped, which is no reference")
    if part.std(0).max() > _EVEN:
        raise PhotographError(f"has a {name} patch that is not even")
    return mean / 255
