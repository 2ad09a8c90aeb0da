"""Whole predictions as bars, in SVG."""

from xml.sax.saxutils import escape

from card.figures import Figure

# Pixels of the chart.
WIDTH, LABELS, VALUES, ROW, BAR, MARGIN = 760, 260, 130, 26, 16, 12


def chart(groups: dict[str, list[Figure]]) -> str:
    """Bars of every whole prediction's seconds, under the name of their device and model, as SVG."""
    parts: list[str] = []
    y = MARGIN
    for where, figures in groups.items():
        predictions = [figure for figure in figures if "runs" in figure]
        if not predictions:
            continue
        heading = f"{where}: seconds of a whole prediction, and times the baseline's speed"
        parts.append(f'<text x="{MARGIN}" y="{y + BAR - 3}" font-weight="bold">{escape(heading)}</text>')
        y += ROW
        longest = max(figure["seconds"] for figure in predictions)
        for figure in predictions:
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
