"""What the texture of a small square of a picture is like, in numbers that do not know its colours.

The features are of the kinds by which pictures are told from photographs in forensics and texture
recognition: energies and kurtosis of a Laplacian pyramid (Burt & Adelson 1983; Farid & Lyu 2003),
correlations of its bands, gradients, and rotation-invariant uniform local binary patterns (Ojala et al.
2002).
"""

import itertools

import cv2
import numpy as np
from numpy.typing import NDArray

PATCH = 96
LEVELS = 5
PATTERN_RADII = (1, 2, 4)
# The least a lightness counts as an edge between granules: a tenth of the range of L*.
STRONG_STEP = 10.0
Image = NDArray[np.uint8]
Plane = NDArray[np.float32]


def patches(image: Image) -> list[Image]:
    """Every whole patch of `PATCH` pixels of a picture (height, width, 3), side by side from its middle."""
    rows, columns = image.shape[0] // PATCH, image.shape[1] // PATCH
    top, left = (image.shape[0] - rows * PATCH) // 2, (image.shape[1] - columns * PATCH) // 2
    return [
        image[top + row * PATCH :, left + column * PATCH :][:PATCH, :PATCH]
        for row in range(rows)
        for column in range(columns)
    ]


def describe(patch: Image) -> NDArray[np.float64]:
    """The features of one patch, (PATCH, PATCH, 3) uint8 sRGB: a vector of finite numbers."""
    lightness, a, b = cv2.split(cv2.cvtColor(patch.astype(np.float32) / 255, cv2.COLOR_RGB2Lab))
    pyramids = [_bands(plane) for plane in (lightness, a, b)]
    return np.concatenate(
        [
            _band_shapes(pyramids[0]),
            _chroma(pyramids),
            _correlations(pyramids),
            _gradients(lightness),
            *(_binary_patterns(lightness, radius) for radius in PATTERN_RADII),
        ]
    )


def _bands(plane: Plane) -> list[Plane]:
    """Laplacian pyramid, finest band first; each band has its own resolution."""
    bands = []
    for _ in range(LEVELS):
        smaller = cv2.pyrDown(plane)
        bands.append(plane - cv2.pyrUp(smaller, dstsize=plane.shape[::-1]))
        plane = smaller
    return bands


def _band_shapes(bands: list[Plane]) -> NDArray[np.float64]:
    """Energy, kurtosis and skewness of every band of lightness, energies also by the whole contrast."""
    deviations = np.array([band.std() + 1e-3 for band in bands])
    centred = [(band - band.mean()) / deviation for band, deviation in zip(bands, deviations, strict=True)]
    kurtosis = np.log([np.mean(band**4) + 1e-3 for band in centred])
    skewness = np.array([np.mean(band**3) for band in centred])
    return np.concatenate(
        [np.log(deviations), np.log(deviations / np.hypot.reduce(deviations)), kurtosis, skewness]
    )


def _chroma(pyramids: list[list[Plane]]) -> NDArray[np.float64]:
    """How the contrast of colour falls off from coarse to fine, beside that of lightness."""
    lightness, *chroma = ([np.log(band.std() + 0.05) for band in bands] for bands in pyramids)
    both = np.logaddexp(*np.array(chroma))
    return np.concatenate([both, both - np.array(lightness), np.diff(both)])


def _correlations(pyramids: list[list[Plane]]) -> NDArray[np.float64]:
    """Of neighbouring bands' strengths, and of lightness with each direction of colour within a band."""
    lightness, a, b = pyramids
    found = []
    for fine, coarse in itertools.pairwise(lightness):
        found.append(_correlation(np.abs(fine), np.abs(cv2.resize(coarse, fine.shape[::-1]))))
    for other in (a, b):
        found += [abs(_correlation(one, two)) for one, two in zip(lightness[:3], other[:3], strict=True)]
    return np.array(found)


def _correlation(one: Plane, other: Plane) -> float:
    one, other = one - one.mean(), other - other.mean()
    return float((one * other).mean() / (one.std() * other.std() + 1e-3))


def _gradients(lightness: Plane) -> NDArray[np.float64]:
    """How steep, how abrupt: percentiles of the gradient, and how much of a strong edge is one pixel wide."""
    across = np.abs(np.diff(lightness, axis=1))[2:-2]
    down = np.abs(np.diff(lightness, axis=0))[:, 2:-2].T
    steps = np.concatenate([across, down])
    levels = np.log(np.percentile(steps, [10, 25, 50, 75, 90, 99]) + 0.05)
    middle = steps[:, 1:-1]
    is_edge = (middle > STRONG_STEP) & (middle >= steps[:, :-2]) & (middle >= steps[:, 2:])
    whole = middle + steps[:, :-2] + steps[:, 2:]
    abrupt = float((middle[is_edge] / whole[is_edge]).mean()) if is_edge.any() else 0.5
    return np.array([*levels, levels[-1] - levels[2], abrupt, np.log(is_edge.mean() + 1e-3)])


def _binary_patterns(lightness: Plane, radius: int) -> NDArray[np.float64]:
    """Shares of the ten rotation-invariant uniform patterns of eight neighbours at `radius` pixels."""
    height, width = lightness.shape
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    turns = 2 * np.pi * np.arange(8) / 8
    brighter = np.stack(
        [
            cv2.remap(
                lightness,
                columns + np.float32(radius * np.cos(turn)),
                rows + np.float32(radius * np.sin(turn)),
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REFLECT,
            )
            >= lightness
            for turn in turns
        ]
    )
    changes = (brighter != np.roll(brighter, 1, axis=0)).sum(axis=0)
    patterns = np.where(changes <= 2, brighter.sum(axis=0), 9)
    shares: NDArray[np.float64] = np.bincount(patterns.ravel(), minlength=10) / patterns.size
    return np.sqrt(shares)
