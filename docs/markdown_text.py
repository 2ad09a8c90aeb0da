"""The few pieces of Markdown that the generated blocks are made of."""

from collections.abc import Iterable


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; bars in cells are escaped."""
    lines = [tuple(head), *(tuple(row) for row in rows)]
    lines.insert(1, tuple("---" for _ in lines[0]))
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def code(text: str) -> str:
    """Text as code inside a line."""
    return f"`{text}`"


def block(text: str, language: str = "text") -> str:
    """Text as a block of code."""
    return f"```{language}\n{text}\n```"
