"""The sheet for a customer on the web page: as PDF from the server, and as the browser prints it."""

import base64
import datetime
import io

import pypdfium2
import pytest
from PIL import Image
from sheets import logo, text_of

from plitka.server.serve import PAGE


@pytest.fixture(scope="module")
def drawn_once(browser, render_server):
    browser.open(f"{render_server.url}/", "ru")
    browser.send()
    return browser


@pytest.fixture
def drawn(drawn_once):
    """A tile has been drawn, and nothing is said of its sheet yet."""
    drawn_once.script(
        "document.getElementById('sheet-dialog').close(); keepSheet({text: '', logo: ''}); showLogo();"
        "document.getElementById('sheet-text').value = ''"
    )
    return drawn_once


def printed(page):
    """What the browser would print, as PDF."""
    answer = page.browser.execute_cdp_cmd(
        "Page.printToPDF", {"printBackground": True, "preferCSSPageSize": True}
    )
    return base64.b64decode(answer["data"])


@pytest.mark.long
def test_logo_that_is_none_is_refused_on_the_page_in_its_language(drawn, tmp_path):
    drawn.click("#sheet")
    for name, data in (("a.png", b"no picture"), ("b.txt", logo()), ("c.png", logo() + bytes(2**20))):
        (tmp_path / name).write_bytes(data)
        drawn.find("#sheet-logo").send_keys(str(tmp_path / name))
        drawn.wait_for(lambda name=name: f"«{name}»" in drawn.text("#sheet-note"))
        assert "не картинка PNG или JPEG" in drawn.text("#sheet-note")
    assert drawn.script("return sheet.logo") == ""


def test_what_the_server_says_of_the_text_stands_in_the_dialogue(drawn):
    drawn.click("#sheet")
    drawn.script("document.getElementById('sheet-text').value = ''; keepSheet({text: '日本'})")
    drawn.click("#sheet-pdf")
    drawn.wait_for(lambda: "U+65E5" in drawn.text("#sheet-note"))
    assert drawn.find("#sheet-pdf").is_enabled()
    drawn.console_errors()


def test_print_has_the_sheet_and_nothing_else_on_one_page(drawn):
    drawn.script("keepSheet({text: 'Наш текст'})")
    document = pypdfium2.PdfDocument(printed(drawn))
    assert len(document) == 1
    text = text_of(printed(drawn))
    seed = drawn.script("return run.metrics.seed")
    for said in (
        "состав по цветам",
        "BLACK",
        "чёрный",
        "60 %",
        "#313131",
        "20 мм",
        "94 × 94 мм",
        "Наш текст",
        seed,
    ):
        assert said in text, said
    for not_said in (drawn.text("#send"), "Лист для клиента", "English"):
        assert not_said not in text
    # The drawn picture is on it.
    picture = document[0].render(scale=1).to_pil().convert("RGB")
    final = drawn.script("return run.pictures[1]")
    shown = Image.open(io.BytesIO(base64.b64decode(final.partition(",")[2]))).convert("RGB")
    middle = picture.crop((200, 200, 400, 330)).resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    mean = shown.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert max(abs(a - b) for a, b in zip(middle, mean, strict=True)) < 12


@pytest.mark.parametrize("shape", [(94, 94), (94, 940), (940, 94), (470, 564)])
def test_a_picture_of_any_shape_leaves_room_for_its_mix_on_one_page(drawn, shape):
    width, height = shape
    scale = {"granule_mm": 2, "width_mm": width, "height_mm": height}
    drawn.browser.execute_script(
        """
        const [scale, width, height] = arguments;
        const canvas = Object.assign(document.createElement("canvas"), { width, height });
        canvas.getContext("2d").fillRect(0, 0, width, height);
        window.shownBefore = shown;
        const metrics = { ...shown.metrics, scale };
        shown = { ...shown, metrics, pictures: [shown.pictures[0], canvas.toDataURL(), shown.pictures[2]] };
        """,
        scale,
        width,
        height,
    )
    try:
        document = pypdfium2.PdfDocument(printed(drawn))
        assert len(document) == 1
        assert "BLACK" in document[0].get_textpage().get_text_range()
        (picture,) = document[0].get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE])
        left, bottom, right, top = picture.get_bounds()
        assert (right - left) / (top - bottom) == pytest.approx(width / height, rel=0.02)
        assert 0 < left < right < document[0].get_width()
    finally:
        drawn.script("shown = window.shownBefore")


def test_sheet_is_saved_as_pdf_with_the_customers_logo_and_text(drawn, tmp_path):
    folder = tmp_path / "saved"
    drawn.browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)}
    )
    (tmp_path / "logo.png").write_bytes(logo((10, 200, 30)))
    drawn.click("#sheet")
    drawn.find("#sheet-text").send_keys("ООО «Плитка», тел. 123")
    drawn.find("#sheet-logo").send_keys(str(tmp_path / "logo.png"))
    drawn.wait_for(lambda: drawn.find("#sheet-logo-shown").is_displayed())
    days = {datetime.date.today()}
    drawn.click("#sheet-pdf")
    drawn.wait_for(lambda: list(folder.glob("*.pdf")))
    # A day may end meanwhile.
    days.add(datetime.date.today())
    (file,) = folder.glob("*.pdf")
    assert file.name.startswith("plitka_black-60_white-40_seed-")
    text = text_of(file.read_bytes())
    assert "ООО «Плитка», тел. 123" in text
    assert any(day.strftime("%d.%m.%Y") in text for day in days)
    drawn.wait_for(lambda: file.name in drawn.text("#sheet-note"))
    assert drawn.console_errors() == []
    # The next visit has logo and text again.
    drawn.browser.refresh()
    assert drawn.script("return sheet.text") == "ООО «Плитка», тел. 123"
    assert drawn.script("return sheet.logo").startswith("data:image/png;base64,")


def test_page_without_a_server_prints_the_recipe(page, tmp_path):
    (tmp_path / "page.html").write_bytes(PAGE.read_bytes())
    page.open((tmp_path / "page.html").as_uri(), "en")
    page.click("#even")
    text = text_of(printed(page))
    assert "Rubber tile: colour mix" in text
    assert "50 %" in text
    assert "Seed" not in text
