"""What training pictures are called: the mix in the production prompt's words, wrapped in a style.

The production prompt without its learned tokens means terrazzo: a base model knows nothing of pressed rubber
crumb. Only the adapters teach it what `<s0><s1>` looks like.
"""

from collections.abc import Sequence

import numpy as np

from plitka.colors.mix import percentages
from plitka.request.prompt import DEFAULT_NEGATIVE_PROMPT, STYLE, TRIGGER
from training.data import Style, mix_of

# The production prompt's first word without the learned tokens.
BARE_TRIGGER = TRIGGER.partition(" ")[0]
WRAPPINGS: dict[Style, tuple[str, ...]] = {
    "crumb": (f"{TRIGGER}, {{mix}}, {STYLE}",),
    "pebbles": ("polished pebbles, {mix}, smooth river stones", "{mix}, polished pebbles", "pebbles, {mix}"),
    "terrazzo": (
        "terrazzo, {mix}, flat chips in cement",
        "{mix}",
        f"{BARE_TRIGGER}, {{mix}}, {STYLE}",
        f"{BARE_TRIGGER} , {{mix}}, {STYLE}",
    ),
}
# What the text encoders read when they should say nothing of a mix.
EMPTY = ("", DEFAULT_NEGATIVE_PROMPT)


def mix_words(words: Sequence[str], shares: Sequence[float]) -> str:
    """`60% red, 40% blue` of prompt words and shares; colours of one word are added, tiny ones left out."""
    merged: dict[str, float] = {}
    for word, share in zip(words, shares, strict=True):
        if share >= 0.005:
            merged[word] = merged.get(word, 0) + share
    percent = whole_percentages(list(merged.values()))
    return ", ".join(f"{part}% {word}" for part, word in zip(percent, merged, strict=True))


def whole_percentages(shares: Sequence[float]) -> tuple[int, ...]:
    """Shares as the production prompt rounds them, after dividing by their sum."""
    total = sum(shares)
    return percentages(mix_of(["BLACK"] * len(shares), [share / total for share in shares]))


def caption(style: Style, mix: str, rng: np.random.Generator) -> str:
    """One of the ways to ask for a mix in a style."""
    return str(rng.choice(WRAPPINGS[style])).format(mix=mix)
