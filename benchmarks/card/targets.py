"""What the project has set itself on one card, and whether the figures reach it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from card.figures import Figure

RECORDED = ("ours, recorded",)
COMPILED = (
    "ours, compiled",
    "ours, compiled and recorded",
    "ours, whole UNet compiled",
    "ours, tuned UNet",
)
FUSED = ("fused: norm", "fused: geglu", "fused: qkv", "fused: everything")
STEP = ": guided step at 1024"
NOT_MEASURED = "not yet measured"


@dataclass(frozen=True)
class Target:
    """One target.

    Attributes:
        what: In words, as the table says it.
        figures: Names of the figures that it is about.
        value: The number that counts, of one figure; None where the figure does not have it.
        bound: What is to be reached.
        form: How the number is written.
        at_least: Whether larger is better.
        every: Whether each of the figures has to reach it; otherwise the best of them.
    """

    what: str
    figures: tuple[str, ...]
    value: Callable[[Figure], float | None]
    bound: float
    form: str
    at_least: bool = False
    every: bool = True

    def judge(self, known: Mapping[str, Figure]) -> tuple[str, str]:
        """The number of these figures, by their names, and whether it is reached, both in words."""
        found = (self.value(known[name]) for name in self.figures if name in known)
        values = [value for value in found if value is not None]
        if not values:
            return NOT_MEASURED, ""
        value = min(values) if self.at_least == self.every else max(values)
        reached = value >= self.bound if self.at_least else value <= self.bound
        return self.said(value), "yes" if reached else "missed"

    def said(self, value: float) -> str:
        """A number as it is written in the table."""
        return self.form.format(value).replace("%", " %")


def _of(key: str) -> Callable[[Figure], float | None]:
    return lambda figure: figure.get(key)


def _psnr(figure: Figure) -> float | None:
    """The worse of the two pictures."""
    alike = [known for known in (figure.get("against_baseline") or {}).values() if known]
    return min((known["psnr_db"] for known in alike), default=None)


def _retries(figure: Figure) -> float:
    return float(len(figure["retries"]))


def _offloaded(figure: Figure) -> float:
    """0 if every model stayed on the card and nothing was drawn twice."""
    return float(figure["offload"] != "none" or bool(figure["retries"]))


def _lora(figure: Figure) -> float | None:
    """Seconds of setup that the LoRA takes."""
    seconds: float | None = figure["phases"].get("lora")
    return seconds


def _same_everywhere(figure: Figure) -> float:
    """1 if all processes drew the same bytes, with a ControlNet too."""
    kinds = ("same_in_one_process", "same_in_another_process", "same_with_controlnet")
    return float(all(figure.get(kind) for kind in kinds))


FASTER, SHARE, READS = "{:.2f}× the baseline's speed", "{:.0%}", "{:.2f}× a plain read"
LONGER = "{:.2f}× the base prediction's time"
SPEED_TARGETS = (
    Target("a whole prediction, recorded", RECORDED, _of("times_baseline"), 1.9, FASTER, at_least=True),
    Target(
        "a whole prediction compiled, the best way",
        COMPILED,
        _of("times_baseline"),
        2.4,
        FASTER,
        at_least=True,
        every=False,
    ),
    Target(
        "a guided step at 1024 pixels, recorded, of the matrix rate",
        tuple(name + STEP for name in RECORDED),
        _of("share_of_matrix_rate"),
        0.45,
        SHARE,
        at_least=True,
    ),
    Target(
        "the same with fused work, the best way",
        tuple(name + STEP for name in FUSED),
        _of("share_of_matrix_rate"),
        0.45,
        SHARE,
        at_least=True,
        every=False,
    ),
    Target(
        "the same compiled, the best way",
        tuple(name + STEP for name in COMPILED),
        _of("share_of_matrix_rate"),
        0.6,
        SHARE,
        at_least=True,
        every=False,
    ),
    Target(
        "the part of a recorded prediction that is not the UNet",
        ("first picture and what is not the UNet, recorded",),
        _of("not_unet_share"),
        0.1,
        "{:.1%}",
    ),
    Target(
        "a recorded prediction with a ControlNet, the best way",
        ("ControlNet, recorded", "ControlNet, recorded itself too"),
        _of("times_base"),
        1.45,
        LONGER,
        every=False,
    ),
    Target("what watching costs", ("monitor",), _of("share"), 0.005, "{:.3%}"),
)
START_TARGETS = (
    Target(
        "setup, files in memory",
        ("setup, files in the page cache",),
        _of("times_read"),
        1.5,
        READS,
    ),
    Target(
        "setup, files not in memory",
        ("setup, files not in the page cache",),
        _of("times_read"),
        1.5,
        READS,
    ),
    Target("the LoRA at setup", ("setup, files in the page cache",), _lora, 0.3, "{:.2g} s"),
    Target(
        "first use of a ControlNet, file in memory",
        ("first use of a ControlNet, file in the page cache",),
        _of("times_read"),
        1.5,
        READS,
    ),
    Target(
        "first use of a ControlNet, file not in memory",
        ("first use of a ControlNet, file not in the page cache",),
        _of("times_read"),
        1.5,
        READS,
    ),
)
PICTURE_TARGETS = (
    Target(
        "pictures against the baseline's, the worst of every way",
        ("ours, eager", *RECORDED, *COMPILED, *FUSED),
        _psnr,
        40,
        "{:.0f} dB",
        at_least=True,
    ),
    *(
        Target(
            f"the same bytes in every process, {way}: 1 for yes and 0 for no",
            (f"processes: {way}",),
            _same_everywhere,
            1,
            "{:.0f}",
            at_least=True,
        )
        for way in ("eager", "recorded", "compiled")
    ),
)
MEMORY_TARGETS = (
    Target(
        "peak memory of a base prediction, beside the weights",
        ("base prediction",),
        _of("peak_reserved_beside_weights_gb"),
        3,
        "{:.2f} GB",
    ),
    Target(
        "a card of 16 GiB, base and one ControlNet: offload, 0 for none and 1 for some",
        ("a card of 16 GiB: base", "a card of 16 GiB: ControlNet"),
        _offloaded,
        0,
        "{:.0f}",
    ),
    Target(
        "a card of 12 GiB, the same: pictures begun again for lack of memory",
        ("a card of 12 GiB: base", "a card of 12 GiB: ControlNet"),
        _retries,
        0,
        "{:.0f}",
    ),
)
TARGETS = (*SPEED_TARGETS, *START_TARGETS, *PICTURE_TARGETS, *MEMORY_TARGETS)


def target_table(figures: Iterable[Figure]) -> str:
    """A Markdown table of the targets beside the figures of one device and model."""
    known: dict[str, Any] = {figure["figure"]: figure for figure in figures}
    lines = ["| target | to reach | measured | reached |\n", "| --- | --- | --- | --- |\n"]
    for target in TARGETS:
        measured, reached = target.judge(known)
        bound = f"{'at least' if target.at_least else 'at most'} {target.said(target.bound)}"
        lines.append(f"| {target.what} | {bound} | {measured} | {reached} |\n")
    return "".join(lines)
