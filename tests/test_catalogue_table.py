"""Tables of any content: every row is a picture, a bad row or a row again, and each is named by its line."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plitka.batch.pairs import pair_rows
from plitka.batch.plan import plan_catalogue
from plitka.batch.table import read_table
from plitka.colors.palette import PALETTE
from plitka.errors import CatalogueError

MIXES = st.sampled_from(
    ["red", "60% black, 40% white", "red and", "gren", "", "5 red\n5 blue", '"', "=1+1", "[" * 9999]
)
CELLS = st.one_of(MIXES, st.text(max_size=12), st.integers().map(str), st.floats().map(str))
HEADINGS = ("name", "colors", "seed", "angle", "tile_mm", "seamless", "overrides.layout", "red", "#FFFFFF")
ROWS = st.lists(st.fixed_dictionaries(dict.fromkeys(HEADINGS, st.one_of(st.just(""), CELLS))), max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=True) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(HEADINGS), inner, max_size=4),
    max_leaves=8,
)


def assert_all_are_accounted_for(plan, lines):
    found = [item.line for item in plan.items] + [row.line for row in plan.bad]
    assert sorted(found + [line for line, _ in plan.again]) == lines
    assert len({item.hash for item in plan.items}) == len({item.name.casefold() for item in plan.items})
    assert len({item.hash for item in plan.items}) == len(plan.items)
    assert all(row.problems and all(row.problems) for row in plan.bad)


@settings(max_examples=settings().max_examples // 2)
@given(ROWS, st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n"]))
def test_every_row_of_a_csv_table_has_its_line(tmp_path_factory, rows, divider, end):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    file = io.StringIO()
    table = csv.writer(file, delimiter=divider, lineterminator=end)
    table.writerow(HEADINGS)
    lines = []
    for row in rows:
        begun = file.getvalue().count("\n") + 1
        # csv.reader counts each end of a line, and a lone \r is one.
        cells = [cell.replace("\r", " ").replace("\0", " ") for cell in row.values()]
        table.writerow(cells)
        if any(cell.strip() for cell in cells):
            lines.append(begun)
    path.write_bytes(file.getvalue().encode("utf-8", "replace"))
    if lines:
        assert_all_are_accounted_for(plan_catalogue(read_table(path), {}), lines)


@settings(max_examples=settings().max_examples // 2)
@given(st.lists(JSON.map(json.dumps) | st.text(st.characters(exclude_characters="\r\n")), max_size=6))
def test_every_line_of_json_has_its_line(tmp_path_factory, written):
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(
        "".join(f"{text}\n" for text in written).encode("utf-8", "replace") + b'{"colors": "red"}'
    )
    lines = [number for number, text in enumerate(written, start=1) if text.strip()]
    assert_all_are_accounted_for(plan_catalogue(read_table(path), {}), [*lines, len(written) + 1])


def test_bytes_that_are_no_text_cost_their_row(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"colors\nred\n\xff\xfe 60% blue\nblue\n")
    plan = plan_catalogue(read_table(path), {})
    assert [item.line for item in plan.items] == [2, 4]
    assert "UTF-8" in plan.bad[0].problems[0]
    path.write_bytes("название;красный\n".encode("cp1251"))
    with pytest.raises(CatalogueError, match="UTF-8"):
        read_table(path)


@pytest.mark.parametrize("first", ["sep=;\n", '"sep=;"\r\n', "\nSEP=;\n"])
def test_a_first_line_that_names_the_divider_is_no_row(tmp_path, first):
    path = tmp_path / "a.csv"
    # More commas than semicolons: the line decides, not the counting.
    path.write_text(f"{first}red;blue;overrides.a,b,c\n60;40;\nbad\n50;50;\n", newline="")
    rows = read_table(path)
    begun = first.count("\n") + 2
    assert [(row.line, bool(row.problem)) for row in rows] == [
        (begun, False),
        (begun + 1, True),
        (begun + 2, False),
    ]


def test_columns_without_a_name_may_be_there_if_they_are_empty(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("red;blue;;\n60;40;;\n50;50;;5\n")
    plan = plan_catalogue(read_table(path), {})
    assert ([item.line for item in plan.items], [row.line for row in plan.bad]) == ([2], [3])


def test_keys_given_twice_in_json_are_a_bad_row(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"colors": "red", "angle": 1, "angle": 2}\n')
    assert plan_catalogue(read_table(path), {}).bad[0].problems[0].startswith("angle: 1")


def test_the_rule_has_every_pair_of_the_palette_once():
    plan = plan_catalogue(pair_rows((25, 50, 75)), {})
    count = len(PALETTE)
    assert len(plan.items) == 3 * count * (count - 1) // 2 == 1218
    assert (plan.bad, plan.again) == ((), ())


@pytest.mark.parametrize("page", ["docs/catalogue.md", "docs/ru/catalogue.md"])
def test_the_table_on_the_page_can_be_drawn(tmp_path, page):
    written = (Path(__file__).parents[1] / page).read_text(encoding="utf-8")
    (table,) = re.findall(r"```text\n(name,.*?)```", written, re.DOTALL)
    path = tmp_path / "a.csv"
    path.write_text(table, encoding="utf-8")
    plan = plan_catalogue(read_table(path), {})
    assert ([item.name for item in plan.items], plan.bad) == (["terrace", "porch"], ())
