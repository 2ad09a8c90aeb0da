"""`plitka order`: its table, its files, and all problems at once; and the sheet with an order on it."""

import base64
import csv
import datetime
import io
import json

import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from orders import CODES, palette_with, request_of
from sheets import logo, text_of, tile_file

from plitka.order.amounts import order_of
from plitka.order.report import order_csv, order_report
from plitka.output.sheet import make_sheet
from plitka.request.problems import checked
from plitka.request.sheet import SheetFields
from plitka.request.tile_request import parse_request

MIX = ("--colors", "60% red, 40% #123456")
ASKED = (*MIX, "--area", "120", "--thickness", "10")
LOGO = base64.b64encode(logo()).decode()
DAY = datetime.date(2026, 11, 27)


def expected(**order):
    request = parse_request(
        request_of([("RED", 60), ("#123456", 40)], {"area_m2": 120, "thickness_mm": 10, **order})
    )
    return order_of(request.mix, request.overrides.order)


def test_terminal_has_kilograms_bags_binder_and_the_colour_to_be_ordered(invoke):
    done = invoke("order", *ASKED)
    assert done.exit_code == 0, done.stderr
    for said in (
        "831.600",
        "34 × 25 kg",
        "For 120 m², 10 mm thick, with 5 % waste:",
        "1386.000 kg of granules in 57 bags; 249.480 kg of binder (18 %).",
        "colour to be ordered: #123456, 554.400 kg; no granule of the palette has it",
    ):
        assert said in done.stdout, said
    assert "price" not in done.stdout


def test_json_csv_and_files_say_the_same(invoke, tmp_path):
    options = ("--waste", "7,5", "--binder", "20", "--density", "1500", "--laid", "1000", "--bag", "20")
    fields = {
        "waste_percent": 7.5,
        "binder_percent": 20,
        "density_kg_m3": 1500,
        "laid_kg_m3": 1000,
        "bag_kg": 20,
    }
    said = json.loads(json.dumps(order_report(expected(**fields))))
    done = invoke("order", *ASKED, *options, "--json", "-o", "a.csv")
    assert json.loads(done.stdout) == said
    assert (tmp_path / "a.csv").read_bytes().decode() == order_csv(expected(**fields))
    assert invoke("order", *ASKED, *options, "-o", "a.json").exit_code == 0
    assert json.loads((tmp_path / "a.json").read_text()) == said


def test_request_with_an_order_needs_no_options_and_options_win(invoke):
    params = json.dumps(request_of([("RED", 60), ("#123456", 40)], {"area_m2": 120, "thickness_mm": 10}))
    plain = invoke("order", "-p", params, "--json")
    assert json.loads(plain.stdout)["kg"] == 1386.0
    assert json.loads(invoke("order", "-p", params, "--json", "--area", "240").stdout)["kg"] == 2772.0


def test_palette_of_the_operator_gives_prices_bags_and_litres(invoke, tmp_path, monkeypatch):
    known = {code: {"price_per_kg": 3.2, "bag_kg": 20, "bulk_kg_m3": 600} for code in ("RED", "BLACK")}
    (tmp_path / "palettes").mkdir()
    monkeypatch.setenv("PLITKA_PALETTE", str(palette_with(known, tmp_path / "palettes")))
    done = invoke(
        "order", "--colors", "60% red, 40% black", "--area", "120", "--thickness", "10", "-o", "a.csv"
    )
    # 831.6 kg in 42 bags and 554.4 in 28, of 20 kg at 3.20.
    assert "All bags of granules: 4480.00 EUR" in done.stdout
    assert "price, EUR" in done.stdout
    first = next(csv.DictReader(io.StringIO((tmp_path / "a.csv").read_text())))
    assert (first["bags"], first["bag_kg"], first["litres"], first["price"]) == (
        "42",
        "20",
        "1386.0",
        "2688.00",
    )
    half = invoke("order", "--colors", "50% red, 50% white", "--area", "1", "--thickness", "10", "--json")
    assert json.loads(half.stdout)["price"] is None


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (
            ("--colors", "60% blak, 40% red", "--area", "1e9", "--waste", "-1"),
            ["colors[0].name", "--area", "--thickness", "--waste"],
        ),
        (("--colors", "red"), ["--area", "--thickness"]),
        (("--colors", "red", "--area", "0", "--thickness", "1mm"), ["--area", "--thickness"]),
        ((*ASKED, "--laid", "1300", "--density", "1200"), ["--laid"]),
        ((*ASKED, "--area", "1,200"), ["--area"]),
    ],
)  # fmt: skip
def test_all_problems_of_request_and_options_are_said_at_once(invoke, options, named, tmp_path):
    done = invoke("order", *options, "-o", "a.csv")
    assert done.exit_code == 2
    assert all(f"{name}: " in done.stderr for name in named), done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "a.csv").exists()


@pytest.mark.parametrize("name", ["a.txt", "a", "a.png"])
def test_other_files_are_refused_by_their_ending(invoke, name):
    done = invoke("order", *ASKED, "-o", name)
    assert done.exit_code == 2
    assert ".csv, .json, .pdf" in done.stderr


def test_nothing_is_overwritten_unless_asked(invoke, tmp_path):
    (tmp_path / "a.csv").write_text("mine")
    assert invoke("order", *ASKED, "-o", "a.csv").exit_code == 1
    assert (tmp_path / "a.csv").read_text() == "mine"
    assert invoke("order", *ASKED, "-o", "a.csv", "--force").exit_code == 0
    assert "831.600" in (tmp_path / "a.csv").read_text()


def test_pdf_has_the_drawn_tile_and_its_order(invoke, tmp_path):
    done = invoke("order", *ASKED, "--seed", "5", "--language", "ru", "-o", "a.pdf", "--engine", "render")
    assert done.exit_code == 0, done.stderr
    text = text_of((tmp_path / "a.pdf").read_bytes())
    for said in ("831,600", "34 × 25 кг", "под заказ", "На 120 м²", "связующее 249,480 кг", "seed) 5"):
        assert said in text, said


@given(
    st.lists(st.sampled_from(CODES), min_size=7, max_size=7, unique=True),
    st.sampled_from(["en", "ru"]),
    st.booleans(),
)
def test_eight_colours_with_order_logo_and_text_fit_on_one_page(tmp_path_factory, codes, language, priced):
    """The largest order with the longest text: nothing of it lies below the page or over its foot."""
    folder = tmp_path_factory.mktemp("palette")
    known = {code: {"price_per_kg": 1e4, "bag_kg": 0.1} for code in codes} if priced else {}
    mix = [(code, 12.5) for code in codes] + [("#123456", 12.5)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLITKA_PALETTE", str(palette_with(known, folder)))
        order = {"area_m2": 1e6, "thickness_mm": 500, "waste_percent": 12.3456, "binder_percent": 99.9999}
        request = parse_request(request_of(mix, order))
        text = "\n".join("Строка" for _ in range(8))
        fields = SheetFields.model_validate({"language": language, "text": text, "logo": LOGO})
        data = make_sheet(request, tile_file(request), fields, DAY)
        lines = order_of(request.mix, request.overrides.order).lines
    assert text_of(data).count("Строка") == 8
    page = pypdfium2.PdfDocument(data)[0]
    right, foot = page.get_width() - 17 / 25.4 * 72, 17 / 25.4 * 72
    boxes = [one.get_bounds() for one in page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_TEXT])]
    assert max(box[2] for box in boxes) <= right
    assert min(box[1] for box in boxes) >= 0
    # Only the seed stands at the foot.
    assert sum(box[1] < foot - 4 for box in boxes) <= 1
    for line in lines:
        kilograms = f"{line.grams / 1000:.3f}"
        assert (kilograms if language == "en" else kilograms.replace(".", ",")) in text_of(data)


def test_sheet_without_an_order_says_nothing_of_kilograms():
    request = parse_request({"colors": [{"name": "red"}], "seed": 1})
    assert "kg" not in text_of(make_sheet(request, tile_file(request), checked(SheetFields, {}), DAY))
