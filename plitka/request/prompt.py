"""The words given to the model: prompt, negative prompt, and the check that CLIP can read all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from plitka.colors.mix import Mix, percentages
from plitka.errors import Problem, RequestError, shown

# The tokens that the LoRA and the textual inversion were trained with.
TRIGGER = "ohwx_rubber_tile <s0><s1>"
STYLE = "photorealistic rubber tile, high quality, detailed texture"
DEFAULT_NEGATIVE_PROMPT = (
    "object, blurry, worst quality, low quality, deformed, watermark, 3d render, cartoon, abstract, "
    "smooth, flat"
)
# CLIP's context, start and end token included.
TOKEN_LIMIT = 77


@dataclass(frozen=True)
class Prompt:
    """What the picture should show and what it should not."""

    positive: str
    negative: str


def build_prompt(mix: Mix, negative: str) -> Prompt:
    """Write the mix in the palette's prompt words, in its order, in whole percentages."""
    colors = ", ".join(
        f"{percent}% {color.prompt_word}" for percent, color in zip(percentages(mix), mix, strict=True)
    )
    return Prompt(positive=f"{TRIGGER}, {colors}, {STYLE}", negative=negative)


def check_token_budget(prompt: Prompt, count_tokens: Callable[[str], int], limit: int = TOKEN_LIMIT) -> None:
    """Refuse a prompt that the text encoders would cut off.

    Args:
        prompt: The prompt and the negative prompt.
        count_tokens: Length of a text in tokens, start and end token included, by the tokenizer that cuts
            it into the most.
        limit: The most tokens that the text encoders read.

    Raises:
        RequestError: The prompt, the negative prompt or both are longer.
    """
    problems = []
    for field, text in (("colors", prompt.positive), ("overrides.negative_prompt", prompt.negative)):
        tokens = count_tokens(text)
        if tokens > limit:
            reason = f"makes a prompt of {tokens} tokens"
            problems.append(
                Problem(field, shown(text), reason, f"at most {limit} tokens, start and end included")
            )
    if problems:
        raise RequestError(problems)
