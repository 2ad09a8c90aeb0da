"""From a photograph on the web page: chosen, matched, its corners moved, its names chosen, its mix used."""

import cv2
import numpy as np
import pytest
from photo_files import BAD_FILES, NEAR, SHARES, encoded, tile, turned
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

IS_ANSWERED = "return photo.isAsking === false"
QUAD = np.array([[260, 150], [1130, 260], [1060, 1090], [180, 980]], np.float32)


def aslant():
    """The tile on a pale ground, seen from the side."""
    square = np.array([[0, 0], [1024, 0], [1024, 1024], [0, 1024]], np.float32)
    way = cv2.getPerspectiveTransform(square, QUAD)
    return cv2.warpPerspective(tile(), way, (1300, 1200), borderValue=(250, 250, 250))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    kinds = {
        "tile.jpg": encoded(tile(), quality=90),
        "aslant.jpg": encoded(aslant(), quality=92),
        "turned.jpg": turned(tile()[:768]),
        "wall.png": BAD_FILES["a plain wall"][0],
        "none.jpg": b"no picture",
    }
    for name, data in kinds.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def opened(page, render_server):
    page.open(f"{render_server.url}/", "en", height=1600)
    page.click("#from-photo")
    return page


def choose(page, file):
    page.script("window.before = { asked: photo.asked, trouble: photo.trouble }")
    page.find("#photo-file").send_keys(str(file))
    page.wait_for(
        lambda: page.script("return photo.asked > before.asked || photo.trouble !== before.trouble")
    )
    page.wait_for(lambda: page.script("return !photo.isAsking"))


def recipe(page):
    return {one["id"]: one["units"] / 1000 for one in page.script("return state.colors")}


def handle(page, index):
    return page.all(".corner")[index]


def test_the_mix_of_a_photograph_becomes_the_recipe_and_can_be_undone(opened, files):
    before = recipe(opened)
    choose(opened, files / "tile.jpg")
    assert "Found: " in opened.text("#photo-status")
    rows = [row.text for row in opened.all("#photo-colors li")]
    assert len(rows) == 3
    assert all("(" in row and " to " in row for row in rows)
    assert recipe(opened) == before
    opened.click("#photo-use")
    assert not opened.find("#photo").is_displayed()
    assert recipe(opened) == pytest.approx(SHARES, abs=NEAR)
    assert sum(recipe(opened).values()) == pytest.approx(1)
    opened.click("#undo")
    assert recipe(opened) == before
    opened.click("#redo")
    assert recipe(opened) == pytest.approx(SHARES, abs=NEAR)
    assert opened.console_errors() == []


@pytest.mark.long
def test_another_name_that_looks_alike_is_chosen_with_a_press(opened, files):
    choose(opened, files / "tile.jpg")
    said = opened.text("#photo-words")
    assert "look alike on photographs" in said
    other = next(button for button in opened.all("#photo-colors button") if button.text == "orange")
    other.click()
    opened.script("byId('photo').close(); document.querySelector('[data-language=ru]').click()")
    opened.click("#from-photo")
    assert "Найдено: " in opened.text("#photo-status")
    assert "оранжевый" in opened.text("#photo-status")
    opened.script("byId('photo').close(); document.querySelector('[data-language=en]').click()")
    opened.click("#from-photo")
    pressed = [one.text for one in opened.all("#photo-colors [aria-pressed=true]")]
    assert "orange" in pressed
    assert "orange" in opened.text("#photo-status")
    opened.click("#photo-use")
    assert set(recipe(opened)) == {"ORANGE", "BLACK", "YELLOW"}


@pytest.mark.long
def test_found_corners_are_shown_and_keys_move_them_and_the_server_is_asked_again(opened, files):
    choose(opened, files / "aslant.jpg")
    found = np.array(opened.script("return photo.corners")) * [1300, 1200]
    assert np.abs(found - QUAD).max() < 20
    assert "middle of the photograph" not in opened.text("#photo-words")
    asked = opened.script("return photo.asked")
    label = handle(opened, 2).get_attribute("aria-label")
    handle(opened, 2).send_keys(Keys.ARROW_LEFT, Keys.SHIFT + Keys.ARROW_UP)
    assert handle(opened, 2).get_attribute("aria-label") != label
    assert label.startswith("Lower right corner: 8")
    opened.wait_for(lambda: opened.script("return photo.asked > arguments[0] && !photo.isAsking", asked))
    moved = np.array(opened.script("return photo.found.corners"))
    assert moved[2] == pytest.approx(found[2] - [13, 1.2], abs=0.6)
    assert opened.script("return photo.found.corners_found") is False
    opened.click("#photo-use")
    assert recipe(opened) == pytest.approx(SHARES, abs=NEAR)


def drag_corner(opened, kind):
    """Drag the first corner, and wait for what the server says of it."""
    asked = opened.script("return photo.asked")
    before = opened.script("return photo.corners[0]")
    place = opened.script("const at = document.querySelector('.corner').getBoundingClientRect();"
                          "return [at.left + at.width / 2, at.top + at.height / 2]")  # fmt: skip
    if kind == "mouse":
        ActionChains(opened.browser).drag_and_drop_by_offset(handle(opened, 0), 20, 30).perform()
    else:
        for name, by in (("touchStart", 0), ("touchMove", 0.5), ("touchMove", 1), ("touchEnd", None)):
            points = [] if by is None else [{"x": place[0] + 20 * by, "y": place[1] + 30 * by}]
            event = {"type": name, "touchPoints": points}
            opened.browser.execute_cdp_cmd("Input.dispatchTouchEvent", event)
    width, height = opened.script(
        "const at = byId('photo-picture').getBoundingClientRect(); return [at.width, at.height]"
    )
    moved = np.array(opened.script("return photo.corners[0]")) - before
    assert moved * [width, height] == pytest.approx([20, 30], abs=2)
    opened.wait_for(lambda: opened.script("return photo.asked > arguments[0] && !photo.isAsking", asked))


@pytest.mark.long
def test_a_corner_is_dragged_with_mouse_and_finger_and_found_again(opened, files):
    choose(opened, files / "aslant.jpg")
    before = opened.script("return photo.corners[0]")
    drag_corner(opened, "mouse")
    drag_corner(opened, "touch")
    opened.click("#photo-find")
    opened.wait_for(lambda: opened.script("return photo.found.corners_found && !photo.isAsking"))
    assert np.array(opened.script("return photo.corners[0]")) == pytest.approx(before, abs=0.01)


@pytest.mark.long
def test_a_photograph_that_lies_on_its_side_stands_upright(opened, files):
    choose(opened, files / "turned.jpg")
    assert opened.script("return photo.size") == [1024, 768]
    assert opened.script("return photo.found.size") == [1024, 768]
    opened.click("#photo-use")
    assert recipe(opened) == pytest.approx(SHARES, abs=NEAR)


@pytest.mark.long
def test_what_cannot_be_matched_is_said_in_words_and_the_next_photograph_is_taken(page, render_server, files):
    page.open(f"{render_server.url}/", "ru", height=1600)
    page.click("#from-photo")
    choose(page, files / "none.jpg")
    assert "не может прочитать «none.jpg»" in page.text("#photo-error")
    choose(page, files / "wall.png")
    assert "Состав найти не удалось." in page.text("#photo-error")
    assert "shows no granules" in page.text("#photo-error")
    assert not page.find("#photo-use").is_displayed()
    choose(page, files / "tile.jpg")
    assert not page.find("#photo-error").is_displayed()
    assert "не различить" in page.text("#photo-words")
    page.console_errors()


def test_the_camera_is_offered_where_there_is_one_to_point(opened):
    camera = opened.find("#photo-take")
    assert camera.get_attribute("capture") == "environment"
    assert camera.get_attribute("accept") == opened.find("#photo-file").get_attribute("accept") == "image/*"
    assert opened.find("#photo-camera").is_displayed() == opened.script(
        "return matchMedia('(pointer: coarse)').matches"
    )
