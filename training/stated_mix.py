"""The mix that a caption states: `ohwx_rubber_tile <s0><s1>, 60% red, 40% blue`."""

import re
from dataclasses import dataclass

from plitka.colors.mix import Mix, palette_mix_color
from plitka.colors.palette import palette_in_use, resolve
from plitka.errors import UnknownColorError

# Percentage points by which the shares of a caption may miss 100: three thirds are 99.
ROUNDING = 1.5
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%\s*([^,%]+?)\s*(?=,|$)")


@dataclass(frozen=True)
class Stated:
    """What a caption states.

    Attributes:
        words: The caption's own word for each colour.
        mix: The colours, with shares that sum to 1.
    """

    words: tuple[str, ...]
    mix: Mix


def stated_mix(caption: str) -> Stated:
    """The mix that a caption states.

    Raises ValueError for no shares, a colour that is in no palette, one that is named twice, and shares that
    do not sum to 100 %.
    """
    found = _SHARE.findall(caption)
    parts = []
    for percent, word in found:
        try:
            parts.append((word, resolve(word), float(percent)))
        except UnknownColorError as error:
            near = f"; perhaps {' or '.join(error.suggestions)}" if error.suggestions else ""
            raise ValueError(f"{error} of the palette{near}") from error
    total = sum(percent for _, _, percent in parts)
    if not total:
        raise ValueError("the caption states no shares such as '60% red'")
    codes = [color.code for _, color, _ in parts]
    if twice := next((word for word, color, _ in parts if codes.count(color.code) > 1), None):
        raise ValueError(f"the caption names {twice!r} twice")
    if abs(total - 100) > ROUNDING:
        read = ", ".join(f"{percent}% {word}" for percent, word in found)
        raise ValueError(f"the caption's shares, read as {read!r}, sum to {total:g} %, not 100 %")
    mix = tuple(palette_mix_color(color, percent / total) for _, color, percent in parts if percent)
    return Stated(tuple(word for word, _, percent in parts if percent), mix)


def word_for(code: str) -> str:
    """What a caption calls a palette colour; the code itself of one that is in no palette."""
    palette = palette_in_use()
    return palette[code].prompt_word if code in palette else code
