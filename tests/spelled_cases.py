"""Cases whose numbers are spelled in many ways, of which it is known what they mean."""

from number_spellings import (
    DEGREE_SIGNS,
    FIELDS,
    PERCENT_SIGNS,
    expected,
    shares_of,
    spelling,
    two_amounts,
    unclear_amounts,
)
from request_case import Case
from strange_values import Raw, write
from valid_requests import valid_document, wrapped

from plitka.request.json_text import join_path
from plitka.request.numbers import MAX_PROPORTION


def spelled_number(random):
    """A valid document with a number in some spelling, of which it is known what it means."""
    path = random.choice(list(FIELDS))
    suffixes = DEGREE_SIGNS if path == "angle" else ()
    number = spelling(random, suffixes)
    bare = number.bare() if random.random() < 0.4 else None
    meaning = expected(number, path, suffixes, is_bare=bare is not None)
    is_simple = "." not in path and bare is None and number.text.strip() and random.random() < 0.3
    if is_simple:
        inputs = {"colors": "100% red", path: number.text}
    else:
        document = valid_document(random)
        parent, _, key = path.rpartition(".")
        container = document.setdefault(parent, {}) if parent else document
        container[key] = number.text if bare is None else Raw(bare)
        inputs = {"params_json": wrapped(random, write(document, random.random() < 0.5))}
    if isinstance(meaning, tuple):
        return Case(inputs, path, readings=meaning)
    return Case(inputs, means=(path, meaning))


def spelled_amount(random):
    """One colour with its amount in some spelling."""
    number = spelling(random, PERCENT_SIGNS)
    document = {"colors": [{"name": "red", random.choice(["proportion", "share"]): number.text}]}
    path = join_path("colors[0]", list(document["colors"][0])[1])
    inputs = {"params_json": wrapped(random, write(document, random.random() < 0.5))}
    is_number = number.is_number and number.suffix in ("", *PERCENT_SIGNS)
    if not is_number or not 0 <= number.decimal <= MAX_PROPORTION:
        return Case(inputs, path)
    if number.decimal == 0:
        return Case(inputs, "colors")
    readings = next(iter(unclear_amounts(number).values()), ())
    return Case(inputs, path, readings=readings) if readings else Case(inputs, means=("mix", [1.0]))


def spelled_mix(random):
    """Two colours in the simple form, their amounts in some spelling."""
    first, second = two_amounts(random, random.random() < 0.5)
    text = random.choice(
        ["black {}, white {}", "чёрный-{}; белый—{}", "{} black + {} white", "black ({})\nwhite: {}"]
    )
    inputs = {"colors": text.format(first.text, second.text), "seed": 1}
    unclear = unclear_amounts(first, second)
    if unclear:
        path, readings = next(iter(unclear.items()))
        return Case(inputs, path, alone=False, readings=readings)
    amounts = [number.decimal for number in (first, second)]
    is_mixed = bool(first.suffix) != bool(second.suffix) and min(amounts) <= 1
    if sum(amounts) == 0 or is_mixed:
        return Case(inputs)
    return Case(inputs, means=("mix", shares_of(first, second)))
