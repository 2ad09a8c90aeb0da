"""Blocks of an English page that its Russian twin repeats, translated by the catalogue.

They are what benchmarks measured (`<!-- measured: NAME -->`) and hand-written tables with figures in them
(`<!-- shared: NAME -->`), up to `<!-- end -->`. So a figure stands in one place only.
"""

import re
from collections.abc import Iterator

from language import Say

from plitka.colors.palette import PALETTE

SHARED = re.compile(
    r"(?P<head><!-- (?P<name>(?:measured|shared)(?:: [a-z-]+)?) -->\n)(?P<body>.*?)(?P<end><!-- end -->)",
    re.DOTALL,
)
CELL = re.compile(r"(?<!\\)\|")
PICTURE = re.compile(r"!\[(.+)\]\((.+)\)")
PART_OF_MIX = re.compile(r"(\d+ %) ([a-z -]+)")
NAME = re.compile(r"[a-z0-9_]+")
RUSSIAN_COLORS = {color.prompt_word: color.russian for color in PALETTE.values()}


def translated(english: str, russian: str, say: Say) -> str:
    """The Russian page with the body of every shared block made of the English page's block of that name.

    Raises KeyError for a block that the English page does not have.
    """
    bodies = {match["name"]: match["body"] for match in SHARED.finditer(english)}
    return SHARED.sub(lambda match: match["head"] + _body(bodies[match["name"]], say) + match["end"], russian)


def _body(body: str, say: Say) -> str:
    lines = body.split("\n")
    return "\n".join(
        _line(line, is_head=below.replace(" ", "").startswith("|--"), say=say)
        for line, below in zip(lines, [*lines[1:], ""], strict=True)
    )


def _line(line: str, is_head: bool, say: Say) -> str:
    if line.startswith("|"):
        return "|" + "|".join(_cells(line, is_head, say)) + "|"
    picture = PICTURE.fullmatch(line)
    if picture:
        return f"![{say(picture[1])}](../{picture[2]})"
    return say(line)


def _cells(line: str, is_head: bool, say: Say) -> Iterator[str]:
    for place, cell in enumerate(CELL.split(line[1:-1])):
        text = cell.strip()
        # The first column may give the name of an engine or of a file.
        is_name = not is_head and not place and NAME.fullmatch(text)
        yield cell if is_name or not text else cell.replace(text, _mix(text) or _parts(text, say))


def _parts(text: str, say: Say) -> str:
    return "; ".join(map(say, text.split("; ")))


def _mix(text: str) -> str:
    """A mix with the Russian names of its colours; empty for any other text."""
    parts = [PART_OF_MIX.fullmatch(part) for part in text.split(", ")]
    if not all(part and part[2] in RUSSIAN_COLORS for part in parts):
        return ""
    return ", ".join(f"{part[1]} {RUSSIAN_COLORS[part[2]]}" for part in parts if part)
