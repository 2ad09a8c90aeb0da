"""From a photograph to a recipe: what is found, what is refused, and what the command prints and draws."""

import os

import cv2
import numpy as np
import photo_files
import pytest
from hypothesis import given
from hypothesis import strategies as st
from photo_files import NEAR, SHARES, colors, encoded, huge_png
from PIL import Image
from thorough import examples

from plitka.colors.mix import palette_mix_color
from plitka.colors.palette import PALETTE
from plitka.errors import PhotographError
from plitka.match.cast import GREY_CARD, WHITE_CARD, Patch
from plitka.match.frame import frame_of
from plitka.match.granule_size import granule_pixels
from plitka.match.photo import decode_photograph, read_photograph
from plitka.match.recipe import match_photograph
from plitka.tile.plan import make_plan
from plitka.tile.swatch import draw_swatch

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def tile():
    return photo_files.tile()


@pytest.fixture(scope="module")
def plain_tile():
    return photo_files.plain_tile()


def shares(found):
    return {color.id: color.share for color in found.colors}


def is_right(found):
    return shares(found) == pytest.approx(SHARES, abs=NEAR)


def test_colors_and_shares_are_found(tile):
    found = match_photograph(decode_photograph(encoded(tile, quality=80)))
    assert is_right(found)
    assert sum(shares(found).values()) == pytest.approx(1)
    assert 1 <= len(found.sets) <= 3
    assert set(found.sets[0].ids) == set(SHARES)
    assert [each.confidence for each in found.sets] == sorted(
        (each.confidence for each in found.sets), reverse=True
    )
    assert all(color.low <= color.share <= color.high for color in found.colors)
    assert all(len(color.nearest) == 3 and color.nearest[0].id == color.id for color in found.colors)
    assert "ORANGE" in next(color for color in found.colors if color.id == "RED").alike
    assert {color.id for color in found.mix} == set(SHARES)


@pytest.mark.long
def test_the_same_photograph_gives_the_same_answer(tile):
    assert match_photograph(tile).colors == match_photograph(tile).colors


def test_one_color_is_one_color(plain_tile):
    found = match_photograph(plain_tile)
    assert shares(found) == {"EMERALD": 1}


def test_of_known_colors_the_shares_are_measured(tile):
    found = match_photograph(tile, colors=colors("YELLOW", "BLACK", "RED"))
    assert is_right(found)
    assert [each.confidence for each in found.sets] == [1]


@pytest.mark.long
def test_a_known_color_that_is_not_there_has_almost_no_share(tile):
    found = match_photograph(tile, colors=colors("YELLOW", "BLACK", "RED", "BLUE"))
    assert shares(found)["BLUE"] < 0.03


def test_a_color_of_no_palette_is_called_by_its_hex():
    from dataclasses import replace

    strange = replace(palette_mix_color(PALETTE["LILAC"]), lab=(45.0, 75.0, -60.0))
    found = match_photograph(draw_swatch(make_plan((strange,), 0, "surface", 1), 512))
    assert found.colors[0].outside
    assert found.colors[0].id == found.colors[0].hex


@pytest.mark.long
def test_a_tile_seen_aslant_is_found_and_corners_may_be_given(tile):
    quad = np.array([[260, 150], [1130, 260], [1060, 1090], [180, 980]], np.float32)
    square = np.array([[0, 0], [1024, 0], [1024, 1024], [0, 1024]], np.float32)
    photo = cv2.warpPerspective(
        tile, cv2.getPerspectiveTransform(square, quad), (1300, 1200), borderValue=(250, 250, 250)
    )
    by_itself, told = match_photograph(photo), match_photograph(photo, corners=[tuple(p) for p in quad[::-1]])
    assert by_itself.frame.found and not told.frame.found
    assert np.abs(np.array(by_itself.frame.corners) - quad).max() < 15
    assert is_right(by_itself) and is_right(told)


@pytest.mark.long
def test_cards_take_a_cast_out(tile):
    cards = [np.full((1024, 100, 3), card, np.uint8) for card in (WHITE_CARD, GREY_CARD)]
    photo = np.hstack([cards[0], tile, cards[1]]) / 255
    yellowed = np.rint(np.clip(photo**1.1 * [1.0, 0.9, 0.7], 0, 1) * 255).astype(np.uint8)
    corners = [(100, 0), (1124, 0), (1124, 1024), (100, 1024)]
    white, grey = Patch(20, 100, 60, 60, WHITE_CARD), Patch(1144, 100, 60, 60, GREY_CARD)
    found = match_photograph(yellowed, corners=corners, white=white, grey=grey)
    assert is_right(found)


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        (Patch(0, 0, 50, 50, WHITE_CARD), "clipped"),
        (Patch(100, 100, 50, 50, WHITE_CARD), "even"),
        (Patch(5000, 0, 50, 50, WHITE_CARD), "outside"),
        (Patch(60, 0, 1, 1, WHITE_CARD), "outside"),
    ],
)
def test_what_is_no_reference_is_refused(tile, patch, said):
    photo = tile.copy()
    photo[:60, :60] = 255
    with pytest.raises(PhotographError, match=said):
        match_photograph(photo, white=patch)


@pytest.mark.parametrize("pixels", [11, 17, 30, 50])
def test_the_size_of_granules_is_known_by_half(tile, pixels):
    # Renders have 58 granules to a side.
    factor = pixels / (1024 / 58)
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    assert granule_pixels(cv2.resize(tile, None, fx=factor, fy=factor, interpolation=how)) == pytest.approx(
        pixels, rel=0.5
    )


BAD_PICTURES = {
    "no granules": lambda tile: np.full((400, 400, 3), 120, np.uint8),
    "granules of less": lambda tile: RNG.integers(0, 256, (400, 400, 3), dtype=np.uint8),
    "more than 60": lambda tile: cv2.resize(tile[:200, :200], (1600, 1600), interpolation=cv2.INTER_CUBIC),
    "clipped to white": lambda tile: np.where(tile[:, :, :1] > 60, np.uint8(255), tile),
    "out of focus": lambda tile: cv2.GaussianBlur(tile, (0, 0), 40),
    "granules across": lambda tile: cv2.resize(tile[:180, :180], (200, 200), interpolation=cv2.INTER_CUBIC),
}


@pytest.mark.parametrize("said", BAD_PICTURES)
def test_a_photograph_without_measurable_granules_is_refused(tile, said):
    with pytest.raises(PhotographError, match=said):
        match_photograph(BAD_PICTURES[said](tile))


@pytest.mark.parametrize(
    ("corners", "said"),
    [
        ([(0, 0), (10, 0), (10, 10), (0, 10)], "64 x 64"),
        ([(0, 0), (500, 0), (0, 500), (120, 120)], "convex"),
        ([(0, 0), (5000, 0), (500, 500), (0, 500)], "outside"),
        ([(0, 0), (float("nan"), 0), (500, 500), (0, 500)], "four corners"),
    ],
)
def test_corners_that_enclose_no_tile_are_refused(tile, corners, said):
    with pytest.raises(PhotographError, match=said):
        frame_of(tile, corners)


BAD_FILES = {
    "is empty": lambda tile: b"",
    "HEIC": lambda tile: b"\0\0\0\x18ftypheic" + bytes(100),
    "AVIF": lambda tile: b"\0\0\0\x18ftypavif" + bytes(100),
    "is GIF": lambda tile: encoded(tile, "GIF"),
    "is TIFF": lambda tile: encoded(tile, "TIFF"),
    "is BMP": lambda tile: encoded(tile, "BMP"),
    "cannot be read as a picture": lambda tile: b"Dear customer",
    "damaged": lambda tile: encoded(tile)[:-20_000],
    "CMYK": lambda tile: encoded(Image.fromarray(tile).convert("CMYK")),
    "mode L": lambda tile: encoded(Image.fromarray(tile).convert("L")),
    "mode I;16": lambda tile: encoded(Image.fromarray(np.zeros((200, 200), np.uint16)), "PNG"),
    "at least 128": lambda tile: encoded(tile[:100]),
    "pixels, the most": lambda tile: huge_png(100_000, 100_000),
    "colour profile": lambda tile: encoded(tile, icc_profile=b"no profile at all"),
}


@pytest.mark.parametrize("said", BAD_FILES)
def test_a_file_that_is_no_photograph_is_refused_in_words(tile, said):
    with pytest.raises(PhotographError, match=said):
        decode_photograph(BAD_FILES[said](tile))


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(PhotographError, match="folder"):
        read_photograph(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PhotographError, match="regular"):
        read_photograph(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError):
        read_photograph(tmp_path / "missing.jpg")


def test_a_photograph_is_turned_as_its_exif_says():
    image = np.zeros((200, 300, 3), np.uint8)
    image[:, :50] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = decode_photograph(encoded(image, "PNG", exif=exif))
    assert turned.shape == (300, 200, 3)
    assert turned[0].min() == 255 and turned[-1].max() == 0


def test_what_is_transparent_is_white():
    image = np.zeros((200, 200, 4), np.uint8)
    image[:, 100:, 3] = 255
    decoded = decode_photograph(encoded(Image.fromarray(image), "PNG"))
    assert decoded[0, 0].tolist() == [255] * 3 and decoded[0, -1].tolist() == [0] * 3


@st.composite
def damaged_files(draw):
    """A small picture file with bytes cut off, changed, put in or left out."""
    kind = draw(st.sampled_from(["JPEG", "PNG", "WEBP"]))
    image = np.random.default_rng(1).integers(0, 256, (140, 150, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = bytearray(encoded(image, kind, exif=exif))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, min(len(data), 2000)) | st.integers(0, len(data)))
        change = draw(st.binary(max_size=6))
        data[place : place + draw(st.integers(0, 6))] = change
    return bytes(data[: draw(st.integers(0, len(data)) | st.just(len(data)))])


@examples(75)
@given(damaged_files() | st.binary(max_size=200))
def test_no_damaged_file_gets_farther_than_a_sentence(data):
    try:
        image = decode_photograph(data)
    except PhotographError as error:
        assert str(error).isprintable()
    else:
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3


@pytest.fixture
def photo(tile, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(tile, quality=85))
    return path
