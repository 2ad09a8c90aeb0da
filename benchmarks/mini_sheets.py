"""Two pictures for the documentation from the sheet that `benchmarks/mini.py --sheet` writes.

    python benchmarks/mini_sheets.py build/sheet.png --out docs/images

`mini.jpg` is the sheet made smaller: a row each of swatches, pictures started from them, pictures from text
alone, without the LoRA, without the textual inversion. `mini_shuffled.jpg` holds pieces of two rows,
in random order, pixel for pixel: which are swatches is printed.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

ROWS = (
    "the swatch",
    "started from the swatch, the default",
    "from text alone",
    "from text, without the LoRA",
    "from text, without the textual inversion",
)
CAPTION, LETTERS = 26, 17
PICTURE = 512
THUMBNAIL = 224
PIECE = 256
QUALITY = 85


def small_sheet(sheet: Image.Image) -> Image.Image:
    """The whole sheet, every picture `THUMBNAIL` pixels wide, a caption above every row."""
    columns = sheet.width // PICTURE
    captioned = Image.new("RGB", (columns * THUMBNAIL, len(ROWS) * (CAPTION + THUMBNAIL)), "white")
    pen = ImageDraw.Draw(captioned)
    for row, caption in enumerate(ROWS):
        top = row * (CAPTION + THUMBNAIL)
        pen.text((6, top + CAPTION // 2), caption, "black", ImageFont.load_default(LETTERS), "lm")
        pictures = sheet.crop((0, row * PICTURE, columns * PICTURE, (row + 1) * PICTURE))
        small = pictures.resize((columns * THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
        captioned.paste(small, (0, top + CAPTION))
    return captioned


def shuffled(sheet: NDArray[np.uint8], seed: int = 0) -> tuple[NDArray[np.uint8], list[int]]:
    """Pieces of swatches and of pictures started from them in two rows, and the places of the swatches."""
    columns = sheet.shape[1] // PICTURE
    pieces = [
        sheet[row * PICTURE :, column * PICTURE :][PIECE // 2 :, PIECE // 2 :][:PIECE, :PIECE]
        for row in (0, 1)
        for column in range(columns)
    ]
    order = np.random.default_rng(seed).permutation(len(pieces))
    rows = [np.hstack([pieces[i] for i in half]) for half in (order[:columns], order[columns:])]
    return np.vstack(rows), [place + 1 for place, i in enumerate(order) if i < columns]


def main() -> None:
    """Write both pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    arguments = parser.parse_args()
    sheet = Image.open(arguments.sheet).convert("RGB")
    small_sheet(sheet).save(arguments.out / "mini.jpg", quality=QUALITY)
    mixed, places = shuffled(np.asarray(sheet))
    Image.fromarray(mixed).save(arguments.out / "mini_shuffled.jpg", quality=QUALITY)
    print(f"swatches, counted row by row: {', '.join(map(str, places))}")


if __name__ == "__main__":
    main()
