"""The same request, the same bytes: in two processes, after other requests, with other thread counts.

    python tests/determinism.py [--engine render|sdxl|mini] [--models FOLDER] [--between 50] [--size 64]

`sdxl` without --models takes a small random checkpoint. One process draws the request, many others, and the
request again; a second one draws it alone; a third and a fourth with two and four threads, whose pictures are
compared with the first's in steps of 8-bit values. Prints JSON; the exit status is 1 if bytes differ where
they must not.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from small import SMALL

from plitka.engine.render import RenderEngine
from plitka.generation import generate
from plitka.request.tile_request import parse_request

ANGLE = 45
THREADS = (2, 4)


def documents(between, dimensions):
    """The request, the others, the request again; all of these dimensions."""
    same = {
        **dimensions,
        "colors": [{"name": "red", "proportion": 60}, {"name": "white", "proportion": 40}],
        "angle": ANGLE,
        "seed": 7,
        "overrides": {"num_inference_steps": 4},
    }
    others = [
        same | {"seed": number, "angle": 30 * number, "overrides": {"num_inference_steps": 1 + number % 3}}
        for number in range(between)
    ]
    return [same, *others, same]


def load(engine_name, size, threads):
    """The engine, with so many threads; `size` is that of the preview, None for the engine's own."""
    cv2.setNumThreads(threads)
    if engine_name == "render":
        return RenderEngine()
    import torch

    from plitka.diffusion.engine import DiffusionEngine

    torch.set_num_threads(threads)
    sizes = {} if size is None else {"preview_size": size, "final_size": 2 * size}
    return DiffusionEngine.load(engine_name, **sizes)


def draw(engine_name, size, threads, between, picture):
    """What one process draws: the hashes of the first and the last time; the final picture goes to a file."""
    engine, hashes = load(engine_name, size, threads), []
    # The engine that needs no model has no sizes of its own.
    dimensions = SMALL if engine_name == "render" and size is not None else {}
    for document in documents(between, dimensions) if between else documents(0, dimensions)[:1]:
        results = list(generate(parse_request(json.dumps(document)), engine))
        hashes.append(tuple(hashlib.sha256(result.data).hexdigest() for result in results))
        image = results[1].image
    np.save(picture, image)
    return {"first": hashes[0], "last": hashes[-1], "distinct": len(set(hashes))}


def run_child(options, threads, between, picture, environment):
    """Draw in a process of its own."""
    command = [sys.executable, __file__, *options, "--threads", str(threads), "--between", str(between)]
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    finished = subprocess.run(
        [*command, "--picture", str(picture)],
        env={**os.environ, **environment, **limits},
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise RuntimeError(finished.stderr[-2000:])
    return json.loads(finished.stdout.splitlines()[-1])


def compare(engine_name, models, between, size, threads=THREADS):
    """The figures: what is equal, and how far other thread counts are off."""
    options = ["--engine", engine_name, *([] if size is None else ["--size", str(size)])]
    with tempfile.TemporaryDirectory() as folder:
        environment = {"PLITKA_MODEL_DIR": str(models)} if models else {}
        pictures = {key: Path(folder) / f"{key}.npy" for key in ("long", "alone", *threads)}
        many = run_child(options, 1, between, pictures["long"], environment)
        alone = run_child(options, 1, 0, pictures["alone"], environment)
        figures = {
            "engine": engine_name,
            "requests_in_between": between,
            "different_results": many["distinct"],
            "same_bytes_after_them": many["first"] == many["last"],
            "same_bytes_in_another_process": many["first"] == alone["first"],
        }
        first = np.load(pictures["alone"]).astype(int)
        for count in threads:
            other = run_child(options, count, 0, pictures[count], environment)
            steps = np.abs(np.load(pictures[count]).astype(int) - first)
            figures[f"threads_{count}"] = {
                "same_bytes": other["first"] == alone["first"],
                "largest_difference_8bit_steps": int(steps.max()),
                "values_that_differ_percent": round(100 * float((steps > 0).mean()), 4),
            }
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", default="render", choices=["render", "sdxl", "mini"])
    parser.add_argument("--models", type=Path, help="a model folder; without one sdxl is small and random")
    parser.add_argument("--between", type=int, default=50)
    parser.add_argument(
        "--size",
        type=int,
        help="pixels of a model's preview, half of its final picture; render draws small",
    )
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--picture", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.threads:
        print(json.dumps(draw(given.engine, given.size, given.threads, given.between, given.picture)))
        return
    with tempfile.TemporaryDirectory() as folder:
        models = given.models
        if given.engine == "sdxl" and models is None:
            from checkpoints import write_model_folder

            models = write_model_folder(Path(folder) / "models")
        figures = compare(given.engine, models, given.between, given.size)
    print(json.dumps(figures, indent=2))
    sys.exit(not (figures["same_bytes_after_them"] and figures["same_bytes_in_another_process"]))


if __name__ == "__main__":
    main()
