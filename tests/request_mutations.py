"""Requests with one thing spoiled: the place is known, so the error has to name it."""

import copy
import string

from request_case import Case
from spelled_cases import spelled_amount, spelled_mix, spelled_number
from strange_values import (
    BAD_COLOR_TEXTS,
    BAD_VALUES,
    CONTAINERS,
    DISTURBING,
    OVERRIDES,
    PATHS,
    STRANGE_KEYS,
    STRANGE_TEXTS,
    UNUSUAL_NUMBERS,
    URLS,
    Pairs,
    write,
)
from valid_requests import valid_document, wrapped

from plitka.colors.palette import PALETTE
from plitka.request.fields import MAX_SEED
from plitka.request.json_text import MAX_PARAMS_BYTES, join_path
from plitka.request.tile_request import DEFAULT_COLORS

# One thing spoiled


def spoiled_value(random, document):
    """A value that its field does not take."""
    container, path = _somewhere(random, document)
    fields = {"": ["colors", "angle", "quality", "seed", "overrides"], "overrides": OVERRIDES}
    key = random.choice(fields.get(path) or ["name", "hex", "proportion"])
    if key in ("name", "hex"):
        container.pop("name", None)
        container.pop("hex", None)
    container[key] = random.choice(BAD_VALUES[key])
    return join_path(path, key), True


def unknown_key(random, document):
    """A key that nothing answers to."""
    container, path = _somewhere(random, document)
    key = random.choice(STRANGE_KEYS)
    while path.startswith("colors") and key == "colour":
        # There it is another word for a name.
        key = random.choice(STRANGE_KEYS)
    container[key] = copy.deepcopy(random.choice([5, "x", None, *CONTAINERS[:5], *STRANGE_TEXTS]))
    return join_path(path, key.encode("utf-8", "backslashreplace").decode()), True


def key_given_twice(random, document):
    """A key with a second value beside its first."""
    container, path = _somewhere(random, document)
    key = random.choice(list(container) or ["colors"])
    container.setdefault(key, 1)
    pairs = Pairs([*container.items(), (key, "another value")])
    random.shuffle(pairs)
    _replace(document, path, pairs)
    # Which of the two is judged besides depends on their order, so other reasons may come with it.
    return join_path(path, key), False


def missing_part(random, document):
    """No colours at all, none in an entry, no proportion beside others."""
    choice = random.randrange(4)
    if choice == 0:
        del document["colors"]
    elif choice == 1:
        document["colors"] = []
    elif choice == 2:
        document["colors"][0] = {"proportion": 1}
        return "colors[0]", True
    else:
        document["colors"] = [{"name": "red"}, {"name": "blue", "proportion": 5}]
        return "colors[0].proportion", True
    return "colors", True


def too_many_colors(random, document):
    """More colours than eight, up to ten thousand where the text has room."""
    entry, count = random.choice(
        [({"name": "red"}, 9), ({"name": "red"}, 3000), ({}, 10_000), (5, 10_000), (None, 10_000)]
    )
    document["colors"] = [entry] * count
    return "colors", True


def not_an_entry(random, document):
    """Something else in place of a colour."""
    index = random.randrange(len(document["colors"]))
    document["colors"][index] = random.choice(
        [None, True, 5, "60% black", [], [["name", "red"]], *STRANGE_TEXTS]
    )
    return f"colors[{index}]", True


MUTATIONS = [spoiled_value] * 6 + [
    unknown_key,
    unknown_key,
    key_given_twice,
    missing_part,
    too_many_colors,
    not_an_entry,
]


def _somewhere(random, document):
    """One of the objects of a document, and its path."""
    document.setdefault("overrides", {})
    index = random.randrange(len(document["colors"]))
    places = [
        (document, ""),
        (document["overrides"], "overrides"),
        (document["colors"][index], f"colors[{index}]"),
    ]
    return random.choice(places)


def _replace(document, path, pairs):
    if path == "overrides":
        document["overrides"] = pairs
    elif path:
        document["colors"][int(path[len("colors[") : -1])] = pairs
    else:
        document.clear()
        document["__pairs__"] = pairs


def document_text(document, ascii_only=True):
    """The text of a document that a mutation may have turned into pairs."""
    return write(document.get("__pairs__", document), ascii_only)


# Whole cases


def spoiled_document(random):
    """A document with one thing spoiled in it."""
    document = valid_document(random)
    spoiled, alone = random.choice(MUTATIONS)(random, document)
    text = document_text(document, random.random() < 0.5)
    if len(text.encode("utf-8", "surrogatepass")) > MAX_PARAMS_BYTES - 1000:
        return Case({"params_json": text}, "params_json")
    return Case({"params_json": wrapped(random, text)}, spoiled, alone)


def whole_document(random):
    """A valid document, in any wrapping."""
    return Case({"params_json": wrapped(random, document_text(valid_document(random)))})


def unusual_number(random):
    """A valid document with a number written as few people do; valid or not, who knows."""
    document = valid_document(random)
    container, path = _somewhere(random, document)
    if path == "overrides":
        key = random.choice(OVERRIDES)
    else:
        key = "proportion" if path else random.choice(["angle", "seed"])
    container[key] = random.choice(UNUSUAL_NUMBERS)
    return Case({"params_json": document_text(document)})


def damaged_text(random):
    """A document's text with characters lost, doubled, moved or strange."""
    text = document_text(valid_document(random))
    for _ in range(random.randint(1, 4)):
        start = random.randrange(len(text))
        end = min(len(text), start + random.choice([1, 1, 2, 10, 100]))
        middle = random.choice(
            ["", text[start:end] * 2, random.choice('{}[]",:\\'), random.choice(DISTURBING), "\x00"]
        )
        text = text[:start] + middle + text[end:] or "x"
    return Case({"params_json": text})


def enormous_text(random):
    """Nesting without end, and text without end."""
    depth = random.choice([9, 100, 990, 5000, 30000])
    text = random.choice(
        [
            "[" * depth + "]" * depth,
            "[" * depth,
            '{"colors": ' * depth + "1" + "}" * depth,
            # A request may lie in many wrappings, but not in a hundred brackets.
            '{"params_json": ' * (depth + 100) + "{}" + "}" * (depth + 100),
            document_text({"colors": [{"name": "red", "proportion": 1}] * 10_000}),
            document_text({"colors": [{"name": "red"}], "overrides": {"negative_prompt": "x" * 200_000}}),
            '{"colors": [{"name": "red"}]' + " " * 70_000 + "}",
            "9" * depth,
            '"' + "\\" * depth,
        ]
    )
    return Case({"params_json": text}, "params_json")


def simple_form(random):
    """The inputs of the web form, one of them spoiled as often as not."""
    names = [
        random.choice(color.names) for color in random.sample(list(PALETTE.values()), random.randint(1, 8))
    ]
    inputs = {
        "colors": ", ".join(f"{random.randint(1, 99)}% {name}" for name in names),
        "angle": random.choice([0.0, 45.0, -720.5, 1e300, "45°"]),
        "quality": random.choice(["preview", "standard", "high"]),
        "seed": random.choice([-1, 0, 7, 2**53 + 1, MAX_SEED]),
    }
    if random.random() < 0.3:
        return Case(inputs)
    key = random.choice(["colors", "colors", "angle", "quality", "seed"])
    # Empty text means "not filled in" to the web form, for the seed and the angle too.
    bad = {
        "colors": [text for text in [*STRANGE_TEXTS, *BAD_COLOR_TEXTS] if text.strip("{}[]()") or not text],
        "angle": ["north", "1e400", float("nan"), float("inf"), 10**400, *PATHS],
        "quality": ["best", *PATHS, *DISTURBING],
        "seed": [-2, 2**63, 10**400, 1.5, "x", *URLS],
    }
    inputs[key] = random.choice(bad[key])
    # A strange text may hold a colour's name after all.
    return Case(inputs, key if key != "colors" else "", alone=False)


def both_forms(random):
    """A full request and a changed simple input beside it."""
    key, value = random.choice([("colors", "100% red"), ("angle", 45.0), ("quality", "high"), ("seed", 7)])
    return Case({"params_json": document_text(valid_document(random)), key: value}, key)


def damaged_colors(random):
    """The colours of the web form with characters lost or strange."""
    text = random.choice([DEFAULT_COLORS, "70% тёмно-зелёный и 30% #F2C230", "red; blue: 40, white"])
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(text))
        middle = random.choice(["", random.choice(string.printable), random.choice(DISTURBING[:12])])
        text = text[:at] + middle + text[at + 1 :] or "x"
    return Case({"colors": text})


MAKERS = [spoiled_document] * 5 + [
    whole_document,
    unusual_number,
    spelled_number,
    spelled_number,
    spelled_amount,
    spelled_mix,
    damaged_text,
    damaged_text,
    enormous_text,
    simple_form,
    simple_form,
    both_forms,
    damaged_colors,
]


def mutated_case(random):
    """One case of any kind."""
    return random.choice(MAKERS)(random)
