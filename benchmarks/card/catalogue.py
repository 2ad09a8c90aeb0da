"""Tiles of a catalogue, drawn one after another by one engine: what `plitka catalogue` does on one card."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from card.bench import Bench
from card.predictions import loaded
from plitka.diffusion.engine import DiffusionEngine
from plitka.generation import draw_final
from plitka.request.tile_request import TileRequest

TILES = 6


def run(bench: Bench) -> None:
    """Final pictures alone, recorded where that is possible, from noise and from the plan's picture."""
    with loaded(bench, bench.fastest()) as engine:
        for name, guidance in (("from noise", 0.0), ("from the swatch", 0.5)):
            first = bench.request(color_guidance=guidance)
            requests = [replace(first, seed=first.seed + index) for index in range(TILES)]
            draw_final(first, engine)
            seconds = bench.seconds(partial(_draw, engine, requests))
            bench.emit(
                "catalogue",
                f"a tile of a catalogue, {name}",
                seconds=seconds / TILES,
                pictures_per_second=TILES / seconds,
            )


def _draw(engine: DiffusionEngine, requests: Sequence[TileRequest]) -> None:
    for request in requests:
        draw_final(request, engine)
