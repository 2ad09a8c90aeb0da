"""The figures as tables for `docs/performance.md` and as a chart."""

import re
from pathlib import Path
from xml.sax.saxutils import escape

from card.figures import SAME, Figure, read_figures
from card.targets import target_table
from plitka.files.whole_files import write_whole

PAGE, CHART = "performance.md", "performance.svg"
BLOCK = re.compile(r"(<!-- measured -->\n).*?(<!-- end -->)", re.DOTALL)
# Pixels of the chart.
WIDTH, LABELS, VALUES, ROW, BAR, MARGIN = 760, 220, 130, 26, 16, 12
# What is shown of a figure, if it has it, and how.
COLUMNS = {
    "seconds": "{:.3g} s",
    "gb": "{:.3g} GB",
    "times_baseline": "{:.2f}× the baseline's speed",
    "times_base": "{:.2f}× the base prediction's time",
    "gain": "{:+.1%} speed of a whole prediction",
    "times_read": "{:.2f}× a plain read",
    "first_picture": "first picture {:.3g} s",
    "warm_up_seconds": "warm-up {:.3g} s",
    "tflops": "{:.3g} TFLOP/s",
    "share_of_matrix_rate": "{:.0%} of the matrix rate",
    "not_unet_share": "{:.1%} is not the UNet",
    "share": "{:.3%}",
    "peak_reserved_gb": "peak {:.2f} GB",
    "peak_allocated_gb": "of which tensors {:.2f} GB",
    "peak_reserved_beside_weights_gb": "{:.2f} GB beside the weights",
    "offload": "offload: {}",
    "memory_gb": "{:.4g} GB",
    "same_in_another_process": "same picture in another process: {}",
    "busy_share": "device busy {:.0%}",
}


def write_report(out: Path, folder: Path) -> None:
    """Put the latest figure of each name into the page's block and draw the predictions as bars."""
    figures = latest(read_figures(out))
    page = folder / PAGE
    text = page.read_text(encoding="utf-8")
    if not BLOCK.search(text):
        raise SystemExit(f"{page}: there is no block between <!-- measured --> and <!-- end -->")
    parts = [f"\n![Seconds of a whole prediction]({CHART})\n"]
    for where, measured in by_device(figures).items():
        parts += [
            f"\n{where}:\n\n",
            target_table(measured),
            f"\nEvery figure of {where}:\n\n",
            table(measured),
        ]
    block = "".join([*parts, "\n"])
    write_whole(page, BLOCK.sub(lambda found: found[1] + block + found[2], text).encode())
    (folder / CHART).write_text(chart(figures), encoding="utf-8")


def latest(figures: list[Figure]) -> list[Figure]:
    """One figure of each name on each device, the newest, in the order of their first measurement."""
    kept: dict[tuple[str, str], Figure] = {}
    for figure in figures:
        kept[place_of(figure), figure["figure"]] = figure
    return list(kept.values())


def by_device(figures: list[Figure]) -> dict[str, list[Figure]]:
    """Figures that belong together, by their device and model."""
    groups: dict[str, list[Figure]] = {}
    for figure in figures:
        groups.setdefault(place_of(figure), []).append(figure)
    return groups


def place_of(figure: Figure) -> str:
    """Device and model of a figure, in words."""
    return f"{figure['device']}, {figure['architecture']}"


def table(figures: list[Figure]) -> str:
    """A Markdown table of every figure that has something to show."""
    lines = ["| figure | measured |\n", "| --- | --- |\n"]
    for figure in figures:
        if words := in_words(figure):
            lines.append(f"| {figure['figure']} | {'; '.join(words)} |\n")
    return "".join(lines)


def in_words(figure: Figure) -> list[str]:
    """What is worth showing of a figure, in words."""
    words = [form.format(figure[name]) for name, form in COLUMNS.items() if figure.get(name) is not None]
    for name, alike in (figure.get("against_baseline") or {}).items():
        if alike:
            words.append(f"{name} {psnr_in_words(alike['psnr_db'])}")
    words += [f"{kind} {share:.0%}" for kind, share in figure.get("shares", {}).items() if share >= 0.01]
    words += [f"{name} {version}" for name, version in figure.get("versions", {}).items()]
    if figure.get("retries"):
        words.append(f"{len(figure['retries'])} times again for lack of memory")
    return words


def psnr_in_words(decibels: float) -> str:
    """Decibels, or that the pictures are the same."""
    return "the same to the bit" if decibels >= SAME else f"{decibels:.0f} dB"


def chart(figures: list[Figure]) -> str:
    """Bars of every whole prediction's seconds, under the name of their device and model, as SVG."""
    parts: list[str] = []
    y = MARGIN
    for where, group in by_device([figure for figure in figures if "runs" in figure]).items():
        heading = f"{where}: seconds of a whole prediction, and times the baseline's speed"
        parts.append(f'<text x="{MARGIN}" y="{y + BAR - 3}" font-weight="bold">{escape(heading)}</text>')
        y += ROW
        longest = max(figure["seconds"] for figure in group)
        for figure in group:
            parts += bar(figure, y, longest)
            y += ROW
    height = y + MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">'
    )
    background = f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
    return "\n".join([head, background, *parts, "</svg>", ""])


def bar(figure: Figure, y: int, longest: float) -> list[str]:
    """One prediction: its name, a bar, its seconds. `y` in pixels from the top; `longest` in seconds."""
    length = (WIDTH - LABELS - VALUES) * figure["seconds"] / longest
    color = "#8a8f98" if figure["figure"] == "baseline" else "#2f6f4f"
    value = f"{figure['seconds']:.3g} s"
    if figure.get("times_baseline"):
        value += f", {figure['times_baseline']:.2f}×"
    return [
        f'<text x="{LABELS - 8}" y="{y + BAR - 3}" text-anchor="end">{escape(figure["figure"])}</text>',
        f'<rect x="{LABELS}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{color}"/>',
        f'<text x="{LABELS + length + 6:.1f}" y="{y + BAR - 3}">{escape(value)}</text>',
    ]
