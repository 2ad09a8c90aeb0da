"""One case of bad or good input, and what is known about it."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """The inputs of one prediction; those left out keep their defaults.

    `spoiled` is the field that the error has to name, empty where nobody knows whether the case is valid;
    `alone` says that it has to name no other. `means` is what a field has to hold, by the path of the
    field: a number, or the shares of the mix; `readings` are the two between which the error leaves the
    choice.
    """

    inputs: dict = field(default_factory=dict)
    spoiled: str = ""
    alone: bool = True
    means: tuple = ()
    readings: tuple = ()
