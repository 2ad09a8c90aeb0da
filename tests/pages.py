"""The pages of the documentation as their tests read them."""

import json
import re

from plitka.server.serve import ROOT

README, README_RU = ROOT / "README.md", ROOT / "README.ru.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
ENGLISH = sorted((ROOT / "docs").glob("*.md"))
RUSSIAN = sorted((ROOT / "docs/ru").glob("*.md"))
PAGES = [README, README_RU, CONTRIBUTING, *ENGLISH, *RUSSIAN, ROOT / "model_files/README.md"]
# Names, versions and licences: there is nothing to translate.
ENGLISH_ONLY = {"components.md"}

CODE_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)]+)\)|<img src=\"([^\"]+)\"")
CODE_SPAN = re.compile(r"`([^`\n]+)`")
CURL_BODY = re.compile(r"-d '(.+)'$", re.MULTILINE)


def page_id(path):
    return str(path.relative_to(ROOT))


def read(path):
    return path.read_text(encoding="utf-8")


def without_code(text):
    return CODE_BLOCK.sub("", text)


def code(path, language):
    """The blocks of code of a page in one language."""
    return [text for kind, text in CODE_BLOCK.findall(read(path)) if kind == language]


def links(path):
    """Every link and picture of a page."""
    return [link or picture for link, picture in LINK.findall(without_code(read(path)))]


def anchors(path):
    """What a heading is called in a link, as GitHub does it."""
    titles = (title for _, title in HEADING.findall(without_code(read(path))))
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


def commands(path):
    """The commands in the blocks of a page, those broken over lines made whole."""
    return [line for block in code(path, "bash") for line in block.replace("\\\n", " ").splitlines()]


def curl_inputs(path):
    """What the page's curl commands send."""
    return [json.loads(body)["input"] for line in commands(path) for body in CURL_BODY.findall(line)]


def twin(path):
    """The Russian page of an English one."""
    return README_RU if path == README else path.parent / "ru" / path.name
