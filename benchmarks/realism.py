"""Whether pictures can be told from photographs of the same mixes, by the texture of small patches.

    python benchmarks/realism.py --photos FOLDER [--pictures FOLDER] [--out out/realism]

FOLDER holds photographs named after their mix (`red.jpg`, `redp30_bluep70.jpg`), a square tile in the middle
of a white ground. They are no part of the repository. Beside each stands a picture of the same mix: the
swatch, or the file of the same name in `--pictures`. Both are cut into patches of 96 pixels at a scale at
which a tile is as many pixels wide, and described by `patch_features`. Two figures come of it:

- AUC: how often a classifier (boosted trees), trained on the other mixes, gives a patch of a picture a higher
  mark for being drawn than a patch of a photograph: 0.5 is a guess, 1 is never wrong.
- distance: the (squared) Fréchet distance between the cloud of the pictures' features and that of the
  photographs', divided by that between two halves of the photographs, which differ as mixes and cameras do.

Mixes and single colours are reported apart, with the spread over random halves. A sheet of 12 crops of
photographs and 12 of pictures in random order at 1:1 is written to `--out`, its key beside it: a person is
the last judge.
"""

import argparse
import io
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray
from patch_features import PATCH, Image, describe, patches
from photographs import middle, mix_of_name
from PIL.JpegImagePlugin import get_sampling
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

from plitka.tile.plan import make_plan
from plitka.tile.swatch import draw_swatch

SIZE = 1024
# Pixels of the middle of a photograph that show nothing but granules.
INNER = 8 * PATCH
# Of the first picture; each has the next one, and so a camera of its own.
SEED = 1
HALVES = 20
SHEET_CROPS = 12
SHEET_SIDE = 256
Features = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """A photograph and a picture of its mix, (INNER, INNER, 3), and the features of their patches."""

    name: str
    photo: Image
    picture: Image
    photo_features: Features
    picture_features: Features

    @property
    def is_mix(self) -> bool:
        """Whether there is more than one colour in it."""
        return "_" in self.name


def read_picture(path: Path) -> Image:
    """A picture file at the scale of `SIZE` pixels a side."""
    found = cv2.imread(str(path))
    if found is None:
        raise SystemExit(f"{path}: this is not a picture")
    image = cv2.cvtColor(found, cv2.COLOR_BGR2RGB)
    if len(image) != SIZE:
        image = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return image


def as_stored(picture: Image, photo: Path) -> Image:
    """The picture after the same JPEG compression that the photograph has been through."""
    with PIL.Image.open(photo) as stored:
        tables, sampling = getattr(stored, "quantization", None), get_sampling(stored)
    file = io.BytesIO()
    PIL.Image.fromarray(picture).save(file, "JPEG", qtables=tables, subsampling=sampling)
    return np.asarray(PIL.Image.open(file))


def read_pairs(photos: Path, pictures: Path | None) -> list[Pair]:
    pairs = []
    for seed, path in enumerate(sorted(photos.glob("*.jpg")), start=SEED):
        photo = middle(read_picture(path), INNER)
        if pictures is None:
            whole = draw_swatch(make_plan(mix_of_name(path.stem), 0, "surface", seed), SIZE)
        else:
            whole = read_picture(pictures / f"{path.stem}.png")
        picture = middle(as_stored(whole, path), INNER)
        features = [np.array([describe(patch) for patch in patches(image)]) for image in (photo, picture)]
        pairs.append(Pair(path.stem, photo, picture, *features))
    return pairs


def unseen_auc(pairs: list[Pair]) -> float:
    """How well patches of mixes that the classifier has not seen are told apart."""
    features = np.concatenate(
        [half for pair in pairs for half in (pair.photo_features, pair.picture_features)]
    )
    drawn = np.concatenate([np.repeat([0, 1], len(pair.photo_features)) for pair in pairs])
    groups = np.repeat(np.arange(len(pairs)), [2 * len(pair.photo_features) for pair in pairs])
    classifier = HistGradientBoostingClassifier(random_state=0, max_iter=100, max_leaf_nodes=8)
    marks = cross_val_predict(
        classifier, features, drawn, groups=groups, cv=LeaveOneGroupOut(), method="predict_proba"
    )
    return float(roc_auc_score(drawn, marks[:, 1]))


def frechet(one: Features, other: Features) -> float:
    """Squared Fréchet distance of normal distributions fitted to two clouds (Dowson & Landau 1982)."""
    means = one.mean(axis=0) - other.mean(axis=0)
    left, right = np.cov(one.T), np.cov(other.T)
    # The trace of a square root is the sum of the roots of the eigenvalues, here real and at least 0.
    roots = np.sqrt(np.maximum(np.linalg.eigvals(left @ right).real, 0))
    return float(means @ means + np.trace(left) + np.trace(right) - 2 * roots.sum())


def relative_distances(pairs: list[Pair], halves: int = HALVES) -> list[float]:
    """The distance of pictures and photographs, by that between halves of the photographs, for random halves.

    Every feature is scaled to the photographs' spread, and none is left out: pictures may differ in what all
    photographs have in common.
    """
    flat = np.concatenate([pair.photo_features for pair in pairs])
    center, spread = flat.mean(axis=0), flat.std(axis=0) + 1e-6
    photos = [(pair.photo_features - center) / spread for pair in pairs]
    pictures = [(pair.picture_features - center) / spread for pair in pairs]
    apart = frechet(np.concatenate(photos), np.concatenate(pictures))
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(halves):
        order = rng.permutation(len(pairs))
        here, there = order[: len(pairs) // 2], order[len(pairs) // 2 :]
        between = frechet(*(np.concatenate([photos[i] for i in half]) for half in (here, there)))
        ratios.append(apart / between)
    return ratios


def write_sheet(pairs: list[Pair], folder: Path) -> None:
    """Crops of photographs and pictures in random order, and a key that says which is which."""
    rng = np.random.default_rng()
    crops = []
    for index in range(2 * SHEET_CROPS):
        pair = pairs[rng.integers(len(pairs))]
        kind = "photograph" if index < SHEET_CROPS else "picture"
        image = pair.photo if kind == "photograph" else pair.picture
        top, left = rng.integers(0, INNER - SHEET_SIDE, 2)
        crops.append((f"{kind} {pair.name}", image[top : top + SHEET_SIDE, left : left + SHEET_SIDE]))
    order = rng.permutation(len(crops))
    columns = 6
    rows = [
        np.hstack([crops[index][1] for index in order[start : start + columns]])
        for start in range(0, len(crops), columns)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "sheet.png"), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))
    key = [
        f"row {place // columns + 1}, column {place % columns + 1}: {crops[index][0]}"
        for place, index in enumerate(order)
    ]
    (folder / "sheet.txt").write_text("\n".join(key) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, help="pictures of the same names, .png; default: swatches")
    parser.add_argument("--out", type=Path, default=Path("out/realism"))
    arguments = parser.parse_args()
    pairs = read_pairs(arguments.photos, arguments.pictures)
    figures = {}
    print(f"{'':<16}{'AUC':>7}{'distance':>10}   spread over halves")
    for name, part in (
        ("mixes", [pair for pair in pairs if pair.is_mix]),
        ("single colours", [pair for pair in pairs if not pair.is_mix]),
        ("all", pairs),
    ):
        auc, ratios = unseen_auc(part), relative_distances(part)
        low, mid, high = np.percentile(ratios, [10, 50, 90])
        figures[name] = {"auc": auc, "distance": mid, "spread": [low, high]}
        print(f"{name:<16}{auc:>7.3f}{mid:>10.2f}   {low:.2f} to {high:.2f}")
    write_sheet(pairs, arguments.out)
    (arguments.out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(f"sheet and figures: {arguments.out}")


if __name__ == "__main__":
    main()
