"""The final picture with 16 bits a channel, as the engine without a model computes it."""

import numpy as np
from numpy.typing import NDArray

from plitka.output.scale_bar import with_scale_bar
from plitka.request.tile_request import TileRequest
from plitka.tile.plan import plan_for
from plitka.tile.swatch import draw_deep_swatch


def deep_picture(request: TileRequest) -> NDArray[np.uint16]:
    """(height, width, 3) uint16 sRGB: the final picture of the `render` engine before it is rounded."""
    deep = draw_deep_swatch(plan_for(request), request.scale.width, np.uint16)
    return with_scale_bar(deep, request.scale.width_mm) if request.overrides.scale_bar else deep
