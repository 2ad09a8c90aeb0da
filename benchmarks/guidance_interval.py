"""What an interval of guidance costs in colour and texture, and what it saves in seconds.

    python benchmarks/guidance_interval.py [--engine mini] [--mixes 12] [--picture preview] [--report FILE]

Draws the same mixes with guidance at every step and with guidance in each interval, from the plan and from
noise, and prints one line of JSON for each: steps with guidance, seconds for a picture and those of the
processor in it, error of the worst share without the plan in percentage points, texture distance to the
swatch (plitka/fidelity/texture.py), and how far the picture is from the one that is guided at every step
(mean ΔE76 and texture distance).
"""

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mini import Image, fixed_mixes, make_job

from plitka.diffusion.engine import DiffusionEngine
from plitka.engine.protocol import Drawing, Job
from plitka.fidelity.measure import measure
from plitka.fidelity.texture import distance
from plitka.tile.swatch import draw_swatch

# None: at every step. The first one is that of the paper for SDXL (https://arxiv.org/abs/2404.07724).
INTERVALS: tuple[tuple[float, float] | None, ...] = (
    None,
    (0.28, 5.42),
    (0.14, 5.42),
    (0.56, 5.42),
    (0.28, 10_000),
)
WAYS = {"from the plan": 0.5, "from noise": 0.0}


@dataclass(frozen=True)
class Timed:
    """A picture, the seconds that it took, and those of the processor in it."""

    drawing: Drawing
    seconds: float
    processor_seconds: float


def drawn(engine: DiffusionEngine, job: Job, picture: str) -> Timed:
    """A picture of a job, "preview" or "final"."""
    drawings = engine.draw(job)
    since, since_busy = time.perf_counter(), time.process_time()
    for drawing in drawings:
        if drawing.name == picture:
            timed = Timed(drawing, time.perf_counter() - since, time.process_time() - since_busy)
            drawings.close()
            return timed
        since, since_busy = time.perf_counter(), time.process_time()
    raise ValueError(f"the engine draws no {picture}")


def evaluate(engine: DiffusionEngine, mixes: int, picture: str) -> Iterator[dict[str, Any]]:
    """Yield the figures of every way and interval."""
    requests = fixed_mixes(mixes)
    # What is loaded and chosen at first use is no part of the seconds.
    drawn(engine, make_job(requests[0], engine.defaults), picture)
    for way, color_guidance in WAYS.items():
        guided: list[Image] = []
        for interval in INTERVALS:
            given: dict[str, Any] = {"guidance_interval": interval} if interval else {}
            jobs = [
                make_job(colors, engine.defaults, color_guidance=color_guidance, **given)
                for colors in requests
            ]
            results = [drawn(engine, job, picture) for job in jobs]
            guided = guided or [result.drawing.image for result in results]
            yield {"way": way, "interval": interval, **figures_of(jobs, results, guided)}


def figures_of(jobs: Sequence[Job], results: Sequence[Timed], guided: Sequence[Image]) -> dict[str, Any]:
    """Medians over the pictures of one interval; `guided` are those with guidance at every step."""
    images = [result.drawing.image for result in results]
    errors = [measure(image, job.request.mix).worst_error_pp for image, job in zip(images, jobs, strict=True)]
    swatches = [draw_swatch(job.plan, len(image)) for image, job in zip(images, jobs, strict=True)]
    pairs = list(zip(images, guided, strict=True))
    return {
        "approximations": _approximations(results[0].drawing),
        "seconds_median": round(statistics.median(result.seconds for result in results), 3),
        "processor_seconds_median": round(
            statistics.median(result.processor_seconds for result in results), 3
        ),
        "worst_error_pp_median": round(statistics.median(errors), 2),
        "worst_error_pp_max": round(max(errors), 2),
        "texture_distance_median": round(
            statistics.median(itertools.starmap(distance, zip(images, swatches, strict=True))), 3
        ),
        "delta_e_to_guided_median": round(statistics.median(itertools.starmap(mean_delta_e, pairs)), 2),
        "texture_distance_to_guided_median": round(statistics.median(itertools.starmap(distance, pairs)), 3),
        "pictures": len(images),
        "pixels": len(images[0]),
    }


def _approximations(drawing: Drawing) -> list[str]:
    return list(drawing.denoising.approximations) if drawing.denoising else []


def mean_delta_e(one: Image, other: Image) -> float:
    """Mean distance in CIELAB of two pictures, pixel by pixel."""
    first, second = (
        cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab) for image in (one, other)
    )
    return float(np.linalg.norm(first - second, axis=2).mean())


def main() -> None:
    """Measure an engine whose weights are where `PLITKA_MODEL_DIR` says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--engine", choices=["mini", "sdxl"], default="mini")
    parser.add_argument("--mixes", type=int, default=12)
    parser.add_argument("--picture", choices=["preview", "final"], default="preview")
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args()
    engine = DiffusionEngine.load(arguments.engine)
    figures = []
    for figure in evaluate(engine, arguments.mixes, arguments.picture):
        print(json.dumps(figure), flush=True)
        figures.append(figure)
    if arguments.report:
        arguments.report.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
