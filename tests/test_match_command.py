"""The command `plitka match`, and photographs with something else in them."""

import json
import subprocess
import sys

import cv2
import numpy as np
import photo_files
import pytest
from photo_files import NEAR, SHARES, encoded
from PIL import Image

from plitka.colors.mix import palette_mix_color
from plitka.colors.palette import PALETTE
from plitka.match.recipe import match_photograph
from plitka.tile.plan import make_plan
from plitka.tile.swatch import draw_swatch


@pytest.fixture(scope="module")
def tile():
    return photo_files.tile()


@pytest.fixture(scope="module")
def plain_tile():
    return photo_files.plain_tile()


@pytest.fixture
def photo(tile, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(tile, quality=85))
    return path


def test_the_command_prints_one_document_and_draws_the_mix(invoke, photo, tmp_path):
    result = invoke("match", str(photo), "--json", "-o", str(tmp_path / "found"))
    assert result.exit_code == 0
    said = json.loads(result.stdout)
    assert {color["id"] for color in said["colors"]} == set(SHARES)
    assert said["sets"][0]["colors"] == [color["id"] for color in said["colors"]]
    with Image.open(said["picture"]) as drawn:
        assert drawn.size[0] > 2 * drawn.size[1] == 2048
    request = json.dumps(said["request"])
    assert invoke("plan", "--size", "512", "-p", request, "-o", str(tmp_path / "plan")).exit_code == 0


@pytest.mark.long
def test_the_command_tells_a_person_shares_and_sets(invoke, photo):
    result = invoke("match", str(photo), "--colors", "red, black, yellow")
    assert result.exit_code == 0
    assert all(code in result.stdout for code in SHARES)
    assert "likeliest" not in result.stdout
    assert "likeliest set" in invoke("match", str(photo)).stdout


@pytest.mark.long
def test_no_picture_is_overwritten_unasked(invoke, photo, tmp_path):
    taken = tmp_path / "found.png"
    taken.write_bytes(b"earlier")
    result = invoke("match", str(photo), "-o", str(taken))
    assert result.exit_code == 1 and taken.read_bytes() == b"earlier"
    assert invoke("match", str(photo), "-o", str(taken), "--force").exit_code == 0
    with Image.open(taken) as drawn:
        assert drawn.format == "PNG"


@pytest.mark.parametrize(
    "options",
    [
        ("--corners", "1,2 3,4"),
        ("--corners", "1,2 3,4 5,6 7,x"),
        ("--white", "1,2,3"),
        ("--grey", "1,2,3,4=red"),
        ("--colors", "no such colour"),
    ],
)
def test_a_wrong_option_is_named(invoke, photo, options):
    result = invoke("match", str(photo), *options)
    assert result.exit_code == 2
    assert options[0].strip("-") in result.stderr and not result.stdout


def test_a_bad_photograph_is_named_with_what_is_wrong(invoke, tmp_path):
    path = tmp_path / "phone.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic")
    result = invoke("match", str(path))
    assert result.exit_code == 2
    assert "phone.heic" in result.stderr and "HEIC" in result.stderr


@pytest.mark.long
def test_a_color_of_no_palette_is_found_among_others():
    from dataclasses import replace

    strange = replace(palette_mix_color(PALETTE["LILAC"], 0.3), lab=(45.0, 75.0, -60.0))
    mix = (strange, palette_mix_color(PALETTE["WHITE"], 0.7))
    found = match_photograph(draw_swatch(make_plan(mix, 0, "surface", 1), 512))
    assert [color.outside for color in found.colors] == [False, True]
    assert found.colors[1].share == pytest.approx(0.3, abs=NEAR)


@pytest.mark.long
def test_two_tiles_in_one_picture_are_told_from_one(tile, plain_tile):
    assert not match_photograph(tile).uneven
    beside = np.hstack([tile[:, :512], cv2.resize(plain_tile, (1024, 1024))[:, :512]])
    assert match_photograph(beside, corners=[(0, 0), (1024, 0), (1024, 1024), (0, 1024)]).uneven


PEAK = """
import resource, sys
from pathlib import Path
from plitka.match.photo import decode_photograph
from plitka.match.recipe import match_photograph

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

data = Path(sys.argv[1]).read_bytes()
decode_photograph(Path(sys.argv[2]).read_bytes())
before = peak()
match_photograph(decode_photograph(data))
print(peak() - before)
"""


@pytest.mark.long
def test_a_large_photograph_is_held_in_memory_hardly_more_than_twice(tile, tmp_path):
    side = 5120
    (tmp_path / "large.jpg").write_bytes(encoded(np.tile(tile, (side // 1024, side // 1024, 1))))
    (tmp_path / "small.jpg").write_bytes(encoded(tile))
    command = [sys.executable, "-c", PEAK, str(tmp_path / "large.jpg"), str(tmp_path / "small.jpg")]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert int(said) < 2.7 * side * side * 3
