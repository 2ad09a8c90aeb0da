"""Training examples for the UNet: tiles as latents, encoded once, cut with their captions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training.captions import EMPTY, caption, mix_words
from training.data import TILE, VIEWS, Style, TileStore, crop_shares
from training.precision import autocast
from training.sheets import to_tensor

# Part of the examples whose prompt says nothing, so that guidance has something to guide away from.
EMPTY_PART = 0.1


@dataclass(frozen=True)
class Batch:
    """Examples of one step.

    `latents` (n, c, side, side) float32; `captions` n prompts; `time_ids` (n, 6) float32, SDXL's original
    size, crop corner and target size; `edges` (n, 3, side * factor, side * factor) float32 from 0 to 1, one
    channel for each of EDGE_KINDS.
    """

    latents: torch.Tensor
    captions: tuple[str, ...]
    time_ids: torch.Tensor
    edges: torch.Tensor


class LatentStore:
    """The latents of the first `count` tiles of a store in one style, (count, c, side, side) float16."""

    def __init__(self, store: TileStore, folder: Path, style: Style, count: int, vae: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.store, self.style = store, style
        self.factor = 2 ** (len(vae.config.block_out_channels) - 1)
        self._path, self._done = folder / f"{style}.npy", folder / f"{style}.done"
        side = TILE // self.factor
        shape = (count, vae.config.latent_channels, side, side)
        if self._path.exists():
            self.latents: NDArray[np.float16] = np.lib.format.open_memmap(self._path, "r+")
            if self.latents.shape != shape:
                raise ValueError(f"{self._path}: it holds {self.latents.shape}, not {shape}; remove it")
        else:
            self.latents = np.lib.format.open_memmap(self._path, "w+", np.float16, shape)

    def encode(self, vae: Any, device: str) -> Iterator[int]:
        """Encode the missing tiles; yields each one's number. Can be broken off and resumed."""
        done = int(self._done.read_text()) if self._done.exists() else 0
        for number in range(done, len(self.latents)):
            pixels = to_tensor(self.store.planes[self.style][number : number + 1]).to(device)
            with torch.no_grad(), autocast(device):
                self.latents[number] = vae.encode(pixels).latent_dist.mode()[0].float().cpu().numpy()
            self._done.write_text(str(number + 1))
            yield number

    def example(
        self, rng: np.random.Generator, side: int
    ) -> tuple[NDArray[np.float16], str, list[float], NDArray[np.uint8]]:
        """A random piece, `side` latents wide: latents, caption of its own shares, time ids, edges."""
        number = int(rng.integers(len(self.latents)))
        tile = self.store.tiles[number]
        row, column = (int(v) for v in rng.integers(0, self.latents.shape[-1] - side + 1, 2))
        top, left, size = row * self.factor, column * self.factor, side * self.factor
        window = slice(top, top + size), slice(left, left + size)
        shares = crop_shares(self.store.planes["colors"][number][window], len(tile.words))
        if rng.random() < EMPTY_PART or not tile.is_faithful:
            text = str(rng.choice(EMPTY))
        else:
            text = caption(self.style, mix_words(tile.words, list(shares)), rng)
        # At inference a picture is whole: the corner is (0, 0), so half of the examples say so.
        corner = (tile.top + top, tile.left + left) if rng.random() < 0.5 else (0, 0)
        time_ids = [tile.view, tile.view, *corner, tile.view, tile.view]
        latents = self.latents[number, :, row : row + side, column : column + side]
        return latents, text, [float(v) for v in time_ids], self.store.planes["edges"][number][window]


def draw_batch(
    stores: Sequence[LatentStore], parts: Sequence[float], rng: np.random.Generator, count: int, side: int
) -> Batch:
    """`count` examples from stores chosen with probabilities `parts`."""
    chosen = rng.choice(len(stores), count, p=parts)
    examples = [stores[int(i)].example(rng, side) for i in chosen]
    latents, captions, time_ids, edges = zip(*examples, strict=True)
    return Batch(
        torch.from_numpy(np.stack(latents)).float(),
        captions,
        torch.tensor(time_ids),
        torch.from_numpy(np.stack(edges)).permute(0, 3, 1, 2).float() / 255,
    )


def forget_size(time_ids: torch.Tensor, timesteps: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Claim the larger picture size for half of the examples at low noise.

    Preview and final picture are both asked for with the final one's size. When a picture starts from the
    swatch, its scale can be seen, whatever the words say.
    """
    claimed = (timesteps.cpu() < 600) & torch.from_numpy(rng.random(len(time_ids)) < 0.5)
    sizes = torch.tensor([VIEWS[1], VIEWS[1], 0, 0, VIEWS[1], VIEWS[1]], dtype=torch.float32)
    return torch.where(claimed[:, None], sizes, time_ids)
