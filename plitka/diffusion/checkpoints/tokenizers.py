"""Whether the tokenizers of a base model are there and are those of its text encoders.

transformers makes a tokenizer of whatever files it finds: without a vocabulary one that knows no word, and
without settings one that takes texts of any length.
"""

from typing import Any

from plitka.diffusion.families.family import Family
from plitka.errors import ModelFileError

# What a prompt is made of: figures, a sign, words of colours.
TRIED_TEXT = "60% red, 40% dark green"


def check_tokenizers(base: Any, where: str, family: Family) -> None:
    """Raise ModelFileError for a tokenizer that is missing, broken or made for another text encoder.

    `base` is a pipeline with tokenizers and text encoders; `where` is what their model is called.
    """
    for encoder in family.text_encoders:
        tokenizer, model = getattr(base, encoder.tokenizer), getattr(base, encoder.name)
        if problem := tokenizer_problem(tokenizer, model.config):
            raise ModelFileError(f"{where}/{encoder.tokenizer}", problem)


def tokenizer_problem(tokenizer: Any, config: Any) -> str | None:
    """What is wrong with a tokenizer for the text encoder of this configuration; None if nothing is."""
    tokens = tokenizer(TRIED_TEXT)["input_ids"]
    spelled = tokenizer.decode(tokens, skip_special_tokens=True)
    if spelled.replace(" ", "") != TRIED_TEXT.replace(" ", ""):
        return f"this tokenizer has no words for '{TRIED_TEXT}'; its vocabulary is missing or another"
    if max(tokens) >= config.vocab_size:
        return f"this tokenizer has token {max(tokens)}, and its text encoder {config.vocab_size} of them"
    if tokenizer.model_max_length != config.max_position_embeddings:
        longest = tokenizer.model_max_length
        said = f"is for texts of {longest} tokens" if longest < 10**6 else "takes texts of any length"
        return f"this tokenizer {said}, and its text encoder reads {config.max_position_embeddings} tokens"
    return None
