"""The order on the web page: kilograms as Python has them, at once, and what is typed stays as it is."""

import base64

import pytest
from browser import NOT_DRAWN
from hypothesis import given
from hypothesis import strategies as st
from orders import asked, goods, mixes, palette_with, request_of
from sheets import logo, text_of
from thorough import examples

from plitka.order.amounts import order_of
from plitka.order.report import order_csv
from plitka.request.tile_request import parse_request
from plitka.server.serve import PAGE

# What the page calls the figures of a request and of a palette.
ASKED = {"area_m2": "area", "thickness_mm": "thickness", "waste_percent": "waste", "binder_percent": "binder"}
GOODS = {
    "density_kg_m3": "density",
    "laid_kg_m3": "laid",
    "bulk_kg_m3": "bulk",
    "bag_kg": "bag",
    "price_per_kg": "price",
}
COMPUTE = """
const [colors, asked, goods] = arguments;
for (const [code, known] of Object.entries(goods)) BY_CODE.get(code).goods = known;
const order = orderOf(colors, asked);
for (const color of PALETTE) delete color.goods;
return { grams: order.lines.map((line) => line.grams), bags: order.lines.map((line) => line.bags),
  prices: order.lines.map((line) => line.price), all: order.grams, binder: order.binderGrams,
  price: order.price };
"""
SAVED = "return decodeURIComponent(byId('save-order').href.split(',').slice(1).join(','))"
FIELDS = ("area", "thickness", "waste", "binder")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page as a file, which no server has sent."""
    file = tmp_path_factory.mktemp("page") / "page.html"
    file.write_bytes(PAGE.read_bytes())
    return file.as_uri()


@pytest.fixture(scope="module")
def opened_once(browser, address):
    with browser.beginning_with(NOT_DRAWN):
        browser.open(address, "ru")
    return browser


@pytest.fixture
def opened(opened_once, address):
    """The page with 60 % black and 40 % white and an empty order in English."""
    if opened_once.browser.current_url != address:
        with opened_once.beginning_with(NOT_DRAWN):
            opened_once.open(address, "ru")
    opened_once.script("loadRequest(EXAMPLES[0]); speak('en'); byId('order-area').value = ''")
    for name, value in (("thickness", "10"), ("waste", "5"), ("binder", "18")):
        opened_once.script("byId(arguments[0]).value = arguments[1]", f"order-{name}", value)
    opened_once.script("showOrder()")
    return opened_once


def printed(page):
    """What the browser would print, as PDF."""
    answer = page.browser.execute_cdp_cmd(
        "Page.printToPDF", {"printBackground": True, "preferCSSPageSize": True}
    )
    return base64.b64decode(answer["data"])


def fields(page):
    return [page.script("return byId(arguments[0]).value", f"order-{name}") for name in FIELDS]


@examples(25)
@given(st.data())
def test_browser_and_python_agree_to_the_gram(opened_once, tmp_path_factory, data):
    mix, order = data.draw(mixes), data.draw(asked)
    known = {code: data.draw(goods) for code, _ in mix if not code.startswith("#")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLITKA_PALETTE", str(palette_with(known, tmp_path_factory.mktemp("palette"))))
        request = parse_request(request_of(mix, order))
        found = order_of(request.mix, request.overrides.order)
    in_page = opened_once.script(
        COMPUTE,
        [{"id": color, "share": share} for color, share in mix],
        {ASKED[name]: value for name, value in order.items()},
        {code: {GOODS[name]: value for name, value in of.items()} for code, of in known.items()},
    )
    assert in_page == {
        "grams": [line.grams for line in found.lines],
        "bags": [line.bags for line in found.lines],
        "prices": [line.price for line in found.lines],
        "all": found.grams,
        "binder": found.binder_grams,
        "price": found.price,
    }


def test_kilograms_are_there_while_the_area_is_typed_and_follow_the_mix(opened):
    assert not opened.find("#ordered").is_displayed()
    assert "Give the area" in opened.text("#order-note")
    opened.find("#order-area").send_keys("120")
    assert "831.600" in opened.text("#order-table")
    assert "34 × 25 kg" in opened.text("#order-table")
    assert "1386.000 kg of granules in 57 bags; 249.480 kg of binder (18 %)." in opened.text("#order-words")
    opened.click("#even")
    assert "693.000" in opened.text("#order-table")
    opened.script("speak('ru')")
    assert "693,000" in opened.text("#order-table")
    assert "связующее 249,480 кг" in opened.text("#order-words")
    assert opened.console_errors() == []


@pytest.mark.each_value
@pytest.mark.parametrize("typed", ["120,50", " 120.50", "0120.5", "120,500000", "1 20,5"])
@pytest.mark.parametrize("language", ["en", "ru"])
def test_typed_numbers_stay_as_they_are_with_point_and_comma(opened, typed, language):
    opened.script("speak(arguments[0])", language)
    opened.type("#order-area", typed)
    opened.script("speak('en')")
    assert fields(opened) == [typed, "10", "5", "18"]
    assert opened.script("return orderAsked().area") == 120.5
    assert "For 120.5 m²" in opened.text("#order-words")


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        ("area", "1e9", "no number from 0.01 to 1000000"),
        ("area", "-5", "no number from 0.01 to 1000000"),
        ("area", "0", "no number"),
        ("area", "much", "“much” is no number"),
        ("area", "1,200", "could be 1.2 or 1200"),
        ("thickness", "501", "no number from 1 to 500"),
        ("waste", "-1", "no number from 0 to 100"),
        ("binder", "101", "no number from 0 to 100"),
    ],
)
def test_what_cannot_be_ordered_is_said_in_words_and_left_in_its_field(opened, name, typed, said):
    opened.type("#order-area", "10")
    opened.type(f"#order-{name}", typed)
    assert said in opened.text("#order-note")
    assert opened.find(f"#order-{name}").get_attribute("value") == typed
    assert opened.find(f"#order-{name}").get_attribute("aria-invalid") == "true"
    assert not opened.find("#ordered").is_displayed()
    opened.type(f"#order-{name}", "20")
    assert opened.find("#ordered").is_displayed()
    assert opened.find(f"#order-{name}").get_attribute("aria-invalid") is None


def test_saved_csv_is_that_of_the_command_line_and_in_russian_that_of_a_spreadsheet(opened):
    opened.script("state.colors = [newColor('RED', 600), newColor('#123456', 400)]; showEverything()")
    opened.type("#order-area", "33.3")
    saved = opened.script(SAVED)
    request = parse_request(request_of([("RED", 60), ("#123456", 40)], {"area_m2": 33.3, "thickness_mm": 10}))
    assert saved == "\ufeff" + order_csv(order_of(request.mix, request.overrides.order))
    assert opened.find("#save-order").get_attribute("download") == "plitka_order.csv"
    opened.script("speak('ru')")
    russian = opened.script(SAVED)

    assert "granules;RED;red;красный;#C1483C;60,0000;60,0000;230,769;10;25;;" in russian


def test_copied_text_has_every_colour_and_the_whole(opened):
    opened.script("state.colors = [newColor('RED', 600), newColor('#123456', 400)]; showEverything()")
    opened.type("#order-area", "100")
    opened.click("#copy-order")
    opened.wait_for(lambda: opened.text("#order-note"))
    text = opened.script("return orderText(orderOf(orderColors(), orderAsked()))").splitlines()
    assert text == [
        "For 100 m², 10 mm thick, with 5 % waste:",
        "red 60.00 %: 693.000 kg, 28 × 25 kg",
        "colour to be ordered #123456 40.00 %: 462.000 kg, 19 × 25 kg",
        "1155.000 kg of granules in 47 bags; 207.900 kg of binder (18 %).",
    ]


def test_prices_are_shown_where_the_palette_has_them(opened):
    opened.script(
        "for (const code of ['BLACK', 'WHITE']) BY_CODE.get(code).goods = {price: 3.2, currency: 'EUR'};"
        "byId('order-area').value = '120'; showOrder()"
    )
    assert "2720.00" in opened.text("#order-table")
    assert "Price, EUR" in opened.text("#order-table")
    assert "All bags of granules: 4560.00 EUR" in opened.text("#order-words")
    opened.script("for (const color of PALETTE) delete color.goods; showOrder()")
    assert "2720.00" not in opened.text("#order-table")


@pytest.mark.parametrize(
    ("language", "saids"),
    [
        ("en", ["173.250", "7 × 25 kg", "to be made", "For 120 m²", "249.480 kg of binder"]),
        ("ru", ["173,250", "7 × 25 кг", "под заказ", "На 120 м²", "связующее 249,480 кг"]),
    ],
)
def test_printed_recipe_with_everything_has_the_order_on_one_page(opened, language, saids):
    logo_and_text = {
        "text": "\n".join(f"Line {number}" for number in range(8)),
        "logo": "data:image/png;base64," + base64.b64encode(logo()).decode(),
    }
    longest = "[...PALETTE].sort((one, other) => other.ru.length - one.ru.length).slice(0, 7)"
    opened.script(
        f"state.colors = {longest}.map((color) => newColor(color.code, 125)); speak(arguments[0]);"
        "state.colors.push(newColor('#123456', 125)); showEverything(); keepSheet(arguments[1])",
        language,
        logo_and_text,
    )
    opened.type("#order-area", "120")
    data = printed(opened)
    text = text_of(data)
    for said in saids:
        assert said in text, said
    opened.script("byId('order-area').value = ''; showOrder(); keepSheet({text: '', logo: ''})")
    assert saids[0] not in text_of(printed(opened))


def test_sheet_of_the_server_has_the_order(page, render_server, tmp_path):
    page.open(f"{render_server.url}/", "ru")
    page.type("#order-area", "120,5")
    page.send()
    folder = tmp_path / "saved"
    page.browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)}
    )
    page.click("#sheet")
    page.click("#sheet-pdf")
    page.wait_for(lambda: list(folder.glob("*.pdf")))
    text = text_of(next(folder.glob("*.pdf")).read_bytes())
    for said in ("835,065", "34 × 25 кг", "На 120,5 м²", "связующее 250,520 кг (18 %)"):
        assert said in text, said
    assert page.console_errors() == []
