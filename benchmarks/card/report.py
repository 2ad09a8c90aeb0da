"""The figures as a table for `docs/performance.md` and as a chart."""

import re
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from card.bench import FIGURES, read_figures

PAGE, CHART = "performance.md", "performance.svg"
BLOCK = re.compile(r"(<!-- measured -->\n).*?(<!-- end -->)", re.DOTALL)
# Pixels of the chart.
WIDTH, LABELS, ROW, BAR, MARGIN = 760, 300, 26, 16, 12
# What is shown of a figure, if it has it, and how.
COLUMNS = {
    "seconds": "{:.3g} s",
    "times_baseline": "{:.2f}× the baseline's speed",
    "times_base": "{:.2f}× the base prediction's time",
    "times_read": "{:.2f}× a plain read",
    "first_picture": "first picture {:.3g} s",
    "warm_up_seconds": "warm-up {:.3g} s",
    "tflops": "{:.3g} TFLOP/s",
    "share_of_matrix_rate": "{:.0%} of the matrix rate",
    "not_unet_share": "{:.1%} is not the UNet",
    "share": "{:.3%}",
    "peak_reserved_gb": "peak {:.2f} GB",
    "peak_reserved_beside_weights_gb": "{:.2f} GB beside the weights",
    "offload": "offload: {}",
    "same_in_another_process": "same picture in another process: {}",
    "busy_share": "device busy {:.0%}",
}


def write_report(out: Path, folder: Path) -> None:
    """Put the latest figure of each name into the page's block and draw the predictions as bars."""
    figures = latest(read_figures(out / FIGURES))
    page = folder / PAGE
    text = page.read_text(encoding="utf-8")
    if not BLOCK.search(text):
        raise SystemExit(f"{page}: there is no block between <!-- measured --> and <!-- end -->")
    block = f"\n![Seconds of a whole prediction]({CHART})\n{table(figures)}"
    page.write_text(BLOCK.sub(lambda found: found[1] + block + found[2], text), encoding="utf-8")
    (folder / CHART).write_text(chart(figures), encoding="utf-8")


def latest(figures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One figure of each name on each device, the newest, in the order of their first measurement."""
    kept: dict[tuple[str, str, str], dict[str, Any]] = {}
    for figure in figures:
        kept[figure["device"], figure["architecture"], figure["figure"]] = figure
    return list(kept.values())


def table(figures: list[dict[str, Any]]) -> str:
    """A Markdown table of every figure."""
    lines = ["\n", "| device, model | figure | measured |\n", "| --- | --- | --- |\n"]
    for figure in figures:
        where = f"{figure['device']}, {figure['architecture']}"
        lines.append(f"| {where} | {figure['figure']} | {'; '.join(told(figure))} |\n")
    return "".join([*lines, "\n"])


def told(figure: dict[str, Any]) -> list[str]:
    """What is worth showing of a figure, in words."""
    words = [form.format(figure[name]) for name, form in COLUMNS.items() if figure.get(name) is not None]
    for name, alike in (figure.get("against_baseline") or {}).items():
        if alike:
            words.append(f"{name} {alike['psnr_db']:.0f} dB")
    words += [f"{kind} {share:.0%}" for kind, share in figure.get("shares", {}).items() if share >= 0.01]
    return words or [str(figure.get("gb", ""))]


def chart(figures: list[dict[str, Any]]) -> str:
    """Bars of every whole prediction's seconds, one group a device, as SVG."""
    rows = [figure for figure in figures if "runs" in figure]
    height = 2 * MARGIN + ROW * len(rows)
    longest: dict[tuple[str, str], float] = {}
    for figure in rows:
        group = (figure["device"], figure["architecture"])
        longest[group] = max(longest.get(group, 0.0), figure["seconds"])
    parts = []
    for number, figure in enumerate(rows):
        y = MARGIN + ROW * number
        seconds = figure["seconds"]
        length = (WIDTH - LABELS - 130) * seconds / longest[figure["device"], figure["architecture"]]
        color = "#8a8f98" if figure["figure"] == "baseline" else "#2f6f4f"
        label = f"{figure['figure']} ({figure['device']}, {figure['architecture']})"
        value = f"{seconds:.3g} s"
        if figure.get("times_baseline"):
            value += f", {figure['times_baseline']:.2f}×"
        parts += [
            f'<text x="{LABELS - 8}" y="{y + BAR - 3}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{LABELS}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{color}"/>',
            f'<text x="{LABELS + length + 6:.1f}" y="{y + BAR - 3}">{escape(value)}</text>',
        ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">'
    )
    background = f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
    return "\n".join([head, background, *parts, "</svg>", ""])
