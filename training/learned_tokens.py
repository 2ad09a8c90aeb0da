"""Words that SDXL's two text encoders are to learn: one vector per word and encoder."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

# Tensor in the customer's file, tokenizer and encoder: CLIP-L is SDXL's first, CLIP-G its second.
ENCODERS = {"clip_l": ("tokenizer", "text_encoder"), "clip_g": ("tokenizer_2", "text_encoder_2")}


class _Embedding(nn.Module):
    """A frozen table of word vectors with trainable rows after its end."""

    def __init__(self, table: nn.Embedding, learned: nn.Parameter) -> None:
        super().__init__()
        self.table, self.learned = table, learned

    @property
    def weight(self) -> torch.Tensor:
        """The frozen rows, as transformers asks for them."""
        return self.table.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """(n, length) ids to (n, length, width)."""
        known = len(self.table.weight)
        vectors: torch.Tensor = self.table(ids.clamp(max=known - 1))
        learned = self.learned[(ids - known).clamp(min=0)].to(vectors.dtype)
        return torch.where((ids >= known)[..., None], learned, vectors)


class LearnedTokens:
    """New words in both tokenizers and encoders of an SDXL pipeline; `vectors` are what is trained."""

    def __init__(self, pipeline: Any, init_words: str, tokens: Sequence[str]) -> None:
        """Add the tokens, each starting as the mean vector of `init_words`.

        Raises ValueError if a tokenizer knows one of them already.
        """
        self._pipeline = pipeline
        self.vectors = nn.ParameterDict()
        for name, (tokenizer_name, encoder_name) in ENCODERS.items():
            tokenizer, encoder = getattr(pipeline, tokenizer_name), getattr(pipeline, encoder_name)
            table = encoder.get_input_embeddings()
            if tokenizer.add_tokens(list(tokens)) != len(tokens):
                raise ValueError(f"{tokenizer_name}: it knows some of the tokens {', '.join(tokens)} already")
            ids = tokenizer(init_words, add_special_tokens=False, return_tensors="pt")["input_ids"][0]
            start = table.weight[ids.to(table.weight.device)].mean(0).detach().float()
            noise = 0.1 * start.std() * torch.randn(len(tokens), len(start), device=start.device)
            self.vectors[name] = nn.Parameter(start + noise)
            encoder.set_input_embeddings(_Embedding(table, self.vectors[name]))

    def encode(self, captions: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, length, width) states of both encoders and (n, projection) pooled, as the UNet reads them."""
        states, pooled = [], None
        for tokenizer_name, encoder_name in ENCODERS.values():
            tokenizer = getattr(self._pipeline, tokenizer_name)
            encoder = getattr(self._pipeline, encoder_name)
            tokens = tokenizer(
                list(captions),
                padding="max_length",
                truncation=True,
                max_length=tokenizer.model_max_length,
                return_tensors="pt",
            )
            device = self.vectors["clip_l"].device
            said = encoder(tokens["input_ids"].to(device), output_hidden_states=True)
            states.append(said.hidden_states[-2])
            pooled = said[0]
        if pooled is None:
            raise RuntimeError("there is no text encoder")
        return torch.cat(states, -1), pooled

    def state(self) -> dict[str, torch.Tensor]:
        """`clip_l` and `clip_g` as they are stored, bfloat16."""
        return {name: vector.detach().to("cpu", torch.bfloat16) for name, vector in self.vectors.items()}

    @torch.no_grad()
    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Begin with stored vectors. Raises ValueError if there are others than those to be learned."""
        for name, vector in self.vectors.items():
            if name not in state or state[name].shape != vector.shape:
                raise ValueError(f"the embeddings have no {name} of the shape {tuple(vector.shape)}")
            vector.copy_(state[name])
