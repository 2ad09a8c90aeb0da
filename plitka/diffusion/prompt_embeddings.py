"""How a prompt becomes what the pipelines are given: the embeddings of its words, with their weights.

A prompt without weights that fits into one chunk is encoded by its pipeline. Every other one is encoded by
compel (https://github.com/damian0815/compel), encoder by encoder, from the fragments and weights that
`plitka.request.prompt_weights` has read; compel's own parser is not used. Its arithmetic: a token's embedding
z becomes e + w (z - e), e being that of the empty prompt at the same place; for each fragment of a weight w
below 1 the prompt is encoded once more with that fragment masked, and mixed in with tan((1 - w) π / 2) parts
to one. The pooled embedding has no weights, and is that of the first chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from plitka.diffusion.families.family import Family
from plitka.diffusion.recorded_forward import RecordedForward
from plitka.request.prompt import Length, Prompt
from plitka.request.prompt_weights import Fragment, is_weighted, plain_text

if TYPE_CHECKING:
    from compel import EmbeddingsProvider

# Start and end of a chunk.
_MARKS = 2


@torch.no_grad()
def prompt_embeddings(
    base: Any,
    family: Family,
    prompt: Prompt,
    device: torch.device,
    seed: int,
    on_step: Callable[[], object] = lambda: None,
) -> Mapping[str, torch.Tensor]:
    """Prompt and negative prompt by the names of the pipelines' arguments; `base` is ready to be called.

    Both have the same number of chunks: the shorter one is filled up with empty ones. `seed` is the
    request's, for a family whose first stage draws noise; `on_step` is called after each of its steps, and
    may end it by raising.
    """
    texts = prompt.positive_parts, prompt.negative_parts
    positive, negative = map(plain_text, texts)
    if family.embed is not None:
        return family.embed(base, Prompt(positive, negative), device, seed, on_step)
    tokenizers = {one.name: getattr(base, one.tokenizer) for one in family.text_encoders}
    if all(_is_usual(text, tokenizers, family.token_limit) for text in texts):
        given = base.encode_prompt(
            positive,
            negative_prompt=negative,
            device=device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=True,
        )
        # A pipeline without pooled embeddings gives None in their place, or nothing.
        return dict(zip(family.embeddings, given, strict=False))
    encoders = _encoders(base, family, device)
    embeddings = [*_weighted(encoders, texts)]
    if family.has_pooled_embedding:
        embeddings += [encoders[-1].pooled(text) for text in (positive, negative)]
    return dict(zip(family.embeddings, embeddings, strict=True))


def length_of(parts: Sequence[Fragment], tokenizers: Mapping[str, Any], limit: int) -> Length:
    """How long a text is, by the tokenizer that makes the most of it; `limit` is the length of a chunk."""
    lengths = [_length(parts, tokenizer, limit) for tokenizer in tokenizers.values()]
    return Length(max(one.tokens for one in lengths), max(one.chunks for one in lengths))


def _is_usual(parts: Sequence[Fragment], tokenizers: Mapping[str, Any], limit: int) -> bool:
    return not is_weighted(parts) and length_of(parts, tokenizers, limit).chunks == 1


def _length(parts: Sequence[Fragment], tokenizer: Any, limit: int) -> Length:
    texts = [text for text, _ in parts] if is_weighted(parts) else [plain_text(parts)]
    tokens = sum(len(tokenizer(text)["input_ids"]) - _MARKS for text in texts)
    if tokens + _MARKS <= limit:
        return Length(tokens, 1)
    provider = _provider(tokenizer, None, torch.device("cpu"), limit, penultimate=False)
    ids = provider.get_token_ids_and_expand_weights(texts, [1.0] * len(texts), "cpu")[0]
    return Length(tokens, len(ids) // limit)


class _Placed:
    """A text encoder that says where it computes, also while its weights wait elsewhere.

    Its work is not recorded: what it does with a mask depends on the mask.
    """

    def __init__(self, model: Any, device: torch.device) -> None:
        self.device, self.dtype = device, model.dtype
        self._run = model.forward.forward if isinstance(model.forward, RecordedForward) else model

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self._run(*given, **named)


class _Encoder(NamedTuple):
    """A tokenizer, compel's way through its text encoder, and where that computes."""

    tokenizer: Any
    provider: EmbeddingsProvider
    device: torch.device

    def embedded(self, parts: Sequence[Fragment]) -> torch.Tensor:
        """(1, chunks * tokens of one, width)."""
        said = parts if is_weighted(parts) else [Fragment(plain_text(parts), 1.0)]
        # compel cannot mask what has no tokens.
        said = [one for one in said if len(self.tokenizer(one.text)["input_ids"]) > _MARKS]
        texts, weights = zip(*(said or [Fragment("", 1.0)]), strict=True)
        encode = self.provider.get_embeddings_for_weighted_prompt_fragments
        found: torch.Tensor = encode([list(texts)], [list(weights)], device=self.device)
        return found

    def pooled(self, text: str) -> torch.Tensor:
        """(1, width): the embedding of the text as a whole."""
        found: torch.Tensor = self.provider.get_pooled_embeddings([text], device=self.device)
        return found


def _encoders(base: Any, family: Family, device: torch.device) -> list[_Encoder]:
    encoders = []
    for one in family.text_encoders:
        tokenizer, model = getattr(base, one.tokenizer), _Placed(getattr(base, one.name), device)
        provider = _provider(tokenizer, model, device, family.token_limit, penultimate=one.penultimate)
        encoders.append(_Encoder(tokenizer, provider, device))
    return encoders


def _provider(
    tokenizer: Any, model: _Placed | None, device: torch.device, limit: int, *, penultimate: bool
) -> EmbeddingsProvider:
    # It imports pipelines that nothing else here needs: half a second that most requests do without.
    from compel import EmbeddingsProvider, ReturnedEmbeddingsType, SplitLongTextMode

    layers = ReturnedEmbeddingsType
    return EmbeddingsProvider(
        tokenizer,
        model,
        truncate=False,
        returned_embeddings_type=(
            layers.PENULTIMATE_HIDDEN_STATES_NON_NORMALIZED
            if penultimate
            else layers.LAST_HIDDEN_STATES_NORMALIZED
        ),
        device=device,
        split_long_text_mode=SplitLongTextMode.PHRASES,
        model_max_length=limit,
    )


def _weighted(encoders: Sequence[_Encoder], texts: Sequence[Sequence[Fragment]]) -> list[torch.Tensor]:
    """(1, chunks * tokens of one, width of all encoders) for each text, all as long as the longest."""
    by_encoder = [[encoder.embedded(text) for text in texts] for encoder in encoders]
    longest = max(one.shape[1] for ones in by_encoder for one in ones)
    whole = []
    for ones in zip(*by_encoder, strict=True):
        filled = [
            _filled(one, encoder.provider.empty_z, longest)
            for one, encoder in zip(ones, encoders, strict=True)
        ]
        whole.append(torch.cat(filled, dim=-1))
    return whole


def _filled(embedding: torch.Tensor, empty: torch.Tensor, length: int) -> torch.Tensor:
    missing = (length - embedding.shape[1]) // empty.shape[1]
    return torch.cat([embedding, *[empty] * missing], dim=1)
