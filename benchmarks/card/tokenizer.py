"""A CLIP tokenizer that knows the words of our prompts, in the files and the size that SDXL's has."""

import itertools
import json
import re
from collections.abc import Mapping
from pathlib import Path

from tokenizers import pre_tokenizers

from plitka.colors.palette import PALETTE
from plitka.request.prompt import DEFAULT_NEGATIVE_PROMPT, STYLE, TRIGGER

WORD = re.compile(r"[a-z]+|\d|[^\sa-z\d]+")
END_OF_WORD = "</w>"
SPECIAL = ("<|startoftext|>", "<|endoftext|>")


def write_tokenizer(folder: Path, vocabulary: int) -> None:
    """Write `vocab.json`, `merges.txt` and `tokenizer_config.json` with `vocabulary` entries.

    Every word of our prompts is one token; the rest of the entries stand for nothing. Start and end have the
    last two numbers, as in CLIP.
    """
    texts = [TRIGGER, STYLE, DEFAULT_NEGATIVE_PROMPT, *(color.prompt_word for color in PALETTE.values())]
    merges: dict[tuple[str, str], int] = {}
    for word in dict.fromkeys(WORD.findall(" ".join(texts).lower())):
        # Later merges are applied last, so none of them takes an earlier word apart.
        pieces = _pieces(word, merges)
        for end in range(1, len(pieces)):
            merges.setdefault(("".join(pieces[:end]), pieces[end]), len(merges))
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    known = [*letters, *(letter + END_OF_WORD for letter in letters), *("".join(pair) for pair in merges)]
    known = list(dict.fromkeys(known))
    fillers = [f"<{number}>" for number in range(vocabulary - len(known) - len(SPECIAL))]
    entries = [*known, *fillers, *SPECIAL]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({entry: number for number, entry in enumerate(entries)}))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "pad_token": SPECIAL[1]}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def _pieces(word: str, merges: Mapping[tuple[str, str], int]) -> list[str]:
    """What byte-pair encoding makes of a word: the earliest merge first, wherever it applies."""
    pieces = [*word[:-1], word[-1] + END_OF_WORD]
    while found := [pair for pair in itertools.pairwise(pieces) if pair in merges]:
        first = min(found, key=merges.__getitem__)
        place = list(itertools.pairwise(pieces)).index(first)
        pieces[place : place + 2] = ["".join(first)]
    return pieces
