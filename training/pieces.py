"""Folders of pictures with captions, for the adapter trainer, cut from the stored tiles."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from training.captions import caption, mix_words
from training.data import TILE, Style, TileStore, crop_shares
from training.data_check import check_captions
from training.pictures import METADATA, Picture


def write_pieces(
    store: TileStore, folder: Path, parts: Mapping[Style, float], count: int, size: int, seed: int
) -> None:
    """Write `count` pieces of `size` pixels, in styles chosen with probabilities `parts`.

    Captions state each piece's own measured shares. Pieces whose colours are too much alike to be told apart
    by measuring are left out, as are those of hex colours that look unlike their words. An earlier folder is
    kept as it is.
    """
    if (folder / METADATA).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, 1])
    lines: list[str] = []
    while len(lines) < count:
        number = int(rng.integers(len(store.tiles)))
        tile = store.tiles[number]
        if not tile.is_faithful:
            continue
        style: Style = list(parts)[int(rng.choice(len(parts), p=list(parts.values())))]
        top, left = (int(8 * rng.integers((TILE - size) // 8 + 1)) for _ in range(2))
        window = slice(top, top + size), slice(left, left + size)
        path = folder / f"{len(lines):05d}.png"
        Image.fromarray(store.planes[style][number][window]).save(path, compress_level=1)
        shares = crop_shares(store.planes["colors"][number][window], len(tile.words))
        text = caption(style, mix_words(tile.words, list(shares)), rng)
        piece = Picture(path, text, (tile.view, tile.view))
        if style == "crumb" and check_captions([piece]).disagreements:
            continue
        fields = {"file_name": path.name, "text": text, "original_size": [tile.view, tile.view]}
        fields["crop_top_left"] = [tile.top + top, tile.left + left] if rng.random() < 0.5 else [0, 0]
        lines.append(json.dumps(fields))
    (folder / METADATA).write_text("\n".join(lines) + "\n", encoding="utf-8")
