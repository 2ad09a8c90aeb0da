"""Measured figures in a page of Markdown, between `<!-- measured: NAME -->` and `<!-- end -->`."""

import re
from pathlib import Path

from plitka.files.whole_files import write_whole


def write_block(page: Path, name: str, text: str) -> None:
    """Replace the block `name` of a page. Raises ValueError if the page has none."""
    block = re.compile(rf"(<!-- measured: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    old = page.read_text(encoding="utf-8")
    new, count = block.subn(lambda match: f"{match[1]}\n{text}\n\n{match[2]}", old)
    if not count:
        raise ValueError(f"{page} has no block {name}")
    if new != old:
        write_whole(page, new.encode())
