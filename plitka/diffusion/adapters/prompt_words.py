"""A prompt with an adapter's own trigger and tokens, in place of those that it was built with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from plitka.diffusion.adapters.prompt_budget import TRIGGER_TOKENS, TRIGGER_WORD
from plitka.request.prompt import Prompt
from plitka.request.prompt_weights import escaped

if TYPE_CHECKING:
    from plitka.diffusion.adapters.textual_inversion import Words

_TRIGGER = re.compile(f"{re.escape(TRIGGER_TOKENS)}|{re.escape(TRIGGER_WORD)}")


def with_words(prompt: Prompt, words: Words) -> Prompt:
    """The prompt with these words: their trigger, and as many tokens as they have, or none."""
    tokens = "".join(words.tokens)

    # Whatever they are called, they have no weights of their own.
    put = {TRIGGER_TOKENS: escaped(tokens), TRIGGER_WORD: escaped(words.trigger)}

    # In one pass: a token may be called like the word.
    def said(text: str) -> str:
        return _TRIGGER.sub(lambda found: put[found[0]], text)

    # Without embeddings a template that begins with their tokens would begin with a comma.
    positive, own, mix = said(prompt.positive), said(prompt.own), said(prompt.mix)
    return Prompt(positive.removeprefix(", "), prompt.negative, own, mix)
