"""Photographs with captions for trainings, drawn by `render`, and zips of them."""

import io
import zipfile
from functools import lru_cache

from drawing import make_job
from PIL import Image

from plitka.tile.swatch import draw_swatch

SIDE = 256


@lru_cache(maxsize=64)
def photograph(*colors, angle=0, suffix="PNG"):
    """The bytes of a picture file of a mix: pairs of a name and a percentage."""
    dimensions = {"width": SIDE, "height": SIDE, "width_mm": 90}
    plan = make_job(angle, colors=colors, layout="surface", dimensions=dimensions).plan
    file = io.BytesIO()
    Image.fromarray(draw_swatch(plan, SIDE)).save(file, suffix)
    return file.getvalue()


def caption(*shares):
    """`60% red, 40% blue` of pairs."""
    return ", ".join(f"{percent}% {name}" for name, percent in shares)


def zip_of(files):
    """The bytes of a zip of these files, by their names."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


MIXES = (
    (("red", 60), ("blue", 40)),
    (("yellow", 70), ("blue", 30)),
)


def honest(mixes=MIXES):
    """Files of photographs whose captions say what they show."""
    files = {}
    for number, mix in enumerate(mixes):
        files[f"{number}.png"] = photograph(*mix)
        files[f"{number}.txt"] = caption(*mix)
    return files


def exchanged(*mix):
    """Files of one photograph whose caption has the first two names exchanged."""
    (one, most), (other, least), *rest = mix
    return {"swapped.png": photograph(*mix), "swapped.txt": caption((one, least), (other, most), *rest)}
