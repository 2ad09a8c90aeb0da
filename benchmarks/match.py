"""How well `plitka match` finds the colours and shares of photographed tiles.

    python benchmarks/match.py [--photos FOLDER] [--mixes 60] [--out out/match.json]

FOLDER holds photographs named after their mix (`red.jpg`, `redp30_bluep70.jpg`); they are no part of the
repository. Simulated photographs are renders of all palette colours alone and of random mixes, in varying
batches, seen by a usual camera, by one with a cast (gains within 10 %, gamma 0.9 to 1.1), and by that with a
white and a grey card beside the tile.

Other batches of blue and dark green are fitted constants (`plitka.match.batches`). Each photograph of a mix
is measured without what it taught: with the means that these colours have on the other photographs of mixes.
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
from match_cases import CAST, USUAL, Camera, Case, Image, photographed, random_mixes, single_colors, tile_of
from photographs import mix_of_name

from plitka.colors.mix import hex_mix_color, palette_mix_color
from plitka.colors.palette import PALETTE, Lab, delta_e00
from plitka.errors import PhotographError
from plitka.match import recipe
from plitka.match.appearance import appearances_of
from plitka.match.batches import KNOWN_BATCHES
from plitka.match.cast import GREY_CARD, Patch
from plitka.match.frame import frame_of
from plitka.match.known_colors import known_facets
from plitka.match.photo import read_photograph
from plitka.match.pixels import pixels_of
from plitka.match.recipe import ALIKE, Match, match_photograph

CARD = 64
# Light enough, and not clipped by the camera with a cast.
WHITE = (220, 220, 220)


@dataclass
class Scores:
    """Figures of a kind of photograph, one entry per photograph or per colour."""

    refused: int = 0
    exact: list[bool] = field(default_factory=list)
    first_three: list[bool] = field(default_factory=list)
    near: list[bool] = field(default_factory=list)
    number: list[bool] = field(default_factory=list)
    among_three_names: list[bool] = field(default_factory=list)
    shares_pp: list[float] = field(default_factory=list)
    known_pp: list[float] = field(default_factory=list)
    covered: list[bool] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def as_dict(self) -> dict[str, float]:
        figures: dict[str, float] = {"photographs": len(self.exact), "refused": self.refused}
        for name in ("exact", "first_three", "near", "number", "among_three_names", "covered"):
            if getattr(self, name):
                figures[name] = percent(getattr(self, name))
        for name in ("shares_pp", "known_pp", "seconds"):
            values = getattr(self, name)
            if values:
                figures[f"{name}_median"] = round(float(np.median(values)), 2)
                figures[f"{name}_90"] = round(float(np.quantile(values, 0.9)), 2)
        return figures


def percent(values: Sequence[bool]) -> float:
    return round(100 * float(np.mean(values)), 1)


def judge(
    scores: Scores,
    image: Image,
    truth: Mapping[str, float],
    white: Patch | None = None,
    grey: Patch | None = None,
) -> Match | None:
    """Match one photograph, with the set unknown and known, and enter the figures."""
    begun = time.process_time()
    try:
        found = match_photograph(image, white=white, grey=grey)
    except PhotographError:
        scores.refused += 1
        return None
    scores.seconds.append(time.process_time() - begun)
    shares = {color.id: color.share for color in found.colors}
    exact = set(shares) == set(truth)
    scores.exact.append(exact)
    scores.first_three.append(any(set(each.ids) == set(truth) for each in found.sets))
    scores.number.append(len(shares) == len(truth))
    scores.near.append(is_near(set(shares), set(truth)))
    named = {name.id for color in found.colors for name in color.nearest}
    scores.among_three_names.extend(code in named for code in truth)
    if len(truth) > 1:
        if exact:
            scores.shares_pp.append(worst(shares, truth))
        known = match_photograph(
            image, colors=[palette_mix_color(PALETTE[code]) for code in truth], white=white, grey=grey
        )
        scores.known_pp.append(worst({color.id: color.share for color in known.colors}, truth))
        scores.covered.extend(color.low <= truth[color.id] <= color.high for color in known.colors)
    return found


def worst(shares: Mapping[str, float], truth: Mapping[str, float]) -> float:
    return 100 * max(abs(shares[code] - share) for code, share in truth.items())


def is_near(found: set[str], truth: set[str]) -> bool:
    """Whether a set is right but for one colour that looks like the right one."""
    missing, extra = sorted(truth - found), sorted(found - truth)
    if len(missing) != len(extra) or len(missing) > 1:
        return False
    return all(delta_e00(lab_of(a), lab_of(b)) < 1.5 * ALIKE for a, b in zip(missing, extra, strict=True))


def lab_of(code: str) -> Lab:
    return (hex_mix_color(code) if code.startswith("#") else palette_mix_color(PALETTE[code])).lab


def of_photographs(folder: Path) -> dict[str, dict[str, float]]:
    """Figures of single colours, and of mixes, each of these without what it taught."""
    single, mixes = Scores(), Scores()
    photos = {path: {color.id: color.share for color in mix_of_name(path.stem)} for path in find(folder)}
    pictures = {path: read_photograph(path) for path in photos}
    of_mixes = [path for path, truth in photos.items() if len(truth) > 1]
    taught = {path: batch_means(pictures[path], photos[path]) for path in of_mixes}
    for path, truth in photos.items():
        others = [taught[other] for other in of_mixes if other != path]
        batches = {code: labs for code in KNOWN_BATCHES if (labs := means_of(code, others))}
        with patch.object(recipe, "known_batches", return_value=batches):
            found = judge(mixes if len(truth) > 1 else single, pictures[path], truth)
        sets = "; ".join(" ".join(each.ids) for each in found.sets) if found else "refused"
        print(f"{path.stem:44} {sets}", flush=True)
    return {"photographs, one colour": single.as_dict(), "photographs, mixes": mixes.as_dict()}


def find(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))


def batch_means(image: Image, truth: Mapping[str, float]) -> dict[str, Lab]:
    """Mean CIELAB that the colours with other batches have on a photograph, from their facets."""
    colors = [palette_mix_color(PALETTE[code]) for code in truth]
    known = appearances_of(colors, KNOWN_BATCHES)
    facets, chosen = known_facets(pixels_of(frame_of(image).image).facets, known, list(truth))
    means = {}
    for code, part, index in zip(truth, facets, chosen, strict=True):
        if code in KNOWN_BATCHES and len(part):
            batch = known[index]
            lightness, a, b = map(float, batch.raw.mean + part.mean(0) - batch.facets.mean)
            means[code] = (lightness, a, b)
    return means


def means_of(code: str, others: Sequence[Mapping[str, Lab]]) -> tuple[Lab, ...]:
    labs = [each[code] for each in others if code in each]
    if not labs:
        return ()
    lightness, a, b = map(float, np.mean(labs, 0))
    return ((lightness, a, b),)


def of_renders(mixes: int) -> dict[str, dict[str, float]]:
    """Figures of simulated photographs, by camera, single colours and mixes apart."""
    kinds = [
        (f"{camera}, {kind}")
        for camera in ("usual", "cast", "cast and cards")
        for kind in ("one colour", "mixes")
    ]
    scores = {kind: Scores() for kind in kinds}
    for seed, case in enumerate(cases(mixes)):
        kind = "mixes" if len(case.shares) > 1 else "one colour"
        judge(scores[f"usual, {kind}"], photographed(case.image, USUAL, seed), case.shares)
        judge(scores[f"cast, {kind}"], photographed(case.image, CAST, seed), case.shares)
        image, white, grey = with_cards(case.image, CAST, seed)
        judge(scores[f"cast and cards, {kind}"], image, case.shares, white, grey)
        print(f"{case.name:12} {' '.join(case.shares)}", flush=True)
    return {f"simulated, {kind}": each.as_dict() for kind, each in scores.items()}


def cases(mixes: int) -> Iterator[Case]:
    for seed, (name, mix) in enumerate([*single_colors(), *random_mixes(mixes)]):
        yield tile_of(name, mix, seed)


def with_cards(tile: Image, camera: Camera, seed: int) -> tuple[Image, Patch, Patch]:
    """A photograph of the tile between a white and a grey card."""
    height = len(tile)
    cards = [np.full((height, CARD, 3), color, np.uint8) for color in (WHITE, GREY_CARD)]
    image = photographed(np.hstack([cards[0], tile, cards[1]]), camera, seed)
    unit = image.shape[1] / (height + 2 * CARD)
    side = int(CARD * unit / 2)
    left, top = int(CARD * unit / 4), int(image.shape[0] / 2)
    right = int(image.shape[1] - 0.75 * CARD * unit)
    return image, Patch(left, top, side, side, WHITE), Patch(right, top, side, side, GREY_CARD)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, help="folder of photographs")
    parser.add_argument("--mixes", type=int, default=60, help="simulated mixes; 0: no simulated photographs")
    parser.add_argument("--out", type=Path, default=Path("out/match.json"))
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    figures = of_photographs(arguments.photos) if arguments.photos else {}
    if arguments.mixes:
        figures |= of_renders(arguments.mixes)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    for kind, each in figures.items():
        print(kind, *(f"{name} {value:g}" for name, value in each.items()), sep="\n  ")


if __name__ == "__main__":
    main()
