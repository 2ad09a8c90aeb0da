"""One page about a check of a model: pictures, shares, seconds, memory, and what failed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from plitka.files.whole_files import write_whole

TITLE = "Plitka Pro on a real model"
STYLE = """
body { font: 15px/1.45 sans-serif; margin: 2em auto; max-width: 1000px; color: #222; }
table { border-collapse: collapse; margin: .6em 0 1.4em; }
td, th { border-bottom: 1px solid #ccc; padding: 3px 10px; text-align: left; vertical-align: top; }
img { width: 300px; margin-right: 8px; }
.failed { color: #a32; }
pre { background: #f4f4f2; padding: 10px; overflow-x: auto; }
"""


@dataclass
class ScenarioReport:
    """What came of one scenario: the files drawn, the metrics, and the error that ended it, if one did."""

    name: str
    pictures: list[Path] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    error: str | None = None


@dataclass
class Check:
    """One step of the check that is no scenario: what it is, whether it held, what it said."""

    name: str
    good: bool
    said: str


def write_page(
    path: Path, identity: Mapping[str, str], checks: Sequence[Check], scenarios: Sequence[ScenarioReport]
) -> None:
    """Write the page; pictures are linked relative to it."""
    failed = failures(checks, scenarios)
    summary = "; ".join(failed) if failed else "nothing"
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        f"<title>{TITLE}</title><style>{STYLE}</style></head><body><h1>{TITLE}</h1>",
        f"<p class='{'failed' if failed else ''}'>Failed: {escape(summary)}.</p>",
        _table(identity.items()),
        *(_check(check) for check in checks),
        *(_scenario(path.parent, scenario) for scenario in scenarios),
        "</body></html>\n",
    ]
    write_whole(path, "\n".join(parts).encode())


def failures(checks: Sequence[Check], scenarios: Sequence[ScenarioReport]) -> list[str]:
    """The names of what did not hold."""
    bad = [check.name for check in checks if not check.good]
    return bad + [scenario.name for scenario in scenarios if scenario.error]


def _check(check: Check) -> str:
    mark = "" if check.good else " class='failed'"
    return f"<h2{mark}>{escape(check.name)}</h2>\n<pre>{escape(check.said)}</pre>"


def _scenario(folder: Path, scenario: ScenarioReport) -> str:
    links = (escape(str(picture.relative_to(folder)), quote=True) for picture in scenario.pictures)
    images = "".join(f"<img src='{link}' alt=''>" for link in links)
    error = f"<p class='failed'>{escape(scenario.error)}</p>" if scenario.error else ""
    return f"<h2>{escape(scenario.name)}</h2>\n{error}{images}{_shares(scenario)}{_table(_facts(scenario))}"


def _shares(scenario: ScenarioReport) -> str:
    measured = scenario.metrics.get("fidelity.final")
    if not measured:
        return ""
    rows = [
        (color["id"], f"{color['requested']:.1%}", f"{color['measured']:.1%}", color["delta_e"] or "")
        for color in measured["colors"]
    ]
    return _table([("colour", "requested", "measured", "ΔE00"), *rows])


def _facts(scenario: ScenarioReport) -> list[tuple[str, str]]:
    wanted = {
        "pipeline.name": "pipeline",
        "pipeline.controlnet": "ControlNet",
        "pipeline.reason": "because",
        "steps.preview": "steps, preview",
        "steps.final": "steps, final",
        "timing.first_picture": "seconds to the first picture",
        "timing.total": "seconds in all",
        "memory.peak_torch_vram_mib": "peak video memory, MiB",
        "fidelity.worst_error_pp": "largest error of a share, percentage points",
    }
    metrics = scenario.metrics
    return [(title, str(metrics[name])) for name, title in wanted.items() if name in metrics]


def _table(rows: Iterable[Sequence[Any]]) -> str:
    lines = ["".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>" if lines else ""
