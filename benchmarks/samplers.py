"""Every sampler on one sheet, with its seconds and its colour error.

    python benchmarks/samplers.py [--mixes 2] [--pixels 256] [--sheet FILE] [--report FILE]

Draws the same mixes with every sampler of the embedded model, from the plan and from noise, and prints one
line of JSON for each: steps, calls of the UNet, seconds of the processor for a picture and error of the worst
share without the plan in percentage points, as drawn, before any correction. The sheet shows the last mix:
first all of them from the plan, then from noise.
"""

import argparse
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
from guidance_interval import WAYS, Timed, drawn
from mini import fixed_mixes, make_job
from PIL import Image, ImageDraw, ImageFont

from plitka.choices import Scheduler
from plitka.diffusion.engine import DiffusionEngine
from plitka.fidelity.measure import measure

CAPTION, LETTERS, QUALITY, COLUMNS = 22, 15, 88, 5


def evaluate(mixes: int, pixels: int) -> Iterator[tuple[dict[str, Any], Timed]]:
    """Yield the figures of every way and sampler, and the picture of the last mix."""
    engine = DiffusionEngine.load("mini", preview_size=pixels, final_size=2 * pixels)
    requests = fixed_mixes(mixes + 1)[1:]
    # What is loaded and chosen at first use is no part of the seconds.
    drawn(engine, make_job(requests[0], engine.defaults), "preview")
    for way, color_guidance in WAYS.items():
        for sampler in get_args(Scheduler):
            given = {"scheduler": sampler, "color_guidance": color_guidance}
            jobs = [make_job(colors, engine.defaults, **given) for colors in requests]
            results = [drawn(engine, job, "preview") for job in jobs]
            errors = [
                measure(result.drawing.image, job.request.mix).worst_error_pp
                for result, job in zip(results, jobs, strict=True)
            ]
            drawing = results[-1].drawing
            yield (
                {
                    "way": way,
                    "sampler": sampler,
                    "steps": drawing.steps_run,
                    "unet_calls": drawing.denoising.unet_calls if drawing.denoising else 0,
                    "processor_seconds": statistics.mean(result.processor_seconds for result in results),
                    "worst_error_pp": statistics.mean(errors),
                    "pictures": len(results),
                },
                results[-1],
            )


def sheet_of(pictures: list[tuple[str, np.ndarray[Any, Any]]]) -> Image.Image:
    """Pictures of one size in rows of `COLUMNS`, a caption above each."""
    side = len(pictures[0][1])
    rows = -(-len(pictures) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * side, rows * (CAPTION + side)), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (caption, picture) in enumerate(pictures):
        left, top = number % COLUMNS * side, number // COLUMNS * (CAPTION + side)
        pen.text((left + 4, top + CAPTION // 2), caption, "black", ImageFont.load_default(LETTERS), "lm")
        sheet.paste(Image.fromarray(picture), (left, top + CAPTION))
    return sheet


def main() -> None:
    """Measure, and draw the sheet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mixes", type=int, default=2)
    parser.add_argument("--pixels", type=int, default=256)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args()
    figures, pictures = [], []
    for figure, result in evaluate(arguments.mixes, arguments.pixels):
        print(json.dumps(figure), flush=True)
        figures.append(figure)
        pictures.append((f"{figure['sampler']}, {figure['way']}", result.drawing.image))
    if arguments.sheet:
        sheet_of(pictures).save(arguments.sheet, quality=QUALITY)
    if arguments.report:
        arguments.report.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
