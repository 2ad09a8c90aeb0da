"""A drawing beside what it is drawn from, for the README: by the engine `mini`, half a minute.

    python references/drawing.py [--out FILE]

From left to right a middle part of the colour map, the swatch that the model starts from, the soft edges that
its ControlNet gets, and the final picture.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import plitka
from plitka.request.profiles import FINAL_SIZE
from plitka.tile.colormap import draw_colormap
from plitka.tile.control_image import draw_control
from plitka.tile.swatch import draw_swatch

PICTURE = Path(__file__).resolve().parents[1] / "docs/images/drawing.jpg"
REQUEST = {
    "colors": [
        {"name": "terracotta", "proportion": 70},
        {"name": "beige", "proportion": 20},
        {"name": "black", "proportion": 10},
    ],
    "angle": 45,
    "seed": 7,
}
# Pixels of the final picture that are shown, and of each panel.
SHOWN, PANEL, GAP = 640, 400, 12
PAPER = "#F7F5F1"


def panels() -> list[NDArray[np.uint8]]:
    """Colour map, swatch, soft edges and drawing, each FINAL_SIZE on a side."""
    request = plitka.parse_request(REQUEST)
    plan = plitka.plan_for(request)
    results = {result.name: result.image for result in plitka.generate(request, plitka.load_engine("mini"))}
    sources = [draw_colormap(plan, FINAL_SIZE), draw_swatch(plan, FINAL_SIZE)]
    return [*sources, draw_control(plan, "softedge", FINAL_SIZE), results["final"]]


def main() -> None:
    """Draw the panels into one file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=PICTURE)
    out = parser.parse_args().out
    shown = panels()
    sheet = Image.new("RGB", (len(shown) * (PANEL + GAP) - GAP, PANEL), PAPER)
    edge = (FINAL_SIZE - SHOWN) // 2
    for place, pixels in enumerate(shown):
        part = Image.fromarray(pixels).convert("RGB").crop((edge, edge, edge + SHOWN, edge + SHOWN))
        sheet.paste(part.resize((PANEL, PANEL), Image.Resampling.LANCZOS), (place * (PANEL + GAP), 0))
    sheet.save(out, quality=82, optimize=True)


if __name__ == "__main__":
    main()
