"""Weights in a prompt: which of its words count more, and which less.

Two spellings are read, that of compel (`(detailed texture)1.3`, `(blurry)-`, `texture++`;
https://github.com/damian0815/compel/blob/main/doc/syntax.md) and that of A1111's web UI (`(texture:1.3)`,
`(texture)`, `[texture]`; https://github.com/AUTOMATIC1111/stable-diffusion-webui/wiki/Features). Where both
know a spelling but mean something else by it, a bracket without a number is A1111's, a number or signs right
after a bracket are compel's. A backslash makes the character after it a plain one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from plitka.errors import shown

LEAST_WEIGHT, MOST_WEIGHT = 0.0, 2.0
# A text encoder reads the whole text once more for each part that is lighter than 1.
MOST_LIGHTER = 20
PLUS, MINUS = 1.1, 0.9
ROUND, SQUARE = 1.1, 1 / 1.1
SPECIAL = r"\()[]:|+-"
ALLOWED = (
    f"weights from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}, brackets in pairs, and a backslash before a bracket "
    "that is text"
)
# How many problems of one text are told.
_TOLD = 3
_CLOSING = {"(": ")", "[": "]"}
_NUMBER = r"[+-]?(?:[0-9]+(?:[.,][0-9]+)?|[.,][0-9]+)"
# A weight ends where a word ends: "(EPDM)60%" and "(ultra)-fine" have none behind the bracket.
_END = r"(?![\w%+-]|[.,]\d)"
_AFTER_BRACKET = re.compile(rf"({_NUMBER}|\++|-+){_END}")
_BEFORE_BRACKET = re.compile(rf":\s*({_NUMBER}\.?)\s*\)")
# What is meant as a number there and is none of those: other digits, exponents.
_NO_NUMBER = re.compile(r":\s*([+-]?(?:[\d.,]+(?:e[+-]?\d+)?|nan|inf))\s*\)", re.IGNORECASE)
_SIGNS = re.compile(rf"(\++|-+){_END}")
# What a word is made of; with `_LETTER` in it, it is one.
_OF_WORDS, _LETTER = re.compile(r"[^\s,;:\"]*"), re.compile(r"\w")
# What other programs do with brackets and is no weight.
_SCHEDULE = re.compile(r"(?<!\\)\||(?<!\\):\s*[0-9.]+\s*\Z")
_FUNCTION = re.compile(r"\.(and|add|attend|blend|swap)\(")


class Fragment(NamedTuple):
    """A part of a prompt, and its weight: 1 for a plain one, 0 for one that is to have no effect."""

    text: str
    weight: float


class Reading(NamedTuple):
    """A text as it is read.

    Attributes:
        fragments: Its parts from left to right, no two neighbours of one weight; without marks of weights.
        problems: What is wrong with it, each the end of a sentence, with the column in the text, from 1.
    """

    fragments: tuple[Fragment, ...]
    problems: tuple[str, ...] = ()


def read_weights(text: str) -> Reading:
    """The parts of a text with their weights; nested weights are multiplied."""
    reader = _Reader(text)
    while reader.place < len(text):
        reader.step()
    return reader.reading()


def weight_problem(text: str) -> str | None:
    """What is wrong with the weights in a text, the end of a sentence; None for nothing."""
    problems = read_weights(text).problems
    more = f" and {len(problems) - _TOLD} more mistakes" if len(problems) > _TOLD else ""
    return "; ".join(problems[:_TOLD]) + more if problems else None


def escaped(text: str) -> str:
    """The text as `read_weights` gives it back whole, with no weight."""
    return "".join(f"\\{character}" if character in SPECIAL else character for character in text)


def joined(fragments: Iterable[Fragment]) -> tuple[Fragment, ...]:
    """The same without empty parts, neighbours of one weight made one."""
    whole: list[Fragment] = []
    for text, weight in fragments:
        if whole and whole[-1].weight == weight:
            whole[-1] = Fragment(whole[-1].text + text, weight)
        elif text:
            whole.append(Fragment(text, weight))
    return tuple(whole)


def plain_text(fragments: Iterable[Fragment]) -> str:
    """The words alone."""
    return "".join(text for text, _ in fragments)


def is_weighted(fragments: Iterable[Fragment]) -> bool:
    """Whether any of its words has a weight."""
    return any(weight != 1 and text.strip() for text, weight in fragments)


class _Piece(NamedTuple):
    text: str
    weight: float
    column: int


class _Open(NamedTuple):
    """A bracket that is open: what it is, where it stands, and the first piece within it."""

    bracket: str
    place: int
    first: int


class _Reader:
    """Goes through a text once, from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self._pieces: list[_Piece] = []
        # The words of the piece that is being read, and where each of their characters stands.
        self._words = ""
        self._places: list[int] = []
        self._open: list[_Open] = []
        self._problems: list[tuple[int, str]] = []

    def step(self) -> None:
        """Read what stands at `place`, and go on behind it."""
        character = self.text[self.place]
        if character == "\\" and self.text[self.place + 1 : self.place + 2] in tuple(SPECIAL):
            self.place += 1
            self._take()
        elif character in "([":
            self._end_piece()
            self._open.append(_Open(character, self.place, len(self._pieces)))
            self.place += 1
        elif character in ")]":
            self._close(character)
        elif character == ":" and self._open and self._open[-1].bracket == "(":
            self._read_colon()
        elif character in "+-":
            self._read_signs()
        else:
            self._take()

    def reading(self) -> Reading:
        """What was read."""
        self._end_piece()
        for bracket, place, _ in self._open:
            self._say(place, f'has "{bracket}" at column {place + 1} without its "{_CLOSING[bracket]}"')
        for text, weight, column in self._pieces:
            if text.strip() and not LEAST_WEIGHT <= weight <= MOST_WEIGHT:
                self._say(column, f"gives {shown(text.strip())} at column {column + 1} the weight {weight:g}")
        parts = joined(Fragment(text, weight) for text, weight, _ in self._pieces)
        lighter = sum(weight < 1 and bool(text.strip()) for text, weight in parts)
        if lighter > MOST_LIGHTER:
            self._say(len(self.text), f"has {lighter} parts lighter than 1 instead of {MOST_LIGHTER} at most")
        return Reading(parts, tuple(reason for _, reason in sorted(self._problems)))

    def _say(self, place: int, reason: str) -> None:
        self._problems.append((place, reason))

    def _take(self) -> None:
        """The character at `place` is one of a word."""
        self._words += self.text[self.place]
        self._places.append(self.place)
        self.place += 1

    def _end_piece(self) -> None:
        self._add_piece(0, 1.0)

    def _add_piece(self, first: int, weight: float) -> None:
        """Make a piece of the words read from the character `first` on."""
        if words := self._words[first:]:
            place = self._places[first + len(words) - len(words.lstrip()) - words.isspace()]
            self._pieces.append(_Piece(words, weight, place))
        self._words, self._places = self._words[:first], self._places[:first]

    def _read_colon(self) -> None:
        found = _BEFORE_BRACKET.match(self.text, self.place)
        place = self._open[-1].place
        if found is None:
            if like := _NO_NUMBER.match(self.text, self.place):
                self._say(place, f"gives the bracket at column {place + 1} the weight {shown(like[1])}")
            self._take()
            return
        self._end_piece()
        self._weigh(self._open.pop(), _number(found[1]))
        self.place += len(found[0])
        if second := _AFTER_BRACKET.match(self.text, self.place):
            self._say(place, f'gives the bracket at column {place + 1} a second weight, "{second[0]}"')
            self.place += len(second[0])

    def _close(self, bracket: str) -> None:
        self._end_piece()
        place = self.place
        self.place += 1
        if not self._open:
            begins = "(" if bracket == ")" else "["
            self._say(place, f'has "{bracket}" at column {place + 1} without its "{begins}"')
            return
        opened = self._open.pop()
        if _CLOSING[opened.bracket] != bracket:
            both = f'"{opened.bracket}" at column {opened.place + 1} with "{bracket}" at column {place + 1}'
            self._say(opened.place, f"closes {both}")
        elif bracket == "]":
            if _SCHEDULE.search(self.text[opened.place + 1 : place]):
                where = f"in the bracket at column {opened.place + 1}"
                self._say(opened.place, f"asks {where} for words that change between steps, which stay here")
            self._weigh(opened, SQUARE)
        else:
            self._weigh(opened, self._weight_behind(place))

    def _weight_behind(self, place: int) -> float:
        """The weight that stands behind the round bracket which closes at `place`."""
        if function := _FUNCTION.match(self.text, self.place):
            where = f'".{function[1]}()" at column {self.place + 1}'
            self._say(place, f"has {where}, which is no weight and not read here")
        found = _AFTER_BRACKET.match(self.text, self.place)
        if found is None:
            return ROUND
        self.place += len(found[0])
        return _number(found[1]) if any(map(str.isdigit, found[1])) else _signs(found[1])

    def _weigh(self, opened: _Open, weight: float) -> None:
        for index in range(opened.first, len(self._pieces)):
            text, own, column = self._pieces[index]
            # Rounded, so that 1.1 of 1 / 1.1 is 1.
            self._pieces[index] = _Piece(text, round(own * weight, 6), column)

    def _last_word(self) -> int | None:
        """Where the word begins that ends right here; None without one."""
        # From the end: a search from the front tries every beginning, which is slow in a text of signs.
        found = _OF_WORDS.match(self._words[::-1])
        begin = len(self._words) - (found.end() if found else 0)
        return begin if _LETTER.search(self._words, begin) else None

    def _read_signs(self) -> None:
        found, begin = _SIGNS.match(self.text, self.place), self._last_word()
        if found is None or begin is None:
            self._take()
            return
        weighted = self._words, self._places
        self._words, self._places = self._words[:begin], self._places[:begin]
        self._end_piece()
        self._words, self._places = weighted
        self._add_piece(begin, round(_signs(found[1]), 6))
        self._words, self._places = "", []
        self.place += len(found[0])


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def _signs(text: str) -> float:
    return float((PLUS if text[0] == "+" else MINUS) ** len(text))
