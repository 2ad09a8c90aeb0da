"""Sample sheets: pictures in rows, as a stage sees them, to be looked at while it trains."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

GAP = 4


def write_sheet(path: Path, rows: Sequence[Sequence[NDArray[np.uint8]]]) -> None:
    """Write rows of (h, w, 3) uint8 pictures of one size as one PNG, white between them."""
    height, width = rows[0][0].shape[:2]
    columns = max(len(row) for row in rows)
    size = (len(rows) * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3)
    sheet = np.full(size, 255, np.uint8)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            top, left = i * (height + GAP), j * (width + GAP)
            sheet[top : top + height, left : left + width] = picture
    Image.fromarray(sheet).save(path)


def to_tensor(pictures: NDArray[np.uint8]) -> torch.Tensor:
    """(n, h, w, 3) uint8 to (n, 3, h, w) float32 from -1 to 1."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_pictures(pixels: torch.Tensor) -> NDArray[np.uint8]:
    """(n, 3, h, w) from -1 to 1 to (n, h, w, 3) uint8."""
    scaled = ((pixels.detach().float().cpu().clamp(-1, 1) + 1) * 127.5).round()
    return scaled.byte().permute(0, 2, 3, 1).numpy()
