"""Write the generated parts of the documentation: tables and examples that the code itself gives.

    python docs/generate.py

Pages in `docs/ru` and README.ru.md get the same blocks in Russian.

A page is Markdown with blocks between `<!-- generated: NAME -->` and `<!-- end -->`; everything around them
is written by hand. A Russian page also gets the measured and shared blocks of its English twin, translated
(`shared_blocks.py`). The web page is put together from its parts, and the example notebook gets its outputs.
"""

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Any, Literal, get_args, get_origin, get_type_hints

import error_blocks
import field_blocks
import hardware_blocks
import number_blocks
import palette_blocks
import request_blocks
import scenario_blocks
import typer.main
from language import Say, in_english, in_russian, references
from markdown_text import code, table
from notebook import refreshed
from shared_blocks import translated
from site_layout import ROOT, RUSSIAN, english_page, language_of
from web_page import web_page

from plitka.cli.commands import app
from plitka.colors.palette import PALETTE, PaletteColor, delta_e00, resolve
from plitka.files.whole_files import write_whole
from plitka.output.metrics import METRICS
from plitka.output.provenance import Provenance
from plitka.server.schema_file import SCHEMA_FILE

GENERATED_PAGES = ("API", "Deployment", "WebInterfaceExamples", "palette", "cli")
# Their English pages contain what benchmarks wrote or people measured.
SHARED_PAGES = ("color", "performance", "reliability")
PAGES = (
    "README.md",
    "README.ru.md",
    *(f"docs/{page}.md" for page in GENERATED_PAGES),
    *(f"docs/ru/{page}.md" for page in (*GENERATED_PAGES, *SHARED_PAGES)),
)
# The file that the server sends, and the same one beside the documentation.
WEB_PAGES = ("plitka/server/page/index.html", "docs/web_examples.html")
NOTEBOOK = "examples/plan.ipynb"
BLOCK = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

API_NAMES = ("black", "white", "red", "green", "blue", "gray", "brown", "yellow", "orange", "purple", "pink")
# Colours closer than this look different side by side, and alike in a mix.
ALIKE_DELTA_E = 10
SWATCH_WIDTH = 96


def palette(say: Say) -> str:
    """Every colour with every name it answers to."""
    head = ("swatch", "names", "mean sRGB", "lit sRGB", "mean Lab", "L\\*, 5–95 %")
    return table(map(say, head), (_palette_row(color, say) for color in PALETTE.values()))


def _palette_row(color: PaletteColor, say: Say) -> tuple[str, ...]:
    picture = f"{references(say)}/swatches/{color.code.lower()}.jpg"
    aliases = f"<br>{', '.join(color.aliases)}" if color.aliases else ""
    return (
        f'<img src="{picture}" width="{SWATCH_WIDTH}" alt="{color.prompt_word}">',
        f"**{color.prompt_word}**<br>{code(color.code)}<br>**{color.russian}**{aliases}",
        code(color.hex),
        code(color.lit_hex or ""),
        say(", ".join(f"{value:g}" for value in color.lab)),
        say(f"{color.lightness_range[0]:g}–{color.lightness_range[1]:g}"),
    )


def api_names(say: Say) -> str:
    """The generic names of the API and the colours they mean."""
    rows = ((code(name), code(resolve(name).code), resolve(name).prompt_word) for name in API_NAMES)
    return table(map(say, ("name", "colour", "prompt word")), rows)


def alike(say: Say) -> str:
    """Pairs of palette colours that look alike in a mix."""
    pairs = ((delta_e00(a.lab, b.lab), a, b) for a, b in combinations(PALETTE.values(), 2))
    close = sorted(
        (round(difference, 1), a.prompt_word, b.prompt_word)
        for difference, a, b in pairs
        if difference < ALIKE_DELTA_E
    )
    return table(("ΔE00", say("colour"), say("colour")), ((say(f"{d:.1f}"), a, b) for d, a, b in close))


def inputs(say: Say) -> str:
    """The inputs of the server, from its OpenAPI schema."""
    schemas = json.loads((ROOT / SCHEMA_FILE).read_text(encoding="utf-8"))["components"]["schemas"]
    rows = (
        (
            code(name),
            code(schemas.get(name, field)["type"]),
            code(json.dumps(field["default"])),
            " ".join(
                (
                    say(field["description"]) + ".",
                    *(code(word) for word in schemas.get(name, {}).get("enum", ())),
                )
            ),
        )
        for name, field in schemas["Input"]["properties"].items()
    )
    return table(map(say, ("input", "type", "default", "meaning")), rows)


def metrics(say: Say) -> str:
    """Every metric of a prediction."""
    rows = ((code(name), say(meaning)) for name, meaning in METRICS.items())
    return table(map(say, ("metric", "meaning")), rows)


def provenance(say: Say) -> str:
    """Every text that a picture carries."""
    meanings = dict(re.findall(r"^ {8}(\w+): (.+)$", Provenance.__doc__ or "", re.MULTILINE))
    rows = ((code(field.name), say(meanings[field.name])) for field in dataclasses.fields(Provenance))
    return table(map(say, ("text", "meaning")), rows)


def commands(say: Say) -> str:
    """Every command of the command line with its options."""
    return "\n\n".join(
        _command(name, command, say) for name, command in _walk("plitka", typer.main.get_command(app))
    )


def _walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    for child, inner in getattr(command, "commands", {}).items():
        if hasattr(inner, "commands"):
            yield from _walk(f"{name} {child}", inner)
        else:
            yield f"{name} {child}", inner


def _command(name: str, command: Any, say: Say) -> str:
    hints = get_type_hints(command.callback)
    rows = (
        (
            ", ".join(map(code, reversed(option.opts))),
            _meaning(option.help, hints[option.name], say),
            "" if option.default is None or option.is_flag else code(str(option.default)),
        )
        for option in command.params
        if option.name != "help"
    )
    options = table(map(say, ("option", "meaning", "default")), rows)
    return f"## {name}\n\n{say(command.help)}\n\n{options}"


def _meaning(help_text: str | None, hint: Any, say: Say) -> str:
    """An option's help, and its choices if it has any; `hint` is X or X | None."""
    kinds = [hint, *get_args(hint)]
    choices = [code(choice) for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
    one_of = f"{say('One of')} {', '.join(choices)}." if choices else ""
    return " ".join(part for part in (say(help_text or ""), one_of) if part)


BLOCKS: Mapping[str, Callable[[Say], str]] = {
    "palette": palette,
    "api-names": api_names,
    "alike": alike,
    "palette-file": palette_blocks.palette_file,
    "palette-keys": palette_blocks.palette_keys,
    "palette-refused": palette_blocks.palette_refused,
    "outside-colors": palette_blocks.outside_colors,
    "hardware": hardware_blocks.hardware,
    "inputs": inputs,
    "metrics": metrics,
    "provenance": provenance,
    "commands": commands,
    "request-fields": field_blocks.request_fields,
    "color-fields": field_blocks.color_fields,
    "override-fields": field_blocks.override_fields,
    "controlnet-fields": field_blocks.controlnet_fields,
    "sheet-fields": field_blocks.sheet_fields,
    "order-fields": field_blocks.order_fields,
    "accepted-requests": request_blocks.accepted_requests,
    "refused-requests": error_blocks.refused_requests,
    "readme-refusal": error_blocks.readme_refusal,
    "refusal-reasons": error_blocks.refusal_reasons,
    "color-texts": request_blocks.color_texts,
    "numbers": number_blocks.numbers,
    "refused-inputs": error_blocks.refused_inputs,
    "request-limits": request_blocks.request_limits,
    "profiles": request_blocks.profiles,
    "routes": request_blocks.routes,
    "prompt": request_blocks.prompt,
    "prompt-templates": request_blocks.prompt_templates,
    "scenarios": scenario_blocks.scenarios,
}


def refresh(name: str) -> str:
    """The text of a page, by its path, with every block made again. Raises KeyError for an unknown block."""
    say = say_on(name)
    page = (ROOT / name).read_text(encoding="utf-8")
    if say is in_russian:
        page = translated((ROOT / english_page(name)).read_text(encoding="utf-8"), page, say)
    return BLOCK.sub(lambda match: f"{match[1]}\n{BLOCKS[match['name']](say)}\n\n{match[3]}", page)


def say_on(page: str) -> Say:
    """What puts texts into the language of a page, by its path."""
    return in_russian if language_of(page) == RUSSIAN else in_english


def main() -> None:
    """Write every page that is stale."""
    for name in PAGES:
        _write(name, refresh(name))
    for path in WEB_PAGES:
        _write(path, web_page())
    _write(NOTEBOOK, refreshed(ROOT / NOTEBOOK))


def _write(name: str, fresh: str) -> None:
    path = ROOT / name
    is_stale = not path.is_file() or path.read_text(encoding="utf-8") != fresh
    if is_stale:
        write_whole(path, fresh.encode())
    print(f"{name}: {'written' if is_stale else 'up to date'}")


if __name__ == "__main__":
    main()
