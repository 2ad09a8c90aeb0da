"""Pictures of the plan as files: everything that can be seen before a model runs."""

from collections.abc import Iterator

from plitka.choices import CONTROL_PICTURES
from plitka.engine.render import RenderEngine
from plitka.output.provenance import encode, encode_map, provenance_of
from plitka.request.drawing_settings import prompt_of, settings_for
from plitka.request.tile_request import TileRequest
from plitka.tile.colormap import draw_colormap
from plitka.tile.control_image import draw_control
from plitka.tile.maps import PlanMaps
from plitka.tile.plan import TilePlan
from plitka.tile.swatch import draw_swatch


def draw_plan_pictures(request: TileRequest, plan: TilePlan, size: int) -> Iterator[tuple[str, bytes]]:
    """Yield file name and bytes of colour map, swatch, every control image and the maps that are asked for.

    All are PNG, `size` pixels wide.

    They carry the request as every picture does, with `render` as their engine.
    """
    engine = RenderEngine()
    prompt = prompt_of(request, settings_for(request, engine.defaults))
    images = {"colormap": draw_colormap(plan, size), "swatch": draw_swatch(plan, size)}
    maps = PlanMaps(plan, size)
    images |= {name: draw_control(plan, kind, size, maps) for kind, name in CONTROL_PICTURES.items()}
    for name, image in images.items():
        provenance = provenance_of(
            name, request, prompt, engine.name, engine.identity(request.adapter, request.quality)
        )
        yield f"{name}.png", encode(image, "png", provenance)
    for wanted in request.maps:
        drawn = maps.draw(wanted, request.normal_convention)
        provenance = provenance_of(
            wanted, request, prompt, engine.name, engine.identity(request.adapter, request.quality)
        )
        yield f"{wanted}.png", encode_map(drawn, provenance)
