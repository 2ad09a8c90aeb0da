"""Milliseconds for the plan and each of its pictures, on one core.

    python benchmarks/speed.py [--repeats 9] [--layout surface]

Prints the median of the repeats for 512 and 1024 pixels beside the limits that the project has set itself,
and the time of a plain numpy job of the same run, so that machines can be compared. The processor's time is
counted, not the clock's: what else runs on the machine delays a job, and adds little to its processor time.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import get_args

import cv2
import numpy as np

from plitka.choices import CONTROL_KINDS, EDGE_KINDS, MAP_NAMES, Layout, MapName
from plitka.colors.mix import Mix, palette_mix_color
from plitka.colors.palette import PALETTE
from plitka.fidelity.measure import measure
from plitka.tile.albedo import draw_albedo
from plitka.tile.colormap import draw_colormap
from plitka.tile.control_image import draw_control
from plitka.tile.maps import PlanMaps
from plitka.tile.plan import TilePlan, make_plan
from plitka.tile.swatch import cached_swatch, draw_swatch

# Of the plan, made once per tile, and of all its pictures together.
PLAN_LIMIT_MS = 330
PICTURES_LIMIT_MS = {512: 90, 1024: 270}
CODES = ("RED", "DKGREEN", "BLUE", "YELLOW")


def milliseconds(job: Callable[[], object], repeats: int) -> float:
    def once() -> float:
        start = time.process_time()
        job()
        return (time.process_time() - start) * 1000

    once()
    return statistics.median(once() for _ in range(repeats))


def draw_map(plan: TilePlan, size: int, name: MapName) -> None:
    PlanMaps(plan, size).draw(name)


def draw_maps(plan: TilePlan, size: int) -> None:
    maps = PlanMaps(plan, size)
    for name in MAP_NAMES:
        maps.draw(name)


def measure_size(mix: Mix, layout: str, size: int, repeats: int) -> dict[str, float]:
    plan = make_plan(mix, 30, layout, 1)
    picture = draw_swatch(plan, size)
    stages: dict[str, Callable[[], object]] = {
        "plan": lambda: make_plan(mix, 30, layout, 1),
        "swatch": lambda: cached_swatch.__wrapped__(plan, size),
        "colormap": lambda: draw_colormap(plan, size),
    }
    stages |= {kind: partial(draw_control, plan, kind, size) for kind in EDGE_KINDS}
    times = {name: milliseconds(job, repeats) for name, job in stages.items()}
    times["all pictures"] = sum(times.values()) - times["plan"]
    # Of the surface, for ControlNets that want it.
    for kind in CONTROL_KINDS:
        if kind not in EDGE_KINDS:
            times[kind] = milliseconds(partial(draw_control, plan, kind, size), repeats)
    # Each map alone; what several need, such as the light, is made once for all of them.
    for name in MAP_NAMES:
        times[f"map: {name}"] = milliseconds(partial(draw_map, plan, size, name), repeats)
    times["all maps"] = milliseconds(lambda: draw_maps(plan, size), repeats)
    times["base colour, alone"] = milliseconds(lambda: draw_albedo(PlanMaps(plan, size)), repeats)
    times["(measuring it)"] = milliseconds(lambda: measure(picture, mix, plan), repeats)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--layout", choices=get_args(Layout), default="surface")
    given = parser.parse_args()
    repeats = given.repeats
    cv2.setNumThreads(1)
    mix = tuple(palette_mix_color(PALETTE[code], 0.25) for code in CODES)
    noise = np.random.default_rng(0).random(2**20)
    print(f"yardstick: sorting 2^20 doubles takes {milliseconds(lambda: np.sort(noise), repeats):.0f} ms\n")
    columns = {size: measure_size(mix, given.layout, size, repeats) for size in PICTURES_LIMIT_MS}
    print(f"{'ms':<20}" + "".join(f"{size:>8}²" for size in columns))
    for stage in columns[512]:
        print(f"{stage:<20}" + "".join(f"{times[stage]:>9.1f}" for times in columns.values()))
    print(f"{'limit of the plan':<20}" + f"{PLAN_LIMIT_MS:>9}" * len(columns))
    print(f"{'limit of pictures':<20}" + "".join(f"{limit:>9}" for limit in PICTURES_LIMIT_MS.values()))


if __name__ == "__main__":
    main()
