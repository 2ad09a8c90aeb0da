"""How the texture of a picture differs from that of the swatch that its plan gives, without a photograph.

Both are described by the same statistics of lightness:

- spectrum: the shares of contrast in 14 octave-third bands from 1/128 to 1/2 cycles per pixel (log ratio),
- contrast: the standard deviation of L* (log ratio),
- sharpness: the median, 90th and 99th percentile of the gradient (log ratio),
- tones: the 1st to 99th percentiles of L* (difference over 20).

The distance is the root mean square of all of them: 0 for the same picture. It says whether a model keeps the
texture that it was given, and nothing about photographs: whole pictures can agree in all of it and be told
apart at a glance. For those there is `benchmarks/realism.py`.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

BANDS = np.geomspace(1 / 128, 0.5, 15)
Image = NDArray[np.uint8]


def texture(image: Image) -> NDArray[np.float64]:
    """Log spectrum, log contrast, log sharpness and tones, scaled to be compared with each other.

    `image` is (height, width, 3) uint8 sRGB.
    """
    lightness = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)[..., 0]
    window = np.outer(np.hanning(len(lightness)), np.hanning(lightness.shape[1]))
    power = np.abs(np.fft.fft2((lightness - lightness.mean()) * window)) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(power.shape[1]), np.fft.fftfreq(power.shape[0])))
    bands = np.bincount(np.digitize(frequency.ravel(), BANDS), power.ravel(), len(BANDS) + 1)[1:-1]
    gradient = np.hypot(cv2.Sobel(lightness, cv2.CV_32F, 1, 0), cv2.Sobel(lightness, cv2.CV_32F, 0, 1))
    sharpness = np.log(np.percentile(gradient, [50, 90, 99]))
    tones = np.percentile(lightness, [1, 5, 25, 50, 75, 95, 99]) / 20
    return np.concatenate([np.log(bands / bands.sum()), [np.log(lightness.std())], sharpness, tones])


def relative_sharpness(one: Image, other: Image) -> float:
    """Sharpness of one picture by that of another: the 90th percentile of the gradient of L*."""
    return float(np.exp((texture(one) - texture(other))[len(BANDS) + 1]))


def distance(one: Image, other: Image) -> float:
    """The distance of two pictures of the same size, 0 or more, without a unit."""
    return float(np.sqrt(np.mean((texture(one) - texture(other)) ** 2)))
