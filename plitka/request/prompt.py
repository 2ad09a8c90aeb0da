"""The words given to the model: prompt, negative prompt, and the check that they are not too many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from plitka.colors.mix import Mix, percentages
from plitka.errors import Problem, RequestError, shown
from plitka.request.prompt_templates import COLORS_PLACE, DEFAULT_TEMPLATE, TEMPLATES
from plitka.request.prompt_weights import Fragment, is_weighted, joined, read_weights

# The tokens that the LoRA and the textual inversion were trained with.
TRIGGER = "ohwx_rubber_tile <s0><s1>"
STYLE = "photorealistic rubber tile, high quality, detailed texture"
DEFAULT_NEGATIVE_PROMPT = (
    "object, blurry, worst quality, low quality, deformed, watermark, 3d render, cartoon, abstract, "
    "smooth, flat"
)
# What CLIP reads at once, start and end token included: the length of a chunk.
TOKEN_LIMIT = 77
# The UNet looks at every token of every chunk at every step.
MAX_CHUNKS = 4
NO_WEIGHTS = "words without weights, and a backslash before a bracket that is text"
# What stands between a template and a request's own words.
_OWN_WORDS = ", "


@dataclass(frozen=True)
class Prompt:
    """What the picture should show and what it should not.

    Attributes:
        positive: The whole prompt as it is written: the template with the mix in it, then the request's own
            words.
        negative: The negative prompt as it is written.
        own: The request's own words, with which `positive` ends; empty without any.
        mix: The mix in words, as it stands in `positive`. Names of colours may have brackets: they are never
            read as weights.
    """

    positive: str
    negative: str
    own: str = ""
    mix: str = ""

    @property
    def without_own(self) -> str:
        """The prompt without the request's own words."""
        return self.positive.removesuffix(_OWN_WORDS + self.own) if self.own else self.positive

    @property
    def positive_parts(self) -> tuple[Fragment, ...]:
        """The prompt as a model reads it: its parts with their weights."""
        own = Fragment(_OWN_WORDS, 1.0), *read_weights(self.own).fragments
        return joined((*self.parts_without_own, *(own if self.own else ())))

    @property
    def parts_without_own(self) -> tuple[Fragment, ...]:
        """The same without the request's own words."""
        before, mix, after = self.without_own.partition(self.mix) if self.mix else (self.without_own, "", "")
        worded = read_weights(f"{before}{COLORS_PLACE if mix else ''}{after}").fragments
        return tuple(Fragment(text.replace(COLORS_PLACE, mix), weight) for text, weight in worded)

    @property
    def negative_parts(self) -> tuple[Fragment, ...]:
        """The negative prompt as a model reads it."""
        return read_weights(self.negative).fragments


class Length(NamedTuple):
    """How long a text is for the text encoders.

    Attributes:
        tokens: Without start and end, by the tokenizer that cuts it into the most.
        chunks: How often the encoders read TOKEN_LIMIT tokens for it, start and end included.
    """

    tokens: int
    chunks: int


def build_prompt(mix: Mix, negative: str, template: str = DEFAULT_TEMPLATE, own: str = "") -> Prompt:
    """Write the mix in the palette's prompt words, in its order, in whole percentages.

    Args:
        mix: The mix.
        negative: The negative prompt.
        template: The name of a wording in `TEMPLATES`.
        own: Words to be added at the end; empty for none.
    """
    colors = ", ".join(
        f"{percent}% {color.prompt_word}" for percent, color in zip(percentages(mix), mix, strict=True)
    )
    worded = TEMPLATES[template].filled(colors)
    return Prompt(f"{worded}{_OWN_WORDS}{own}" if own else worded, negative, own, colors)


def check_prompt(
    prompt: Prompt,
    length_of: Callable[[tuple[Fragment, ...]], Length],
    most: int = MAX_CHUNKS,
    *,
    reads_weights: bool = True,
) -> None:
    """Refuse a prompt that takes more chunks than `most`, and one with weights for a model that reads none.

    Args:
        prompt: The prompt and the negative prompt.
        length_of: The length of a text for the text encoders.
        most: The most chunks of each.
        reads_weights: Whether the model takes weights.

    Raises:
        RequestError: The prompt, the negative prompt or both cannot be read, with the number of tokens.
    """
    problems = list(_too_long(prompt, length_of, most))
    if not reads_weights:
        given = {
            "overrides.prompt": (prompt.own, prompt.positive_parts),
            "overrides.negative_prompt": (prompt.negative, prompt.negative_parts),
        }
        problems += [
            Problem(field, shown(text), "has weights, which this base model does not read", NO_WEIGHTS)
            for field, (text, parts) in given.items()
            if is_weighted(parts)
        ]
    if problems:
        raise RequestError(problems)


def _too_long(
    prompt: Prompt, length_of: Callable[[tuple[Fragment, ...]], Length], most: int
) -> Iterator[Problem]:
    allowed = f"at most {most * (TOKEN_LIMIT - 2)} tokens in {most} chunk{'s' if most > 1 else ''}"

    def reason(length: Length) -> str:
        return f"makes a prompt of {length.tokens} tokens in {length.chunks} chunks"

    whole, bare = length_of(prompt.positive_parts), length_of(prompt.parts_without_own)
    if bare.chunks > most:
        yield Problem("colors", shown(prompt.without_own), reason(bare), allowed)
    elif whole.chunks > most:
        taken = f"{allowed}, of which template and mix take {bare.tokens} tokens"
        yield Problem("overrides.prompt", shown(prompt.own), reason(whole), taken)
    negative = length_of(prompt.negative_parts)
    if negative.chunks > most:
        yield Problem("overrides.negative_prompt", shown(prompt.negative), reason(negative), allowed)
