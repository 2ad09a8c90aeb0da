"""How far the measure of a picture's colours is off, where the truth is known to the pixel.

    python benchmarks/measure.py [--mixes 500] [--photos FOLDER] [--results FILE]

Swatches of random mixes of 2 to 8 colours are measured both ways, without the plan and against it.
In every second one an eighth of the granules is drawn in another colour than planned, so that a measure that
only repeats the plan is found out. Mixes with pairs closer than ΔE00 10 stand beside, so do tiles with
joints, and photographs of tiles beside the labels in their file names. Finished mixes are kept in FILE.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from fixed_mixes import random_mixes
from measured_blocks import write_block
from photographs import middle, mix_of_name

from plitka.colors.mix import Mix
from plitka.fidelity.measure import Fidelity, measure, measure_picture
from plitka.tile.plan import TilePlan, make_plan
from plitka.tile.swatch import draw_swatch

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/color.md"
ALIKE_DELTA_E = 10.0
# Below this, colours of the palette are neighbours that nobody mixes on purpose.
CLOSEST_DELTA_E = 5.0
CLOSE_PART, JOINT_PART = 5, 10
MISDRAWN = 1 / 8
# Name, layout, laying angle, size.
SETS = {
    "pairs at least ΔE00 10 apart": ("surface", 0.0, 1024),
    "the same, previews": ("surface", 0.0, 512),
    "a pair at ΔE00 5 to 10": ("surface", 0.0, 1024),
    "with joints, brick at 30°": ("brick", 30.0, 1024),
}


def with_misdrawn(plan: TilePlan, part: float) -> TilePlan:
    """The plan with a part of its granules in random colours of the mix."""
    rng = np.random.default_rng(plan.seed)
    colors = plan.granule_color.copy()
    wrong = rng.random(len(colors)) < part
    colors[wrong] = rng.integers(0, len(plan.mix), int(wrong.sum()))
    return replace(plan, granule_color=colors)


def mixes_of(name: str, count: int) -> list[Mix]:
    """The mixes of a set."""
    if name.startswith("a pair"):
        return random_mixes(count // CLOSE_PART, 2, CLOSEST_DELTA_E, ALIKE_DELTA_E)
    part = JOINT_PART if "joints" in name or "previews" in name else 1
    return random_mixes(count // part, 1, ALIKE_DELTA_E)


def measured_errors(name: str, mix: Mix, seed: int) -> dict[str, Any]:
    """Largest error of a share in percentage points, of both measures, and the time of the plan's."""
    layout, angle, size = SETS[name]
    plan = make_plan(mix, angle, layout, seed)
    drawn = with_misdrawn(plan, MISDRAWN) if seed % 2 else plan
    picture, truth = draw_swatch(drawn, size), drawn.shares(size)
    found = measure_picture(picture, mix, plan)
    start = time.process_time()
    measure(picture, mix, plan)
    row = {"set": name, "seed": seed, "ms": round(1000 * (time.process_time() - start), 1)}
    assert found.plan is not None
    return row | {"plan": _error(found.plan, truth), "unguided": _error(found.unguided, truth)}


def _error(fidelity: Fidelity, truth: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    measured = np.array([color.measured for color in fidelity.colors])
    return round(100 * float(np.abs(measured - truth).max()), 3)


def rows(count: int, results: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of every set, those of earlier runs first; new ones are written as they are finished."""
    known = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    done = {(row["set"], row["seed"]) for row in known}
    yield from known
    with results.open("a", encoding="utf-8") as file:
        for name in SETS:
            for seed, mix in enumerate(mixes_of(name, count)):
                if (name, seed) not in done:
                    row = measured_errors(name, mix, seed)
                    print(json.dumps(row), file=file, flush=True)
                    yield row


def errors_table(measured: list[dict[str, Any]]) -> str:
    """Markdown: median and worst error of both measures for every set."""
    lines = [
        "| mixes | swatches | against the plan, pp | without the plan, pp | ms |",
        "|---|---|---|---|---|",
    ]
    for name in SETS:
        own = [row for row in measured if row["set"] == name]
        if own:
            cells = [_median_and_worst([row[key] for row in own]) for key in ("plan", "unguided")]
            ms = f"{statistics.median(row['ms'] for row in own):.0f}"
            lines.append(f"| {name} | {len(own)} | {cells[0]} | {cells[1]} | {ms} |")
    return "\n".join(lines)


def _median_and_worst(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} (worst {max(values):.2f})"


def photographs_table(folder: Path) -> str:
    """Markdown: what is measured in photographs, without a plan, beside the label in the file name."""
    lines = ["| photograph | label | measured | largest difference, pp | ΔE00 |", "|---|---|---|---|---|"]
    for path in sorted(folder.glob("*.jpg")):
        mix = mix_of_name(path.stem)
        photo = middle(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB))
        found = measure(photo, mix)
        label = ", ".join(f"{100 * color.share:.0f} % {color.prompt_word}" for color in mix)
        shares = ", ".join(f"{100 * color.measured:.0f} %" for color in found.colors)
        differences = ", ".join("-" if c.delta_e is None else f"{c.delta_e:.1f}" for c in found.colors)
        lines.append(f"| {path.stem} | {label} | {shares} | {found.worst_error_pp:.1f} | {differences} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mixes", type=int, default=500)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--results", type=Path, default=ROOT / "out/measure.jsonl")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    blocks = {"errors": errors_table(list(rows(arguments.mixes, arguments.results)))}
    if arguments.photos:
        blocks["photographs"] = photographs_table(arguments.photos)
    for name, text in blocks.items():
        print(text, end="\n\n")
        write_block(PAGE, name, text)


if __name__ == "__main__":
    main()
