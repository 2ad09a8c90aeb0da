"""Write the generated parts of the documentation: tables and examples that the code itself gives.

    python docs/generate.py

A page is Markdown with blocks between `<!-- generated: NAME -->` and `<!-- end -->`; everything around them
is written by hand. The web page is put together whole from its parts.
"""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import request_blocks
import typer.main
from markdown_text import code, table
from web_page import web_page

from plitka.cli import app
from plitka.metadata import Provenance
from plitka.metrics import METRICS
from plitka.palette import PALETTE, PaletteColor, delta_e00, resolve

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    "README.md",
    "README.ru.md",
    "docs/palette.md",
    "docs/request.md",
    "docs/metrics.md",
    "docs/cli.md",
)
WEB_PAGE = "docs/web_examples.html"
BLOCK = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

API_NAMES = ("black", "white", "red", "green", "blue", "gray", "brown", "yellow", "orange", "purple", "pink")
# Colours closer than this are told apart side by side, not in a mix.
ALIKE_DELTA_E = 10
SWATCH_WIDTH = 96


def palette() -> str:
    """Every colour with every name it answers to."""
    return table(
        ("swatch", "names", "mean sRGB", "lit sRGB", "mean Lab", "L\\*, 5–95 %"),
        (_palette_row(color) for color in PALETTE.values()),
    )


def _palette_row(color: PaletteColor) -> tuple[str, ...]:
    picture = f"../references/swatches/{color.code.lower()}.jpg"
    aliases = f"<br>{', '.join(color.aliases)}" if color.aliases else ""
    return (
        f'<img src="{picture}" width="{SWATCH_WIDTH}" alt="{color.prompt_word}">',
        f"**{color.prompt_word}**<br>{code(color.code)}<br>**{color.russian}**{aliases}",
        code(color.hex),
        code(color.lit_hex),
        ", ".join(f"{value:g}" for value in color.lab),
        f"{color.lightness_range[0]:g}–{color.lightness_range[1]:g}",
    )


def api_names() -> str:
    """The generic names of the API and the colours they mean."""
    rows = ((code(name), code(resolve(name).code), resolve(name).prompt_word) for name in API_NAMES)
    return table(("name", "colour", "prompt word"), rows)


def alike() -> str:
    """Pairs of palette colours that are hard to tell apart in a mix."""
    pairs = ((delta_e00(a.lab, b.lab), a, b) for a, b in combinations(PALETTE.values(), 2))
    close = sorted(
        (round(difference, 1), a.prompt_word, b.prompt_word)
        for difference, a, b in pairs
        if difference < ALIKE_DELTA_E
    )
    return table(("ΔE00", "colour", "colour"), ((f"{d:.1f}", a, b) for d, a, b in close))


def metrics() -> str:
    """Every metric of a prediction."""
    return table(("metric", "meaning"), ((code(name), meaning) for name, meaning in METRICS.items()))


def provenance() -> str:
    """Every text that a picture carries."""
    meanings = dict(re.findall(r"^ {8}(\w+): (.+)$", Provenance.__doc__ or "", re.MULTILINE))
    rows = ((code(field.name), meanings[field.name]) for field in dataclasses.fields(Provenance))
    return table(("text", "meaning"), rows)


def commands() -> str:
    """Every command of the command line with its options."""
    return "\n\n".join(
        _command(name, command) for name, command in _walk("plitka", typer.main.get_command(app))
    )


def _walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    for child, inner in getattr(command, "commands", {}).items():
        if hasattr(inner, "commands"):
            yield from _walk(f"{name} {child}", inner)
        else:
            yield f"{name} {child}", inner


def _command(name: str, command: Any) -> str:
    hints = get_type_hints(command.callback)
    rows = (
        (
            ", ".join(map(code, reversed(option.opts))),
            _meaning(option.help, hints[option.name]),
            "" if option.default is None or option.is_flag else code(str(option.default)),
        )
        for option in command.params
        if option.name != "help"
    )
    options = table(("option", "meaning", "default"), rows)
    return f"## {name}\n\n{command.help}\n\n{options}"


def _meaning(help_text: str | None, hint: Any) -> str:
    """An option's help, and its choices if it has any; `hint` is X or X | None."""
    kinds = [hint, *get_args(hint)]
    choices = [code(choice) for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
    one_of = f"One of {', '.join(choices)}." if choices else ""
    return " ".join(part for part in (help_text, one_of) if part)


BLOCKS: Mapping[str, Callable[[], str]] = {
    "palette": palette,
    "api-names": api_names,
    "alike": alike,
    "metrics": metrics,
    "provenance": provenance,
    "commands": commands,
    "request-fields": request_blocks.request_fields,
    "color-fields": request_blocks.color_fields,
    "override-fields": request_blocks.override_fields,
    "accepted-requests": request_blocks.accepted_requests,
    "refused-requests": request_blocks.refused_requests,
    "readme-refusal": request_blocks.readme_refusal,
    "color-texts": request_blocks.color_texts,
    "refused-inputs": request_blocks.refused_inputs,
    "request-limits": request_blocks.request_limits,
    "profiles": request_blocks.profiles,
    "routes": request_blocks.routes,
    "prompt": request_blocks.prompt,
}


def refresh(page: str) -> str:
    """The text of a page with every generated block made again. Raises KeyError for an unknown block."""
    return BLOCK.sub(lambda match: f"{match[1]}\n{BLOCKS[match['name']]()}\n\n{match[3]}", page)


def main() -> None:
    """Write every page that is stale."""
    for name in PAGES:
        _write(name, refresh((ROOT / name).read_text(encoding="utf-8")))
    _write(WEB_PAGE, web_page())


def _write(name: str, fresh: str) -> None:
    path = ROOT / name
    is_stale = not path.is_file() or path.read_text(encoding="utf-8") != fresh
    if is_stale:
        path.write_text(fresh, encoding="utf-8")
    print(f"{name}: {'written' if is_stale else 'up to date'}")


if __name__ == "__main__":
    main()
