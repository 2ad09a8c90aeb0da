"""Room for embeddings in a prompt: what the longest mix of named colours leaves of CLIP's context."""

from collections.abc import Callable

from plitka.colors.palette import palette_in_use
from plitka.errors import ModelFileError
from plitka.request.fields import MAX_COLORS
from plitka.request.prompt import STYLE, TOKEN_LIMIT, TRIGGER

# Of a prompt's beginning: the word, and the tokens for the embeddings as it is built for two vectors.
TRIGGER_WORD, _, TRIGGER_TOKENS = TRIGGER.partition(" ")
REMEDY = "Use embeddings with fewer vectors: each of them is one token of every prompt."


def check_prompt_room(
    path: str, vectors: int, count_tokens: Callable[[str], int], trigger: str = TRIGGER_WORD
) -> None:
    """Raise ModelFileError if the vectors leave no room for a mix of MAX_COLORS colours by name.

    `count_tokens` gives the length of a text, start and end included, as the text encoders read it; `trigger`
    is the word that stands before them.
    """
    words = sorted((color.prompt_word for color in palette_in_use().values()), key=count_tokens)[-MAX_COLORS:]
    # The longest share that any of eight colours can have beside the others has two digits.
    mix = ", ".join(f"10% {word}" for word in words)
    longest = count_tokens(f"{trigger}, {mix}, {STYLE}")
    room = TOKEN_LIMIT - longest
    if vectors > room:
        problem = (
            f"it holds {vectors} vectors, and the prompt has room for {max(room, 0)}: the encoders read "
            f"{TOKEN_LIMIT} tokens, and {MAX_COLORS} colours take {longest}"
        )
        raise ModelFileError(path, problem, REMEDY)
