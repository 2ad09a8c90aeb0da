"""Colour accuracy: random mixes through an engine, as drawn and as corrected.

    python benchmarks/color.py --engine render|mini|sdxl [--mixes N] [--limit-minutes M] [--results FILE]
    python benchmarks/color.py --report [--results FILE]

Every picture becomes one line of JSON in FILE; the picture as drawn and a pair of cuttings, as drawn and as
returned, are kept beside it. Nothing is drawn twice, so a run can be broken off and continued; without FILE,
pictures that were kept are measured and corrected again. `--report` writes the tables, chart and sheet of
docs/color.md from FILE. `mini` and `sdxl` are read from PLITKA_MODEL_DIR.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from color_cases import CURVE_MIXES, Case, cases, result_of
from measured_blocks import write_block
from PIL import Image as Picture

from plitka.engines import load_engine
from plitka.request.overrides import DEFAULT_COLOR_GUIDANCE

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/color.md"
CHART, SHEET = (ROOT / "docs/images" / name for name in ("color_guidance.png", "color_sheet.jpg"))
# What was published of the predecessor: the worst colour's error, median of 56 pictures.
PREDECESSOR_PP = 26.9
CUTTING = 256
SHEET_PICTURES = 6
Row = dict[str, Any]


def read_rows(results: Path) -> list[Row]:
    return [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []


def key(case: Row) -> tuple[Any, ...]:
    return tuple(case[name] for name in ("engine", "mix", "angle", "guidance", "size"))


def run(name: str, count: int, minutes: float, results: Path) -> None:
    """Draw what is not yet in `results`, as far as the time allows."""
    end = time.monotonic() + 60 * minutes
    done = {key(row) for row in read_rows(results)}
    engine = load_engine(name)
    with results.open("a", encoding="utf-8") as file:
        for case in cases(name, count):
            if key(asdict(case)) in done:
                continue
            if time.monotonic() > end:
                print(f"out of time before {case}")
                break
            kept = kept_path(results, case)
            drawn = np.asarray(Picture.open(kept)) if kept.exists() else None
            row, drawn, returned = result_of(case, engine, drawn)
            save(results, case, drawn, returned.image)
            print(json.dumps(row), file=file, flush=True)
            found = {
                part: {name: row[part][name] for name in ("error_pp", "delta_e")}
                for part in ("drawn", "returned")
            }
            print(f"{case} {found}", flush=True)


def kept_path(results: Path, case: Case | Row) -> Path:
    """Where the picture is kept as drawn."""
    fields = case if isinstance(case, dict) else asdict(case)
    name = "_".join(f"{value:g}" if not isinstance(value, str) else value for value in key(fields))
    return results.with_suffix("") / f"{name}.png"


def pair_path(results: Path, case: Case | Row) -> Path:
    """Where a cutting of the picture is kept, as drawn and as returned."""
    path = kept_path(results, case)
    return path.with_name(f"{path.stem}_pair.png")


def save(results: Path, case: Case, drawn: np.ndarray[Any, Any], returned: np.ndarray[Any, Any]) -> None:
    """Keep the picture as drawn, and its middle beside that of the one returned at full size."""
    path = kept_path(results, case)
    path.parent.mkdir(exist_ok=True)
    Picture.fromarray(drawn).save(path)
    start = (len(drawn) - CUTTING) // 2
    cut = slice(start, start + CUTTING)
    Picture.fromarray(np.hstack([drawn[cut, cut], returned[cut, cut]])).save(pair_path(results, case))


def table(rows: Sequence[Row]) -> str:
    """Markdown: median and worst of every figure, by engine, size, guidance and angle."""
    head = ("engine", "size", "guidance", "angle", "pictures", "", "share error against the plan, pp",
            "share error without the plan, pp", "largest ΔE00", "joints off")  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    groups = sorted({(r["engine"], r["size"], r["guidance"], r["angle"]) for r in rows})
    for group in groups:
        own = [r for r in rows if (r["engine"], r["size"], r["guidance"], r["angle"]) == group]
        if len(own) <= CURVE_MIXES and group[2] not in (0.0, DEFAULT_COLOR_GUIDANCE, 1.0):
            continue
        cells = [group[0], f"{group[1]}²", f"{group[2]:g}", f"{group[3]:g}°", str(len(own))]
        for part, name in (("drawn", "as drawn"), ("returned", "as returned")):
            figures = (spread(own, part, figure) for figure in ("error_pp", "unguided_error_pp"))
            differences = spread(own, part, "delta_e" if group[2] else "unguided_delta_e")
            line = [*(cells if part == "drawn" else [""] * len(cells)), name, *figures]
            lines.append("| " + " | ".join([*line, differences, spread(own, part, "joints_off")]) + " |")
    return "\n".join(lines)


def spread(rows: Iterable[Row], part: str, figure: str) -> str:
    values = [row[part][figure] for row in rows if row[part].get(figure) is not None]
    return f"{statistics.median(values):.2f} (worst {max(values):.2f})" if values else "-"


def texture_table(rows: Sequence[Row]) -> str:
    """Markdown: what the correction does to the light, by engine and guidance."""
    head = ("engine", "guidance", "corrected", "relief after : before, median", "lowest", "highest",
            "joints turned by")  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    corrected = [row for row in rows if row["corrected"]]
    for engine, guidance in sorted({(row["engine"], row["guidance"]) for row in corrected}):
        own = [row for row in corrected if (row["engine"], row["guidance"]) == (engine, guidance)]
        ratios = [row["returned"]["relief"] / row["drawn"]["relief"] for row in own]
        moved = [
            abs(row["returned"]["joints_off"] - row["drawn"]["joints_off"])
            for row in own
            if "joints_off" in row["returned"]
        ]
        figures = (f"{figure:.3f}" for figure in (statistics.median(ratios), min(ratios), max(ratios)))
        turned = f"{max(moved):.1f}°" if moved else "-"
        lines.append("| " + " | ".join([engine, f"{guidance:g}", str(len(own)), *figures, turned]) + " |")
    return "\n".join(lines)


def summary(rows: Sequence[Row]) -> str:
    """Markdown: default settings, all sizes and angles, beside the predecessor."""
    lines = ["| | worst colour's error, median | worst picture | largest ΔE00, worst |", "|---|---|---|---|",
             f"| predecessor, without the plan | {PREDECESSOR_PP} pp | | |"]  # fmt: skip
    for engine in sorted({row["engine"] for row in rows}):
        own = [r for r in rows if r["engine"] == engine and r["guidance"] == DEFAULT_COLOR_GUIDANCE]
        if own:
            for name, figure in (("against the plan", "error_pp"), ("without the plan", "unguided_error_pp")):
                errors = [row["returned"][figure] for row in own]
                difference = "delta_e" if figure == "error_pp" else "unguided_delta_e"
                worst = max(row["returned"][difference] or 0.0 for row in own)
                figures = f"{statistics.median(errors):.2f} pp | {max(errors):.2f} pp | {worst:.2f}"
                lines.append(f"| {engine}, {name} | {figures} |")
    return "\n".join(lines)


def draw_chart(rows: Sequence[Row], path: Path) -> bool:
    """Colour error, realism and novelty over guidance, as drawn; False without pictures for it."""
    own = [
        r
        for r in rows
        if r["engine"] != "render" and r["mix"] < CURVE_MIXES and not r["angle"] and r["size"] == 512
    ]
    guidances = sorted({row["guidance"] for row in own})
    if len(guidances) < 3:
        return False
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    def medians(value: Any) -> list[float]:
        return [statistics.median(value(row) for row in own if row["guidance"] == g) for g in guidances]

    figure, panels = pyplot.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    errors = {"as drawn": "drawn", "as returned": "returned"}
    for label, part in errors.items():
        panels[0].plot(
            guidances, medians(lambda row, part=part: row[part]["unguided_error_pp"]), "o-", label=label
        )
    panels[0].set_title("worst colour's error without the plan, pp")
    panels[0].legend()
    panels[1].plot(guidances, medians(lambda row: row["drawn"]["texture"]), "o-")
    panels[1].set_title("texture distance to the swatch")
    panels[2].plot(guidances, medians(lambda row: row["novelty"]), "o-")
    panels[2].set_title("novelty: light that is not the swatch's")
    for panel in panels:
        panel.set_xlabel("color_guidance")
        panel.set_ylim(bottom=0)
        panel.axvline(DEFAULT_COLOR_GUIDANCE, color="0.7", linewidth=1, zorder=0)
        panel.grid(alpha=0.3)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
    return True


def draw_sheet(rows: Sequence[Row], results: Path, path: Path) -> None:
    """Pairs as drawn and as returned: those of the mix's worst faults first, at default settings."""
    own = [
        r
        for r in rows
        if r["guidance"] == DEFAULT_COLOR_GUIDANCE and r["corrected"] and pair_path(results, r).exists()
    ]
    own.sort(key=lambda row: -max(row["drawn"]["error_pp"] / 1.5, row["drawn"]["delta_e"] / 3))
    read = (cv2.imread(str(pair_path(results, row))) for row in own[:SHEET_PICTURES])
    pairs = [picture for picture in read if picture is not None]
    if pairs:
        pairs += [np.full_like(pairs[0], 255)] * (len(pairs) % 2)
        sheet = np.vstack([np.hstack(pairs[i : i + 2]) for i in range(0, len(pairs), 2)])
        cv2.imwrite(str(path), sheet, [cv2.IMWRITE_JPEG_QUALITY, 92])


def report(results: Path) -> None:
    """Write docs/color.md's tables, chart and sheet."""
    rows = read_rows(results)
    if not rows:
        raise SystemExit(f"{results}: there are no results; run with --engine first")
    for name, text in (
        ("summary", summary(rows)),
        ("engines", table(rows)),
        ("texture", texture_table(rows)),
    ):
        print(text, end="\n\n")
        write_block(PAGE, name, text)
    pictures = []
    if draw_chart(rows, CHART):
        words = "Colour error, texture distance and novelty over color_guidance"
        pictures.append(f"![{words}](images/{CHART.name})")
    draw_sheet(rows, results, SHEET)
    if SHEET.exists():
        pictures.append(f"![Pictures as drawn, left, and as returned, right](images/{SHEET.name})")
    write_block(PAGE, "pictures", "\n\n".join(pictures) or "Not yet drawn.")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--engine", choices=("render", "mini", "sdxl"))
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--mixes", type=int, default=100)
    parser.add_argument("--limit-minutes", type=float, default=120)
    parser.add_argument("--results", type=Path, default=ROOT / "out/color.jsonl")
    arguments = parser.parse_args()
    if not arguments.engine and not arguments.report:
        parser.error("say --engine, --report or both")
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    if arguments.engine:
        run(arguments.engine, arguments.mixes, arguments.limit_minutes, arguments.results)
    if arguments.report:
        report(arguments.results)


if __name__ == "__main__":
    main()
