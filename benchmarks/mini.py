"""The figures of the finished model, drawn by the engine that ships it.

    python benchmarks/mini.py --models FOLDER [--mixes 12] [--angles 16] [--report FILE]

FOLDER is a model folder with a manifest that lists `mini`. Prints one line of JSON for every figure:
errors of shares in percentage points, texture distances (plitka/fidelity/texture.py), joints, ablations,
seconds.
"""

import argparse
import json
import os
import resource
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Picture

from plitka.choices import ControlKind
from plitka.colors.palette import PALETTE, delta_e00
from plitka.diffusion.adapters.switch import AdapterSwitch
from plitka.diffusion.engine import DiffusionEngine
from plitka.engine.protocol import Job, job_for
from plitka.fidelity.joint_angle import angle_error, joint_angle
from plitka.fidelity.measure import measure
from plitka.fidelity.texture import distance, relative_sharpness
from plitka.request.drawing_settings import EngineDefaults
from plitka.request.profiles import Profile
from plitka.request.tile_request import parse_request
from plitka.tile.swatch import draw_swatch

Image = NDArray[np.uint8]
# Colours more alike than this cannot be told apart by measuring.
LEAST_DELTA_E = 15.0
# Mixes that the adapters are left out for.
ABLATIONS = 12
EDGE_KINDS: tuple[ControlKind, ...] = ("canny", "softedge", "lineart")


def fixed_mixes(count: int) -> list[list[dict[str, Any]]]:
    """`count` mixes of one to four palette colours, the same every time, as a request states them."""
    rng = np.random.default_rng(2024)
    mixes: list[list[dict[str, Any]]] = []
    while len(mixes) < count:
        codes = [str(code) for code in rng.choice(list(PALETTE), len(mixes) % 4 + 1, replace=False)]
        labs = [PALETTE[code].lab for code in codes]
        pairs = [delta_e00(a, b) for i, a in enumerate(labs) for b in labs[:i]]
        if min(pairs, default=100.0) < LEAST_DELTA_E:
            continue
        percent = np.maximum(5, np.rint(rng.dirichlet(np.full(len(codes), 2.0)) * 100))
        mixes.append([{"name": c, "proportion": float(p)} for c, p in zip(codes, percent, strict=True)])
    return mixes


def make_job(
    colors: Sequence[dict[str, Any]],
    defaults: EngineDefaults,
    angle: float = 0,
    seed: int = 7,
    **overrides: Any,
) -> Job:
    """A job for the engine; `defaults` are the model's own."""
    document = {"colors": colors, "angle": angle, "seed": seed, "overrides": overrides}
    return job_for(parse_request(json.dumps(document)), defaults)


def preview_of(engine: DiffusionEngine, job: Job) -> Image:
    """The first picture of a job."""
    drawings = engine.draw(job)
    picture = next(drawings).image
    drawings.close()
    return picture


def evaluate(
    engine: DiffusionEngine, defaults: EngineDefaults, mixes: int, angles: int, sheet: Path | None
) -> Iterator[dict[str, Any]]:
    """Yield the figures one by one."""
    requests = fixed_mixes(mixes)
    rows: dict[str, list[Image]] = {"swatch": []}
    for colors in requests:
        plan = make_job(colors, defaults).plan
        rows["swatch"].append(draw_swatch(plan, 512))
    yield figures_of("swatch", rows["swatch"], rows["swatch"], requests, defaults)
    for name, guidance in (("guided", 0.5), ("text to image", 0.0)):
        rows[name] = [
            preview_of(engine, make_job(colors, defaults, color_guidance=guidance)) for colors in requests
        ]
        yield figures_of(name, rows[name], rows["swatch"], requests, defaults)
    yield from _ablations(engine, defaults, requests, rows)
    if sheet is not None:
        Picture.fromarray(np.vstack([np.hstack(row[:6]) for row in rows.values()])).save(sheet)
    for kind in (*EDGE_KINDS, None):
        yield joints(engine, defaults, kind, angles)


def _ablations(
    engine: DiffusionEngine, defaults: EngineDefaults, requests: Sequence[Any], rows: dict[str, list[Image]]
) -> Iterator[dict[str, Any]]:
    """What is lost without each adapter, from text alone: the swatch would show what crumb looks like."""
    requests = requests[:ABLATIONS]
    swatches = rows["swatch"][:ABLATIONS]
    whole = rows["text to image"][:ABLATIONS]
    yield figures_of("text to image, the mixes below", whole, swatches, requests, defaults)
    jobs = [make_job(colors, defaults, color_guidance=0.0) for colors in requests]
    bare = [make_job(colors, defaults, color_guidance=0.0, lora_scale=0.0) for colors in requests]
    rows["no LoRA"] = [preview_of(engine, job) for job in bare]
    yield figures_of("no LoRA", rows["no LoRA"], swatches, requests, defaults)
    adapters = engine.adapters
    wordless = replace(adapters.words[None], tokens=())
    engine.adapters = AdapterSwitch(adapters.own, {None: wordless})
    rows["no textual inversion"] = [preview_of(engine, job) for job in jobs]
    engine.adapters = adapters
    yield figures_of("no textual inversion", rows["no textual inversion"], swatches, requests, defaults)


def figures_of(
    name: str,
    pictures: Sequence[Image],
    swatches: Sequence[Image],
    requests: Sequence[Any],
    defaults: EngineDefaults,
) -> dict[str, Any]:
    """Errors of shares of a row of pictures, and how their texture differs from the swatches'."""
    errors, distances, sharpness = [], [], []
    for picture, swatch, colors in zip(pictures, swatches, requests, strict=False):
        errors.append(measure(picture, make_job(colors, defaults).request.mix).worst_error_pp)
        distances.append(distance(picture, swatch))
        sharpness.append(relative_sharpness(picture, swatch))
    return {
        "figure": name,
        "worst_error_pp_median": round(statistics.median(errors), 2),
        "worst_error_pp_max": round(max(errors), 2),
        "texture_distance_median": round(statistics.median(distances), 3),
        "relative_sharpness_median": round(statistics.median(sharpness), 3),
        "pictures": len(pictures),
    }


def joints(
    engine: DiffusionEngine, defaults: EngineDefaults, kind: ControlKind | None, angles: int = 16
) -> dict[str, Any]:
    """Text to image of bricks at several laying angles: how many have their joints within two degrees.

    `kind` is that of the edges that the ControlNet gets at every angle; None for no ControlNet.
    """
    colors = [{"name": "red", "proportion": 60}, {"name": "white", "proportion": 40}]
    given: dict[str, Any] = {"controlnets": [{"kind": kind}]} if kind else {"use_controlnet": False}
    errors = []
    for number in range(angles):
        angle = 180 * number / angles
        job = make_job(colors, defaults, angle, number, color_guidance=0.0, layout="brick", **given)
        errors.append(angle_error(joint_angle(preview_of(engine, job)), angle))
    return {
        "figure": f"joints, {kind}" if kind else "joints without",
        "within_2_degrees": sum(error <= 2 for error in errors),
        "errors": [round(error, 1) for error in errors],
        "pictures": len(errors),
    }


def seconds_of_prediction(
    engine: DiffusionEngine, defaults: EngineDefaults, **overrides: Any
) -> dict[str, Any]:
    """Seconds of preview and final picture at default settings, and the process's peak memory."""
    job = make_job(fixed_mixes(2)[1], defaults, **overrides)
    start = time.perf_counter()
    names = [drawing.name for drawing in engine.draw(job)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    seconds = round(time.perf_counter() - start, 1)
    return {
        "figure": f"prediction ({', '.join(names)})",
        "seconds": seconds,
        "steps": job.settings.final.steps,
        "threads": torch.get_num_threads(),
        "peak_rss_gb": round(peak / 1e9, 2),
    }


def main() -> None:
    """Measure a model folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--mixes", type=int, default=12)
    parser.add_argument("--angles", type=int, default=16)
    parser.add_argument("--steps", type=int, help="default: those of the quality `standard`")
    parser.add_argument("--report", type=Path)
    parser.add_argument("--sheet", type=Path)
    arguments = parser.parse_args()
    os.environ["PLITKA_MODEL_DIR"] = str(arguments.models)
    engine = DiffusionEngine.load("mini")
    defaults = engine.defaults
    if steps := arguments.steps:
        profile = Profile(steps, steps, defaults.profiles["standard"].guidance_scale)
        defaults = replace(defaults, profiles={"standard": profile})
    figures = [seconds_of_prediction(engine, defaults)]
    print(json.dumps(figures[0]), flush=True)
    for figure in evaluate(engine, defaults, arguments.mixes, arguments.angles, arguments.sheet):
        print(json.dumps(figure), flush=True)
        figures.append(figure)
    if arguments.report:
        arguments.report.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
