"""Normal noise of several sizes of bumps, laid over a map; on one that wraps it goes on over the edges."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plitka.tile.canvas import GRANULES_ACROSS, Canvas, stretched

_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Noise:
    """Where noise is laid.

    Numbers of bumps are meant for a width of GRANULES_ACROSS pitches; a map of more pitches has more of them.

    Attributes:
        pitches: Width and height of the map.
        finest: Rows and columns that no noise has more of.
        wraps: Whether it goes on over the edges.
    """

    pitches: tuple[float, float]
    finest: tuple[int, int]
    wraps: bool

    def octaves(self, rng: np.random.Generator, octaves: Iterable[tuple[int, float]]) -> _Floats:
        """A sum of normal noise; of each octave, coarse to fine, bumps and deviation.

        The result has as many rows and columns as there are bumps in the last octave.
        """
        noise = np.zeros((1, 1), np.float32)
        for bumps, deviation in octaves:
            shape = self.bumps(bumps)
            finer = rng.standard_normal(shape, np.float32)
            finer *= np.float32(deviation)
            finer += stretched(noise, shape, self.wraps) if noise.size > 1 else noise
            noise = finer
        return noise

    def bumps(self, bumps: int) -> tuple[int, int]:
        """Rows and columns of bumps on this map."""
        across, down = (max(1, round(bumps * side / GRANULES_ACROSS)) for side in self.pitches)
        return min(down, self.finest[0]), min(across, self.finest[1])


def noise_on_picture(canvas: Canvas) -> Noise:
    """Noise over a whole picture."""
    across, down = canvas.pitches, canvas.pitches * canvas.fine_height / canvas.fine_width
    return Noise((across, down), (canvas.fine_height, canvas.fine_width), canvas.seamless)


def noise_on_heap(canvas: Canvas) -> Noise:
    """Noise over the heap, which a picture may repeat."""
    width, height = canvas.period
    return Noise(canvas.heap, (height, width), canvas.wraps)
