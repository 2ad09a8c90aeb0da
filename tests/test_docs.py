import json
import re
import runpy
import shlex

import pytest
from typer.testing import CliRunner

from plitka.cli import app
from plitka.serve import ROOT

ENGLISH, RUSSIAN = ROOT / "README.md", ROOT / "README.ru.md"
PAGES = sorted([ENGLISH, RUSSIAN, *(ROOT / "docs").glob("*.md"), ROOT / "model_files/README.md"])

CODE_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)]+)\)|<img src=\"([^\"]+)\"")
CURL_BODY = re.compile(r"-d '(.+)'$", re.MULTILINE)


@pytest.fixture
def generate(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import generate

    return generate


def read(path):
    return path.read_text(encoding="utf-8")


def without_code(text):
    return CODE_BLOCK.sub("", text)


def code(language):
    return [text for kind, text in CODE_BLOCK.findall(read(ENGLISH)) if kind == language]


def commands():
    """The commands of the README, those broken over lines made whole."""
    return [line for block in code("bash") for line in block.replace("\\\n", " ").splitlines()]


def curl_inputs():
    return [json.loads(body)["input"] for line in commands() for body in CURL_BODY.findall(line)]


def anchors(path):
    """What a heading is called in a link, as GitHub does it."""
    titles = (title for _, title in HEADING.findall(without_code(read(path))))
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize(
    "name",
    ["README.md", "README.ru.md", *(f"docs/{page}.md" for page in ("palette", "request", "metrics", "cli"))],
)
def test_generated_blocks_are_current(generate, name):
    assert name in generate.PAGES
    assert generate.refresh(read(ROOT / name)) == read(ROOT / name), "run: make docs"


def test_web_page_is_made_of_its_parts_and_of_the_palette_and_limits_of_the_code(generate):
    assert read(ROOT / generate.WEB_PAGE) == generate.web_page(), "run: make docs"


def test_every_page_with_generated_blocks_is_kept_current(generate):
    marked = {str(page.relative_to(ROOT)) for page in PAGES if "<!-- generated: " in read(page)}
    assert marked == set(generate.PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_lead_somewhere(page):
    for target in (link or picture for link, picture in LINK.findall(without_code(read(page)))):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert ROOT in file.parents, target
        assert not anchor or anchor in anchors(file), target


def test_both_readmes_say_the_same_things_in_the_same_order():
    english, russian = read(ENGLISH), read(RUSSIAN)
    assert CODE_BLOCK.findall(english) == CODE_BLOCK.findall(russian)

    def shape(text):
        """Headings, list items, table rows and paragraphs, by kind alone."""
        lines = without_code(text).splitlines()
        return [re.match(r"#+|[-|!]|<!--|", line)[0] for line in lines if line.strip()]

    def targets(text):
        return [link for link, _ in LINK.findall(without_code(text)) if not link.startswith("README")]

    assert shape(english) == shape(russian)
    assert targets(english) == targets(russian)


def test_readme_names_every_environment_variable_of_the_code():
    sources = [*(ROOT / "plitka").glob("*.py"), ROOT / "predict.py"]
    used = {name for path in sources for name in re.findall(r"\b(?:PLITKA|COG)_[A-Z_]+\b", read(path))}
    documented = set(re.findall(r"^\| `(\w+)` \|", read(ENGLISH), re.MULTILINE))
    # What `plitka serve` sets for the server is nobody else's to set.
    assert used - {"COG_PREDICT_TYPE_STUB"} <= documented


def test_readme_names_only_make_targets_that_exist():
    targets = set(re.findall(r"^(\w+):", read(ROOT / "Makefile"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make (\w+)", read(ENGLISH), re.MULTILINE)) <= targets


def test_commands_of_the_readme_work_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drawn = [line for line in commands() if line.startswith(("plitka generate", "plitka plan"))]
    for line in (line for line in drawn if "--engine sdxl" not in line):
        result = CliRunner().invoke(app, shlex.split(line)[1:])
        assert result.exit_code == 0, (line, result.output)
    again, first = tmp_path / "out/again/final.png", tmp_path / "out/bricks/final.png"
    assert again.read_bytes() == first.read_bytes()


def test_http_examples_of_the_readme_work(render_server, tmp_path, monkeypatch):
    simple, full = (render_server.predict(**inputs) for inputs in curl_inputs())
    assert simple["status"] == "succeeded"
    assert full["output"] == simple["output"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "answer.json").write_text(json.dumps(simple))
    (tmp_path / "save.py").write_text(code("python")[0])
    runpy.run_path("save.py")
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [
        "colormap.png",
        "final.png",
        "preview.png",
    ]
