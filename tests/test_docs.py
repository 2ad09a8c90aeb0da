"""The pages themselves: links, twins in two languages, generated parts, nothing left out."""

import ast
import json
import re

import pytest
from pages import (
    CODE_BLOCK,
    ENGLISH,
    ENGLISH_ONLY,
    PAGES,
    README,
    ROOT,
    RUSSIAN,
    anchors,
    links,
    page_id,
    read,
    twin,
    without_code,
)

from plitka.output.metrics import METRICS
from plitka.request.overrides import Overrides

TWINS = [README, *(page for page in ENGLISH if page.name not in ENGLISH_ONLY)]
API, DEPLOYMENT = ROOT / "docs/API.md", ROOT / "docs/Deployment.md"
SOURCES = [*(ROOT / "plitka").rglob("*.py"), ROOT / "predict.py"]
GENERATED = re.compile(r"<!-- (?:generated|measured|shared)\b.*?<!-- end -->", re.DOTALL)
ENGLISH_FIGURE = re.compile(r"\d{1,3}(?:,\d{3})+(?!\d)|\d+(?:\.\d+)*")
RUSSIAN_FIGURE = re.compile(r"\d{1,3}(?:[ \u00a0]\d{3})+(?!\d)|\d+(?:[.,]\d+)*")
SOURCE_PATH = re.compile(
    r"(?<![\w/.-])(?:benchmarks|docs|plitka|references|tests|training|verification)/[\w/.-]+\.(?:py|json|html)\b"
)
VARIABLE = re.compile(r"\"((?:PLITKA|COG|HF|PYTORCH|OMP|MKL|LOG)_[A-Z_]+|PORT)\"")
# What `plitka serve` sets for the server is nobody else's to set.
INTERNAL_VARIABLES = {"COG_PREDICT_TYPE_STUB"}


@pytest.fixture
def generate(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import generate

    return generate


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_generated_blocks_are_current(generate, page):
    is_russian = generate.language_of(page_id(page)) == generate.RUSSIAN
    marked = any(is_russian or block.startswith("<!-- generated") for block in GENERATED.findall(read(page)))
    assert marked == (page_id(page) in generate.PAGES)
    if marked:
        assert generate.refresh(page_id(page)) == read(page), "run: make docs"


def test_page_uses_every_figure_of_the_rubber_that_it_is_given_and_no_other(generate):
    from web_page import PARTS, RUBBER, page_data

    scripts = "".join(read(path) for path in PARTS.glob("*.js"))
    used = set(re.findall(rf"\b({'|'.join(RUBBER)})\.([A-Z_]+)\b", scripts))
    taken_apart = re.findall(rf"const {{ ([A-Z_, ]+) }} = ({'|'.join(RUBBER)});", scripts)
    used |= {(name, figure) for figures, name in taken_apart for figure in figures.split(", ")}
    data = page_data()
    assert used == {(name, figure) for name in RUBBER for figure in data[name]}


def test_web_page_is_made_of_its_parts_and_of_the_palette_and_limits_of_the_code(generate):
    for path in generate.WEB_PAGES:
        assert read(ROOT / path) == generate.web_page(), "run: make docs"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_and_pictures_lead_somewhere(page):
    for target in links(page):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert ROOT in file.parents, target
        assert not anchor or anchor in anchors(file), target


def test_every_english_page_has_its_russian_twin_and_no_other_exists():
    assert {page.name for page in RUSSIAN} == {page.name for page in ENGLISH} - ENGLISH_ONLY


def shape(text):
    """Headings, list items, table rows and paragraphs, by kind alone."""
    lines = without_code(text).splitlines()
    return [re.match(r"#+|[-|!]|\d+\.|<!--|<img|", line)[0] for line in lines if line.strip()]


def meant(page):
    """What a page links to, by the path of the English page; anchors are each language's own."""
    files = (target.partition("#")[0] for target in links(page) if not target.startswith("https://"))
    paths = (page_id((page.parent / file).resolve()) for file in files if file)
    english = (path.replace("docs/ru/", "docs/").replace(".ru.jpg", ".jpg") for path in paths)
    return [path for path in english if not path.startswith("README")]


@pytest.mark.parametrize("page", TWINS, ids=page_id)
def test_both_languages_say_the_same_things_in_the_same_order(page):
    english, russian = read(page), read(twin(page))
    for mine, other in zip(shape(english), shape(russian), strict=True):
        assert mine == other
    assert CODE_BLOCK.findall(english) == CODE_BLOCK.findall(russian)
    assert meant(page) == meant(twin(page))


def figures(line, form):
    """The figures of a line, sorted, without marks; the languages may order them each in its way."""
    prose = re.sub(r"`[^`]*`|\]\([^)]*\)", "", line)
    return sorted(re.sub(r"[ \u00a0.,]", "", figure) for figure in form.findall(prose))


@pytest.mark.parametrize("page", TWINS, ids=page_id)
def test_both_languages_give_the_same_figures(page):
    pages = (without_code(GENERATED.sub("", read(name))) for name in (page, twin(page)))
    lines = ([line for line in text.splitlines() if line.strip()] for text in pages)
    for english, russian in zip(*lines, strict=True):
        assert figures(english, ENGLISH_FIGURE) == figures(russian, RUSSIAN_FIGURE), (english, russian)


@pytest.mark.parametrize("page", RUSSIAN, ids=page_id)
def test_russian_pages_are_russian(page):
    # What the code writes it translates itself, all but what the program says to its users.
    written = GENERATED.sub("", without_code(read(page)))
    for line in written.splitlines():
        words = re.sub(r"`[^`]*`|\([^)]*\)|<[^>]*>", "", line).split()
        english = [word for word in words if re.fullmatch(r"[a-z]{2,}", word)]
        assert len(english) < 8 or re.search("[а-яё]", line), line


@pytest.mark.parametrize("page", [DEPLOYMENT, twin(DEPLOYMENT)], ids=page_id)
def test_every_environment_variable_of_the_code_is_explained(page):
    used = {name for path in SOURCES for name in VARIABLE.findall(read(path))}
    assert {"PLITKA_ENGINE", "HF_HUB_OFFLINE", "PORT"} < used
    explained = set(re.findall(r"`([A-Z_]+)`", read(page)))
    assert used - INTERNAL_VARIABLES <= explained


@pytest.mark.parametrize("page", [DEPLOYMENT, twin(DEPLOYMENT)], ids=page_id)
def test_every_weight_of_the_manifest_has_its_place_in_the_table(page):
    models = json.loads(read(ROOT / "model_files/manifest.json"))["models"]["sdxl"]
    parts = [models["base"], models["vae"], *models["controlnets"].values()]
    names = [f"{part['folder']}/" for part in parts]
    names += [models["lora"]["file"], models["embeddings"]["file"]]
    assert all(f"| `{name}` |" in read(page) for name in names)


@pytest.mark.parametrize("page", [API, twin(API)], ids=page_id)
def test_reference_names_every_key_metric_and_call(page):
    schema = json.loads(read(ROOT / ".cog/openapi_schema.json"))
    inputs = schema["components"]["schemas"]["Input"]["properties"]
    names = [*inputs, *Overrides.model_fields, *METRICS, *(f"POST {path}" for path in schema["paths"])]
    assert [name for name in names if f"| `{name}` |" not in read(page)] == []


def reasons():
    """Every text of the code that ends a sentence about a bad value, by its longest fixed part."""
    places = {"invalid_value": 0, "_error": 1, "PydanticCustomError": 1, "Problem": 2}
    for path in (ROOT / "plitka/request").glob("*.py"):
        for node in ast.walk(ast.parse(read(path))):
            place = places.get(getattr(getattr(node, "func", None), "id", ""))
            arguments = [] if place is None else node.args[place : place + 1]
            fixed = [
                part.value
                for argument in arguments
                for part in ast.walk(argument)
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            ]
            yield from [max(fixed, key=len)] if fixed else []


def test_reference_shows_every_reason_for_a_refusal():
    from plitka.request.problems import REASONS

    texts = [*reasons(), *REASONS.values()]
    assert len(texts) > 30
    assert [text for text in texts if "{" not in text and text.strip() not in read(API)] == []


def test_pages_name_only_files_that_exist():
    named = {(page_id(page), path) for page in PAGES for path in SOURCE_PATH.findall(read(page))}
    assert ("docs/Project.md", "plitka/engine/render.py") in named
    assert [(page, path) for page, path in sorted(named) if not (ROOT / path).is_file()] == []


def test_pages_name_only_tests_that_exist():
    files = (ROOT / "tests").glob("test_*.py")
    tests = {name for path in files for name in re.findall(r"def (test_\w+)", read(path))}
    named = {(page_id(page), name) for page in PAGES for name in re.findall(r"`(test_\w+)`", read(page))}
    assert len(named) > 50
    assert [(page, name) for page, name in sorted(named) if name not in tests] == []


def test_pages_name_only_make_targets_that_exist():
    targets = set(re.findall(r"^([\w-]+):", read(ROOT / "Makefile"), re.MULTILINE))
    for page in PAGES:
        assert set(re.findall(r"(?:^|`)make ([\w-]+)", read(page), re.MULTILINE)) <= targets, page_id(page)


@pytest.mark.parametrize("page", ["docs/Project.md", "docs/ru/Project.md"])
def test_every_module_of_the_package_has_its_place_on_the_project_page(page):
    named = set(re.findall(r"(\w+)(?:\.py)?`", read(ROOT / page)))
    modules = {path.stem for path in (ROOT / "plitka").rglob("*.py") if not path.stem.startswith("__")}
    assert sorted(modules - named) == []
