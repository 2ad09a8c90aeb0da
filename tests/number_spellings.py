"""Numbers in every spelling, and what each has to be read as, told by how it was put together.

An expectation is a number, or the readings between which a text leaves the choice (none, if it is no number
at all): then it has to be refused.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

from plitka.request.fields import MAX_SEED

DIGITS = {
    "ascii": "0123456789",
    "full-width": "０１２３４５６７８９",
    "arabic": "٠١٢٣٤٥٦٧٨٩",
    "raised": "⁰¹²³⁴⁵⁶⁷⁸⁹",
    "circled": "⓪①②③④⑤⑥⑦⑧⑨",
    "bold": "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗",
}
READ_DIGITS = ("ascii", "full-width")
MINUS_SIGNS = ["-", "\u2212", "\uff0d", "\u2010", "\u2011", "\ufe63"]
DASHES = ["\u2012", "\u2013", "\u2014"]
DEGREE_SIGNS = ["°", "º", "˚", " °"]
PERCENT_SIGNS = ["%", " %", "％", "\u202f%", "\ufe6a"]
FOREIGN_SUFFIXES = ["‰", "²", "px", "°C"]
BETWEEN_THOUSANDS = [" ", "\u00a0", "\u2009", "\u202f", "'", "’", "_", ",", "."]

# By field: the least and the most that it takes, and whether it takes whole numbers alone.
FIELDS = {
    "angle": (-math.inf, math.inf, False),
    "seed": (-1, MAX_SEED, True),
    "overrides.guidance_scale": (1, 20, False),
    "overrides.lora_scale": (0, 2, False),
    "overrides.controlnet_scale": (0, 2, False),
    "overrides.color_guidance": (0, 1, False),
    "overrides.num_inference_steps": (1, 100, True),
    "overrides.num_inference_steps_preview": (1, 100, True),
    "overrides.num_inference_steps_final": (1, 100, True),
}


@dataclass(frozen=True)
class Spelling:
    """A number put together of its parts; `grouping` stands between every three digits of `whole`."""

    sign: str = ""
    whole: str = "1"
    mark: str = ""
    rest: str = ""
    exponent: str = ""
    suffix: str = ""
    script: str = "ascii"
    grouping: str = ""
    space: str = ""

    @property
    def text(self):
        whole, parts = self.whole, []
        while self.grouping and len(whole) > 3:
            whole, parts = whole[:-3], [whole[-3:], *parts]
        digits = self.grouping.join([whole, *parts]) + self.mark + self.rest
        written = digits.translate(str.maketrans(DIGITS["ascii"], DIGITS[self.script]))
        return f"{self.space}{self.sign}{written}{self.exponent}{self.suffix}{self.space}"

    @property
    def is_number(self):
        return self.script in READ_DIGITS and not self.grouping

    @property
    def decimal(self):
        """The number with its mark before the decimals."""
        return self._value(self.whole, self.rest)

    @property
    def thousands(self):
        """The number with its mark between thousands, or None."""
        if self.mark and len(self.rest) == 3 and 1 <= len(self.whole) <= 3 and self.whole[0] != "0":
            return self._value(self.whole + self.rest, "")
        return None

    def _value(self, whole, rest):
        digits = Fraction(int(whole + rest or "0"), 10 ** len(rest))
        is_negative = self.sign not in ("", "+")
        return (-digits if is_negative else digits) * Fraction(10) ** int(self.exponent[1:] or 0)

    def bare(self):
        """The text as a JSON number of its own, or None: JSON knows fewer spellings."""
        is_json = (
            self.is_number
            and self.mark != ","
            and self.sign != "+"
            and bool(self.rest) == bool(self.mark)
            and (self.whole == "0" or self.whole[:1] not in ("", "0"))
            and not self.suffix
        )
        return self.text if is_json else None


def spelling(random, suffixes=()):
    """A number in some spelling, most of them read; `suffixes` are those of its field."""
    whole = random.choice(["", "0", "1", "6", "12", "45", "050", "100", "1234", str(random.randrange(1000))])
    mark = random.choice(["", "", ".", ",", ","])
    rest = random.choice(["", "5", "25", "000", "500", "080", "1234", f"{random.randrange(1000):03}"])
    if not mark or not whole + rest:
        whole, rest = whole or "7", rest if mark else ""
    grouping = "" if random.random() < 0.9 else random.choice(BETWEEN_THOUSANDS)
    if grouping:
        whole = (
            random.choice(["1000000", "12345678"]) if grouping in ",." else random.choice(["1000", "1234567"])
        )
    return Spelling(
        sign=random.choice(["", "", "", "+", *MINUS_SIGNS, *DASHES]) if random.random() < 0.5 else "",
        whole=whole,
        mark=mark,
        rest=rest,
        exponent=random.choice(["e1", "E2", "e-1", "e+1"]) if random.random() < 0.1 else "",
        suffix=random.choice([*suffixes, *suffixes, *FOREIGN_SUFFIXES]) if random.random() < 0.4 else "",
        script=random.choice(["ascii"] * 6 + ["full-width"] * 3 + ["arabic", "raised", "circled", "bold"]),
        grouping=grouping,
        space=random.choice(["", "", " ", "\u00a0"]),
    )


def expected(number, field, suffixes=(), *, is_bare=False):
    """What a spelling means in a field: a number, or the tuple of readings that it is refused with."""
    low, high, is_whole = FIELDS[field]
    if not number.is_number or (number.suffix and number.suffix not in suffixes):
        return ()
    decimal, thousands = number.decimal, number.thousands
    fits = low <= decimal <= high and (not is_whole or decimal.denominator == 1)
    also_fits = thousands is not None and low <= thousands <= high and not is_bare
    if is_whole and number.mark == ",":
        return (decimal, thousands) if thousands is not None and decimal.denominator == 1 else ()
    if fits and also_fits and (number.mark == "," or is_whole):
        return (decimal, thousands)
    if also_fits and number.mark == ",":
        return thousands
    return decimal if fits else ()


def amount(random):
    """An amount of a colour that is a number in every channel."""
    number = spelling(random, PERCENT_SIGNS)
    return Spelling(
        whole=number.whole[:6] or "3",
        mark=number.mark,
        rest=number.rest or ("5" if number.mark else ""),
        suffix=number.suffix if number.suffix in PERCENT_SIGNS else "",
        script=number.script if number.script in READ_DIGITS else "ascii",
    )


def two_amounts(random, makes_100):
    """The amounts of two colours, which sum to 100 in decimals if that is asked for and possible."""
    first, second = amount(random), amount(random)
    rest = 100 - first.decimal
    if makes_100 and rest > 0 and first.mark:
        second = Spelling(whole=str(math.floor(rest)), mark=",", rest=f"{float(rest % 1):.3f}"[2:])
    return first, second


def unclear_amounts(*amounts):
    """By field: the readings of the amounts of a mix that leave a choice."""
    if abs(sum(number.decimal for number in amounts) - 100) <= Fraction("0.01"):
        return {}
    return {
        f"colors[{index}].proportion": (number.decimal, number.thousands)
        for index, number in enumerate(amounts)
        if number.mark == "," and number.thousands is not None and not number.suffix
    }


def shares_of(*amounts):
    """The shares of a mix in decimals, without those that nobody can see."""
    total = sum(number.decimal for number in amounts)
    parts = [number.decimal for number in amounts if number.decimal / total >= Fraction("1e-6")]
    return [float(part / sum(parts)) for part in parts]


def readings_in(reason):
    """The two readings that a reason names, as text."""
    return reason.partition("could be ")[2].partition(";")[0].split(" or ")
