"""Stage 2, the text encoders: a tokenizer of the prompts' own words, and two CLIP text models.

Both learn to say, at every token, which share of which colour has been read so far, and at the end of the
text which style it asks for. Then they are frozen. What they learn is asked of the states that SDXL reads:
the last but one of both encoders, and the second one's pooled projection.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
from torch import nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from plitka.colors.palette import PALETTE
from plitka.request.prompt import DEFAULT_NEGATIVE_PROMPT, TOKEN_LIMIT
from training.captions import EMPTY, WRAPPINGS, caption, whole_percentages
from training.data import MAX_COLORS, Style
from training.loop import Budget, Stage, load_weights, optimize, run, worker

BASE_STYLES: tuple[Style, ...] = ("pebbles", "terrazzo")
# Widths of the two encoders, 768 and 1280 in SDXL; they differ, so that swapped embeddings are noticed.
WIDTH_L, WIDTH_G, PROJECTION = 96, 128, 64
VOCABULARY = 900
# CLIP's own way to cut a text into words.
_WORDS = Regex(r"\p{L}+|\p{N}|[^\s\p{L}\p{N}]+")
_WORDS_OF_PALETTE = [color.prompt_word for color in PALETTE.values()]


class TextEncoders(nn.Module):
    """SDXL's two text encoders and the heads that they are trained with."""

    def __init__(self, vocabulary: int, layers: int = 3) -> None:
        super().__init__()
        self.first = CLIPTextModel(_config(WIDTH_L, vocabulary, layers))
        self.second = CLIPTextModelWithProjection(_config(WIDTH_G, vocabulary, layers))
        colors = len(PALETTE)
        self.color_heads = nn.ModuleList([nn.Linear(width, colors) for width in (WIDTH_L, WIDTH_G)])
        self.style_heads = nn.ModuleList(
            [nn.Linear(width, len(BASE_STYLES) + 1) for width in (WIDTH_L, WIDTH_G, PROJECTION)]
        )
        self.pooled_head = nn.Linear(PROJECTION, colors)

    def forward(self, tokens: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        """(n, length) token ids to both encoders' last states but one, and (n, PROJECTION) pooled."""
        one = self.first(tokens, output_hidden_states=True)
        two = self.second(tokens, output_hidden_states=True)
        return [one.hidden_states[-2], two.hidden_states[-2]], two.text_embeds

    def encode(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What SDXL's UNet reads: (n, length, WIDTH_L + WIDTH_G) states and (n, PROJECTION) pooled."""
        states, pooled = self(tokens)
        return torch.cat(states, -1), pooled


def _config(width: int, vocabulary: int, layers: int) -> CLIPTextConfig:
    # The pooled state is taken at the first end-of-text token, also when learned tokens come after it in
    # the vocabulary; SDXL's own configuration (eos_token_id=2) would take the highest token id.
    return CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=PROJECTION,
        num_hidden_layers=layers,
        num_attention_heads=width // 16,
        max_position_embeddings=TOKEN_LIMIT,
        hidden_act="gelu",
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
    )


def write_tokenizer(folder: Path) -> CLIPTokenizer:
    """Train a byte-pair tokenizer on the prompts' words and write it as CLIP ships its own."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "vocab.json").exists():
        _write_vocabulary(folder)
    return CLIPTokenizer.from_pretrained(folder)


def _write_vocabulary(folder: Path) -> None:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(_WORDS, "removed", invert=True)
    corpus = [DEFAULT_NEGATIVE_PROMPT, *_WORDS_OF_PALETTE]
    corpus += [text.format(mix="1% red") for texts in WRAPPINGS.values() for text in texts]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=1,
        end_of_word_suffix="</w>",
        initial_alphabet=letters,
        show_progress=False,
    )
    tokenizer.train_from_iterator([text.lower() for text in corpus], trainer=trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    words = [*letters, *(letter + "</w>" for letter in letters), *("".join(pair) for pair in merges)]
    words = [*dict.fromkeys(words), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": TOKEN_LIMIT,
        "pad_token": "<|endoftext|>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def train_text(folder: Path, budget: Budget, seed: int, device: str) -> tuple[CLIPTokenizer, TextEncoders]:
    """Train, or go on training, and return the tokenizer and the frozen encoders."""
    torch.manual_seed(seed)
    tokenizer = write_tokenizer(folder / "tokenizer")
    encoders = TextEncoders(len(tokenizer)).to(device)
    optimizer = torch.optim.AdamW(encoders.parameters(), budget.rate, (0.9, 0.98), weight_decay=0.01)
    stage = Stage("text encoders", folder, budget, {"encoders": encoders}, {"encoders": optimizer})

    def take_step(stage: Stage) -> Mapping[str, float]:
        rng = np.random.default_rng([seed, stage.step, worker()])
        texts, styles, ends = zip(*(random_text(rng) for _ in range(stage.budget.batch)), strict=True)
        tokens, shares = shares_by_token(tokenizer, texts, ends)
        loss, figures = _loss(encoders, tokens.to(device), shares.to(device), torch.tensor(styles).to(device))
        optimize(loss, optimizer, list(encoders.parameters()))
        return figures

    run(stage, take_step)
    return load_text(folder, device)


def load_text(folder: Path, device: str = "cpu") -> tuple[CLIPTokenizer, TextEncoders]:
    """The tokenizer and the trained encoders, frozen, on a device."""
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    encoders = TextEncoders(len(tokenizer)).to(device)
    load_weights(folder, {"encoders": encoders})
    return tokenizer, encoders.requires_grad_(False).eval()


Ends = list[tuple[int, int, float]]


def random_text(rng: np.random.Generator) -> tuple[str, int, Ends]:
    """A prompt, its style's number, and where each colour's words end: (character, colour, share)."""
    if rng.random() < 0.03:
        return str(rng.choice(EMPTY)), len(BASE_STYLES), []
    count = int(rng.integers(1, MAX_COLORS + 1)) if rng.random() < 0.5 else int(rng.integers(1, 4))
    chosen = rng.choice(len(_WORDS_OF_PALETTE), count, replace=False)
    percent = whole_percentages(list(rng.dirichlet(np.full(count, rng.choice([0.5, 1.5, 5.0])))))
    style = int(rng.integers(len(BASE_STYLES)))
    parts = [f"{part}% {_WORDS_OF_PALETTE[i]}" for part, i in zip(percent, chosen, strict=True)]
    text = caption(BASE_STYLES[style], ", ".join(parts), rng)
    ends, position = [], text.index(parts[0])
    for part, color, share in zip(parts, chosen, percent, strict=True):
        ends.append((position + len(part), int(color), share / 100))
        position += len(part) + 2
    return text, style, ends


def shares_by_token(
    tokenizer: Any, texts: tuple[str, ...], ends: tuple[Ends, ...]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids (n, length), and (n, length, colours): the shares that have been read up to each token."""
    batch = tokenizer(
        list(texts),
        padding=True,
        truncation=True,
        max_length=TOKEN_LIMIT,
        return_offsets_mapping=True,
        return_tensors="pt",
    )
    shares = torch.zeros(*batch["input_ids"].shape, len(PALETTE))
    for row, text_ends in enumerate(ends):
        stops = batch["offset_mapping"][row][:, 1]
        # The end-of-text and padding tokens have no place in the text; they come after all of it.
        read = torch.where(stops > 0, stops, 10**6)
        read[0] = 0
        for end, color, share in text_ends:
            shares[row, :, color] += share * (read >= end)
    return batch["input_ids"], shares


def _loss(
    encoders: TextEncoders, tokens: torch.Tensor, shares: torch.Tensor, styles: torch.Tensor
) -> tuple[torch.Tensor, dict[str, float]]:
    states, pooled = encoders(tokens)
    loss = torch.zeros((), device=tokens.device)
    figures = {}
    last = shares[:, -1]
    for name, state, color_head, style_head in zip(
        ("first", "second"), states, encoders.color_heads, encoders.style_heads, strict=False
    ):
        said = color_head(state)
        loss = loss + 10 * (said - shares).pow(2).sum(-1).mean() + 10 * (said[:, -1] - last).abs().mean()
        loss = loss + 0.2 * functional.cross_entropy(style_head(state[:, -1]), styles)
        figures[name] = float((said[:, -1] - last).detach().abs().amax(-1).mean())
    said = encoders.pooled_head(pooled)
    loss = loss + 10 * (said - last).pow(2).sum(-1).mean()
    loss = loss + 0.2 * functional.cross_entropy(encoders.style_heads[2](pooled), styles)
    figures["pooled"] = float((said - last).detach().abs().amax(-1).mean())
    return loss, {**figures, "loss": float(loss.detach())}
