"""The figures as tables for `docs/performance.md`, in both languages."""

import importlib
import re
import sys
from pathlib import Path

from card.chart import chart
from card.figures import SAME, Figure
from card.targets import target_table
from plitka.files.whole_files import write_whole

PAGE, CHART = "performance.md", "images/performance.svg"
BLOCK = re.compile(r"(<!-- measured -->\n).*?(<!-- end -->)", re.DOTALL)
DOCS = Path(__file__).resolve().parents[2] / "docs"
# What is shown of a figure, if it has it, and how.
COLUMNS = {
    "without_seconds": "{:.3g} s without it",
    "gb": "{:.3g} GB",
    "times_baseline": "{:.2f}× the baseline's speed",
    "times_base": "{:.2f}× the base prediction's time",
    "gain": "{:+.1%} speed of a whole prediction",
    "times_read": "{:.2f}× a plain read",
    "pictures_per_second": "{:.3g} pictures a second",
    "first_picture": "first picture {:.3g} s",
    "warm_up_seconds": "warm-up {:.3g} s",
    "warm_up_with_cache": "warm-up with the compiler's cache {:.3g} s",
    "tflops": "{:.3g} TFLOP/s",
    "share_of_matrix_rate": "{:.0%} of the matrix rate",
    "not_unet_share": "{:.1%} is not the UNet",
    "share": "{:.3%}",
    "peak_reserved_gb": "peak {:.2f} GB",
    "peak_allocated_gb": "of which tensors {:.2f} GB",
    "peak_reserved_beside_weights_gb": "{:.2f} GB beside the weights",
    "offload": "offload: {}",
    "memory_gb": "{:.4g} GB",
    "busy_share": "device busy {:.0%}",
    "psnr_to_full_guidance": "{:.0f} dB to the picture with guidance throughout",
    "psnr_to_plain": "{:.0f} dB to the picture without it",
    "relative_error": "differs by {:.1e} of it",
    "same_each_time": "the same bytes again: {}",
    "same_in_one_process": "the same bytes again: {}",
    "same_in_another_process": "the same bytes as another process: {}",
    "same_with_controlnet": "with a ControlNet too: {}",
    "same_with_cache": "with the compiler's cache of another process: {}",
    "same_recorded": "the same bytes as eager: {}",
    "same_weights": "the same weights as before: {}",
}
# Figures whose names alone say too little.
NAMES = {"baseline": "the predecessor's way (the baseline)", "device": "memory of the card"}
# Phases of setup from so many seconds on.
SHOWN_PHASE = 0.1
# Shorter times are in milliseconds.
SHOWN_IN_SECONDS = 0.1
# Shares of a step from here on.
SHOWN_SHARE = 0.01


def write_report(figures: list[Figure], folder: Path) -> None:
    """Put the latest figure of each name into the pages' block, and draw the predictions as bars.

    `folder` contains the English page; if it has a Russian one in `ru`, that gets the same figures. Raises
    SystemExit if the English page has no block, LookupError for words that the catalogue does not have.
    """
    page = folder / PAGE
    text = page.read_text(encoding="utf-8")
    if not BLOCK.search(text):
        raise SystemExit(f"{page}: there is no block between <!-- measured --> and <!-- end -->")
    figures = latest(figures)
    block = f"\n{tables(figures)}\n"
    text = BLOCK.sub(lambda found: found[1] + block + found[2], text)
    write_whole(page, text.encode())
    (folder / CHART).parent.mkdir(exist_ok=True)
    (folder / CHART).write_text(chart(by_device(figures)), encoding="utf-8")
    russian = folder / "ru" / PAGE
    if russian.is_file():
        write_whole(russian, in_russian(text, russian.read_text(encoding="utf-8")).encode())


def in_russian(english: str, russian: str) -> str:
    """The Russian page with the shared blocks of the English one, translated by the catalogue of `docs`."""
    # Only here: the catalogue needs a package that measuring does not.
    sys.path.insert(0, str(DOCS))
    blocks, language = (importlib.import_module(name) for name in ("shared_blocks", "language"))
    translated: str = blocks.translated(english, russian, language.in_russian)
    return translated


def tables(figures: list[Figure]) -> str:
    """The chart's place, and for each device and model the targets and every figure."""
    parts = [f"![Seconds of a whole prediction]({CHART})\n"]
    for measured in by_device(figures).values():
        parts += [f"\n{heading(measured)}\n\n", target_table(measured)]
        parts += ["\nEvery figure:\n\n", table(measured)]
    return "".join(parts)


def heading(figures: list[Figure]) -> str:
    """Card, model, dates and versions of figures that belong together."""
    dates = sorted({figure["date"] for figure in figures if "date" in figure})
    when = " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else "a day that is not noted"
    versions: dict[str, object] = {}
    for figure in figures:
        versions |= figure.get("versions", {})
    said = ", ".join(f"{name} {version}" for name, version in versions.items()) or "versions not noted"
    return f"{figures[0]['device']}, model `{figures[0]['architecture']}`, measured on {when} with {said}:"


def latest(figures: list[Figure]) -> list[Figure]:
    """One figure of each name on each device, the newest, in the order of their first measurement."""
    kept: dict[tuple[str, str], Figure] = {}
    for figure in figures:
        kept[place_of(figure), figure["figure"]] = figure
    return list(kept.values())


def by_device(figures: list[Figure]) -> dict[str, list[Figure]]:
    """Figures that belong together, by their device and model."""
    groups: dict[str, list[Figure]] = {}
    for figure in figures:
        groups.setdefault(place_of(figure), []).append(figure)
    return groups


def place_of(figure: Figure) -> str:
    """Device and model of a figure, in words."""
    return f"{figure['device']}, {figure['architecture']}"


def table(figures: list[Figure]) -> str:
    """A Markdown table of every figure that has something to show."""
    lines = ["| figure | measured |\n", "| --- | --- |\n"]
    for figure in figures:
        if words := in_words(figure):
            name = NAMES.get(figure["figure"], figure["figure"])
            lines.append(f"| {name} | {'; '.join(words)} |\n")
    return "".join(lines)


def in_words(figure: Figure) -> list[str]:
    """What is worth showing of a figure, in words."""
    words = [_duration(figure["seconds"])] if "seconds" in figure else []
    words += [_said(form, figure[name]) for name, form in COLUMNS.items() if figure.get(name) is not None]
    if len(figure.get("runs", ())) > 1:
        words.append(f"runs from {min(figure['runs']):.3g} to {max(figure['runs']):.3g} s")
    for name, alike in (figure.get("against_baseline") or {}).items():
        if alike:
            words.append(f"{name} {psnr_in_words(alike['psnr_db'])}")
    phases = figure.get("phases", {}).items()
    words += [f"{phase} {seconds:.2g} s" for phase, seconds in phases if seconds >= SHOWN_PHASE]
    shares = figure.get("shares", {}).items()
    words += [f"{kind} {share:.0%}".replace("%", " %") for kind, share in shares if share >= SHOWN_SHARE]
    if figure.get("retries"):
        words.append(f"{len(figure['retries'])} times again for lack of memory")
    return words


def _duration(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= SHOWN_IN_SECONDS else f"{1000 * seconds:.3g} ms"


def _said(form: str, value: object) -> str:
    word = {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
    return form.format(word).replace("%", " %")


def psnr_in_words(decibels: float) -> str:
    """Decibels, or that the pictures are the same."""
    return "the same to the bit" if decibels >= SAME else f"{decibels:.0f} dB"
