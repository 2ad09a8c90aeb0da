"""From a mix to a picture, to a print, to a photograph of it, to a recipe, to an order: what comes back.

    python benchmarks/round_trip.py [--mixes 20] [--out out/round_trip.json]

Each mix of two to four palette colours is drawn by the engine `render`, printed in simulation (300 dots per
inch at true size, ink that spreads by a dot) and photographed in simulation: blur, another size, JPEG, and
either a usual camera or one with a cast (gains within 10 %, gamma 0.9 to 1.1), as in `match_cases`. The
photograph is matched with the colours known and without, and what was found is ordered for 120 m² of 10 mm.
An error is that of the worst colour of a mix: percentage points of its share, and per cent of all kilograms.
"""

import argparse
import json
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from match_cases import CAST, USUAL, Image, photographed, random_mixes

from plitka.colors.mix import Mix
from plitka.engine.render import RenderEngine
from plitka.errors import PhotographError
from plitka.generation import generate
from plitka.match.recipe import match_photograph
from plitka.order.amounts import order_of
from plitka.request.order import OrderFields
from plitka.request.tile_request import TileRequest, parse_request

DPI = 300
# Standard deviation of the spread of ink, dots.
INK = 1.0
ORDER = OrderFields(area_m2=120, thickness_mm=10)
CAMERAS = {"usual camera": USUAL, "camera with a cast": CAST}


@dataclass
class Returned:
    """What came back of several mixes, an entry each."""

    refused: int = 0
    exact: list[bool] = field(default_factory=list)
    share_pp: list[float] = field(default_factory=list)
    kg_percent: list[float] = field(default_factory=list)

    def as_dict(self) -> dict[str, float]:
        figures: dict[str, float] = {
            "mixes": len(self.exact),
            "refused": self.refused,
            "right set": sum(self.exact),
        }
        for name, values in (("share, pp", self.share_pp), ("kilograms, %", self.kg_percent)):
            if values:
                figures[f"{name}: median"] = round(float(np.median(values)), 2)
                figures[f"{name}: 90 %"] = round(float(np.quantile(values, 0.9)), 2)
                figures[f"{name}: worst"] = round(max(values), 2)
        return figures


def request_of(mix: Mix, seed: int, side: int = 1024) -> TileRequest:
    """The request of a mix, drawn so many pixels wide and high."""
    colors = [{"name": color.id, "proportion": color.share} for color in mix]
    return parse_request({"colors": colors, "seed": seed, "width": side, "height": side})


def drawn(request: TileRequest) -> Image:
    """The final picture."""
    with closing(generate(request, RenderEngine())) as results:
        return next(result.image for result in results if result.name == "final")


def printed(image: Image, width_mm: float) -> Image:
    """A print at true size, seen dot by dot."""
    dots = round(width_mm / 25.4 * DPI)
    factor = dots / image.shape[1]
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    on_paper = cv2.resize(image, None, fx=factor, fy=factor, interpolation=interpolation)
    return np.asarray(cv2.GaussianBlur(on_paper, (0, 0), INK), np.uint8)


def bring_back(request: TileRequest, photograph: Image, returned: Returned, *, known: bool) -> None:
    """Match a photograph, order what was found, and enter how far it is from what was drawn."""
    try:
        found = match_photograph(photograph, colors=request.mix if known else None)
    except PhotographError:
        returned.refused += 1
        return
    # A known colour that was not found at all has no share.
    shares = dict.fromkeys((color.id for color in request.mix if known), 0.0)
    shares |= {color.id: color.share for color in found.mix}
    is_exact = set(shares) == {color.id for color in request.mix}
    returned.exact.append(is_exact)
    if is_exact:
        returned.share_pp.append(100 * max(abs(shares[color.id] - color.share) for color in request.mix))
        wanted, got = order_of(request.mix, ORDER), order_of(found.mix, ORDER)
        grams = {line.id: line.grams for line in got.lines}
        error = max(abs(grams.get(line.id, 0) - line.grams) for line in wanted.lines)
        returned.kg_percent.append(100 * error / wanted.grams)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mixes", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("out/round_trip.json"))
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    kinds = {(camera, known): Returned() for camera in CAMERAS for known in (True, False)}
    for seed, (name, mix) in enumerate(random_mixes(arguments.mixes)):
        request = request_of(mix, seed)
        on_paper = printed(drawn(request), request.scale.width_mm)
        for (camera, known), returned in kinds.items():
            photograph = photographed(on_paper, CAMERAS[camera], seed)
            bring_back(request, photograph, returned, known=known)
        print(name, *(f"{color.id} {color.share:.3f}" for color in mix), flush=True)
    figures = {
        f"{camera}, {'colours known' if known else 'colours unknown'}": returned.as_dict()
        for (camera, known), returned in kinds.items()
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    for kind, each in figures.items():
        print(kind, *(f"{name} {value:g}" for name, value in each.items()), sep="\n  ")


if __name__ == "__main__":
    main()
