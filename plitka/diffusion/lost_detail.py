"""What a VAE cannot carry of fine granules, put back into the picture.

A latent pixel is several pixels wide. Granules little wider run into each other in the VAE, whatever the UNet
does: it draws larger ones in mixed colours. The loss is known, since the picture starts from the swatch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from plitka.tile.plan import FINE_PIXELS, TilePlan

if TYPE_CHECKING:
    from plitka.diffusion.pipelines import Pipelines


def loses_detail(plan: TilePlan, width: int) -> bool:
    """Whether granules in a picture `width` pixels wide are finer than VAEs carry."""
    return plan.granule_pixels(width) < FINE_PIXELS


def with_lost_detail(
    pipelines: Pipelines, image: NDArray[np.uint8], swatch: Image.Image
) -> NDArray[np.uint8]:
    """A picture with what the VAE loses of the swatch that it started from.

    `image` is (height, width, 3) uint8 sRGB, `swatch` of the same size. Raises NonFiniteImageError if the VAE
    overflows.
    """
    carried = pipelines.decode(pipelines.encode(swatch))
    lost = np.asarray(swatch).astype(np.int16) - carried
    restored: NDArray[np.uint8] = np.clip(image + lost, 0, 255).astype(np.uint8)
    return restored
