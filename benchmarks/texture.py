"""How much swatches look like photographs of real tiles: a texture distance, and what an outsider counts.

    python benchmarks/texture.py --photos FOLDER

FOLDER holds photographs named after their mix (`red.jpg`, `redp30_bluep70.jpg`), 1024 pixels wide, the tile
in the middle. They are no part of the repository. For each photograph a swatch of the mix is drawn and both
are described by the same statistics of lightness:

- spectrum: the shares of contrast in 14 octave-third bands from 1/128 to 1/2 cycles per pixel (log ratio),
- contrast: the standard deviation of L* (log ratio),
- sharpness: the median, 90th and 99th percentile of the gradient (log ratio),
- tones: the 1st to 99th percentiles of L* (difference over 20).

The texture distance is the root mean square of all of them: 0 for the same photograph. The distance between
two quarters of one photograph says what is small.
"""

import argparse
import re
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.fidelity import measure
from plitka.mix import Mix, palette_mix_color
from plitka.palette import PALETTE
from plitka.plan import make_plan
from plitka.swatch import draw_swatch

CROP = 640
BANDS = np.geomspace(1 / 128, 0.5, 15)
Image = NDArray[np.uint8]


def mix_of_name(stem: str) -> Mix:
    parts = [re.fullmatch(r"([a-z]+?)(?:p(\d+))?", part) for part in stem.split("_")]
    if not all(parts):
        raise SystemExit(f"{stem}: the file name does not say a mix")
    return tuple(palette_mix_color(PALETTE[m[1].upper()], int(m[2] or 100) / 100) for m in parts if m)


def middle(image: Image, side: int = CROP) -> Image:
    top, left = ((length - side) // 2 for length in image.shape[:2])
    return image[top : top + side, left : left + side]


def texture(image: Image) -> NDArray[np.float64]:
    """Log spectrum, log contrast, log sharpness and tones, scaled to be compared with each other."""
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
    return float(np.sqrt(np.mean((texture(one) - texture(other)) ** 2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--sheet", type=Path, help="write photographs and swatches side by side, as a PNG")
    arguments = parser.parse_args()
    rows: list[tuple[float, float]] = []
    pairs: list[Image] = []
    print(f"{'photograph':<38}{'itself':>8}{'swatch':>8}   largest share error, pp: photograph, swatch")
    for path in sorted(arguments.photos.glob("*.jpg")):
        photo = middle(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB))
        mix = mix_of_name(path.stem)
        swatch = middle(draw_swatch(make_plan(mix, 0, "surface", 1), 1024))
        quarters = photo[: CROP // 2, : CROP // 2], photo[CROP // 2 :, CROP // 2 :]
        rows.append((distance(*quarters), distance(photo, swatch)))
        errors = [measure(picture, mix).worst_error_pp for picture in (photo, swatch)]
        print(f"{path.stem:<38}{rows[-1][0]:>8.2f}{rows[-1][1]:>8.2f}   {errors[0]:.1f}, {errors[1]:.1f}")
        pairs.append(np.vstack([photo[:320, :320], swatch[:320, :320]]))
    print(f"{'median':<38}" + "".join(f"{value:>8.2f}" for value in np.median(rows, axis=0)))
    if arguments.sheet:
        columns = [np.vstack(pairs[i::6]) for i in range(6)]
        sheet = np.hstack([c for c in columns if len(c) == len(columns[0])])
        cv2.imwrite(str(arguments.sheet), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
