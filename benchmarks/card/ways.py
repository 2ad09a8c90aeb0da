"""The ways of drawing whose pictures are compared between processes, and the processes. Needs no library."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Way:
    """A way of drawing: recorded, compiled, kernels chosen by timing; in how many processes."""

    recorded: bool = False
    compiled: bool = False
    by_timing: bool = False
    processes: int = 2


WAYS = {
    "eager": Way(),
    "recorded": Way(recorded=True),
    "compiled": Way(compiled=True, processes=3),
    "eager, kernels by timing": Way(by_timing=True),
    "recorded, kernels by timing": Way(recorded=True, by_timing=True),
}
# Sections of the benchmark, each short enough for one call of a lent card; a part of its name compares them.
SECTIONS = {
    "processes": ("eager", "recorded"),
    "processes-compiled": ("compiled",),
    "processes-timing": ("eager, kernels by timing", "recorded, kernels by timing"),
}
# Parts of the benchmark by their names: the way, and the number of the process.
PARTS = {
    f"process-{name.replace(', kernels by ', '-')}-{number}": (name, number)
    for name, way in WAYS.items()
    for number in range(1, way.processes + 1)
}
# Each process compiles for itself, but for the third, which gets a copy of the first one's cache.
COMPILED = {part: f"process-{number}" for part, (name, number) in PARTS.items() if WAYS[name].compiled}
COPIED = {part: "process-1" for part in COMPILED if PARTS[part][1] == 3}


def parts_of(section: str) -> tuple[str, ...]:
    """The processes of a section, and the part that compares them."""
    return (*(part for part, (name, _) in PARTS.items() if name in SECTIONS[section]), section)
