"""Whether every process draws the same bytes, in each way of drawing, and what each way takes.

One process draws a request twice and with a ControlNet; another first draws other requests, with another
angle and another scale of the LoRA. Compiled code is compiled by each of them for itself; a third process
gets a copy of the first one's compiler cache, as an image may carry it. The last part compares their hashes.
"""

import hashlib
import statistics
from contextlib import closing
from dataclasses import replace
from typing import Any

from card.bench import Bench
from card.figures import Figure
from card.predictions import Prediction, predict
from card.ways import PARTS, SECTIONS, WAYS, Way
from plitka.diffusion.acceleration import Acceleration
from plitka.diffusion.engine import DiffusionEngine
from plitka.request.tile_request import TileRequest

SECTION = "processes"
BASE, CONTROLNET = "base", "ControlNet"


def run_process(bench: Bench, part: str) -> None:
    """Draw what is compared, in one process of one way."""
    name, number = PARTS[part]
    way = WAYS[name]
    if way.recorded and not bench.records:
        return
    phases: dict[str, float] = {}
    with closing(bench.load_engine(_acceleration(bench, way), phases)) as engine:
        if number > 1:
            for other in _others(bench):
                predict(bench, engine, other)
        hashes = {case: [_drawn(bench, engine, request)] for case, request in _cases(bench).items()}
        for case, request in _cases(bench).items():
            hashes[case].append(_drawn(bench, engine, request))
        runs = [predict(bench, engine, bench.request()).seconds for _ in range(bench.repeats)]
        bench.emit(
            SECTION,
            _figure(name, number),
            process_seconds=statistics.median(runs),
            warm_up=phases.get("warm-up"),
            hashes=hashes,
        )


def compare(bench: Bench, section: str) -> None:
    """Compare what the processes of each way of a section have drawn."""
    for name in SECTIONS[section]:
        way = WAYS[name]
        found = [bench.find(_figure(name, number)) for number in range(1, way.processes + 1)]
        known = [figure for figure in found if figure]
        if len(known) > 1:
            bench.emit(SECTION, f"processes: {name}", **compared(known))


def compared(known: list[Figure]) -> dict[str, Any]:
    """Whether processes agree, from the figures of two or more; their seconds, and a third one's warm-up."""
    first = known[0]["hashes"]
    hashes = [figure["hashes"] for figure in known]
    warm_up = known[2]["warm_up"] if len(known) > 2 else None
    return {
        "seconds": statistics.median(figure["process_seconds"] for figure in known),
        "same_in_one_process": all(len(set(drawn)) == 1 for cases in hashes for drawn in cases.values()),
        "same_in_another_process": all(cases[BASE] == first[BASE] for cases in hashes[:2]),
        "same_with_controlnet": all(cases[CONTROLNET] == first[CONTROLNET] for cases in hashes[:2]),
        "same_with_cache": hashes[2] == first if len(known) > 2 else None,
        "warm_up_with_cache": warm_up,
    }


def _acceleration(bench: Bench, way: Way) -> Acceleration:
    """What the engine is told; compiled code is recorded too where that is possible."""
    graphs = bench.records and (way.recorded or way.compiled)
    return replace(bench.eager(), graphs=graphs, compile="blocks" if way.compiled else "off")


def _figure(name: str, number: int) -> str:
    return f"process {number}, {name}"


def _cases(bench: Bench) -> dict[str, TileRequest]:
    return {BASE: bench.request(), CONTROLNET: bench.request(use_controlnet=True)}


def _others(bench: Bench) -> list[TileRequest]:
    return [bench.request(45, color_guidance=0.5, lora_scale=0.5), bench.request(lora_scale=0)]


def _drawn(bench: Bench, engine: DiffusionEngine, request: TileRequest) -> str:
    return hash_of(predict(bench, engine, request))


def hash_of(prediction: Prediction) -> str:
    """SHA-256 of every file of a prediction, one after the other."""
    return hashlib.sha256(b"".join(result.data for result in prediction.results)).hexdigest()
