"""The words given to the model: prompt, negative prompt, and the check that CLIP can read all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from plitka.colors.mix import Mix, percentages
from plitka.errors import Problem, RequestError, shown
from plitka.request.prompt_templates import DEFAULT_TEMPLATE, TEMPLATES

# The tokens that the LoRA and the textual inversion were trained with.
TRIGGER = "ohwx_rubber_tile <s0><s1>"
STYLE = "photorealistic rubber tile, high quality, detailed texture"
DEFAULT_NEGATIVE_PROMPT = (
    "object, blurry, worst quality, low quality, deformed, watermark, 3d render, cartoon, abstract, "
    "smooth, flat"
)
# CLIP's context, start and end token included.
TOKEN_LIMIT = 77
# What stands between a template and a request's own words.
_OWN_WORDS = ", "


@dataclass(frozen=True)
class Prompt:
    """What the picture should show and what it should not.

    Attributes:
        positive: The whole prompt: the template with the mix in it, then the request's own words.
        negative: The negative prompt.
        own: The request's own words, with which `positive` ends; empty without any.
    """

    positive: str
    negative: str
    own: str = ""

    @property
    def without_own(self) -> str:
        """The prompt without the request's own words."""
        return self.positive.removesuffix(_OWN_WORDS + self.own) if self.own else self.positive


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
    return Prompt(f"{worded}{_OWN_WORDS}{own}" if own else worded, negative, own)


def check_token_budget(prompt: Prompt, count_tokens: Callable[[str], int], limit: int = TOKEN_LIMIT) -> None:
    """Refuse a prompt that the text encoders would cut off.

    Args:
        prompt: The prompt and the negative prompt.
        count_tokens: Length of a text in tokens, start and end token included, by the tokenizer that cuts
            it into the most.
        limit: The most tokens that the text encoders read.

    Raises:
        RequestError: The prompt, the negative prompt or both are longer, with the number of tokens.
    """
    problems = list(_too_long(prompt, count_tokens, limit))
    if problems:
        raise RequestError(problems)


def _too_long(prompt: Prompt, count_tokens: Callable[[str], int], limit: int) -> Iterator[Problem]:
    allowed = f"at most {limit} tokens, start and end included"
    whole, bare = count_tokens(prompt.positive), count_tokens(prompt.without_own)
    if bare > limit:
        yield Problem("colors", shown(prompt.without_own), f"makes a prompt of {bare} tokens", allowed)
    elif whole > limit:
        reason = f"makes a prompt of {whole} tokens, {whole - limit} too many"
        yield Problem(
            "overrides.prompt",
            shown(prompt.own),
            reason,
            f"{allowed}, of which template and mix take {bare}",
        )
    negative = count_tokens(prompt.negative)
    if negative > limit:
        yield Problem(
            "overrides.negative_prompt",
            shown(prompt.negative),
            f"makes a prompt of {negative} tokens",
            allowed,
        )
