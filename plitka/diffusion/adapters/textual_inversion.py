"""Textual inversion: words with vectors of their own, one for each text encoder of the base model."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from plitka.diffusion.families.family import Family
from plitka.diffusion.families.known import family_of
from plitka.errors import ModelFileError, remedied
from plitka.weights.adapter_files import REPLICATE_NAMES
from plitka.weights.files import read_header
from plitka.weights.safetensors_header import TensorHeader

REMEDY = "Use the embeddings that were trained for this base model (see model_files/README.md)."
TOKEN_REMEDY = "Call them otherwise in the manifest's 'tokens': <s0>, <s1> and so on always work."


@dataclass(frozen=True)
class Words:
    """What a prompt says for the vectors of a file, and what reads it.

    Attributes:
        tokens: What the vectors are called; empty without any.
        trigger: The word that stands before them.
        tokenizers: By the names of the pipeline's components: those that know these tokens.
        vectors: By the encoder's name, (n, its width), on the CPU.
    """

    tokens: tuple[str, ...]
    trigger: str
    tokenizers: Mapping[str, Any]
    vectors: Mapping[str, torch.Tensor]

    def count_tokens(self, text: str) -> int:
        """The length of a text, start and end included, by the tokenizer that cuts it into the most."""
        return max(len(tokenizer(text)["input_ids"]) for tokenizer in self.tokenizers.values())


def token_names(count: int) -> tuple[str, ...]:
    """The tokens of `count` vectors: `<s0>`, `<s1>` and so on."""
    return tuple(f"<s{index}>" for index in range(count))


@remedied(REMEDY)
def load_textual_inversion(
    pipeline: Any, path: Path, tokens: tuple[str, ...] = (), header: TensorHeader | None = None
) -> tuple[str, ...]:
    """Add the vectors of a file to the text encoders; returns the tokens they stand for.

    `tokens` names them; without it they are `<s0>`, `<s1>` and so on. `header` is the file's where it has
    been read already.

    For two encoders the file has `clip_l` (n, width of the first) and `clip_g` (n, width of the second), or
    both under the names of Replicate's trainer; for one it has one tensor of any name, (n, width) or (width,)
    for a single vector. Any n and any floating-point format. Raises ModelFileError if it does not, says so if
    the two are swapped, and for tokens that the tokenizers would misread.
    """
    vectors = _read(family_of(pipeline), path, header or read_header(path))
    _check_shapes(pipeline, path, vectors)
    count = len(next(iter(vectors.values())))
    tokens = tokens or token_names(count)
    if len(tokens) != count:
        raise ModelFileError(path, f"it holds {count} vectors for {len(tokens)} tokens")
    _check_tokens(tokenizers_of(pipeline), path, tokens)
    for part in family_of(pipeline).text_encoders:
        name, tokenizer, encoder = (
            part.vectors,
            getattr(pipeline, part.tokenizer),
            getattr(pipeline, part.name),
        )
        # diffusers would have the new rows drawn from the distribution of the old ones, which takes seconds,
        # and then overwrite them.
        encoder.resize_token_embeddings(len(tokenizer) + count, mean_resizing=False)
        pipeline.load_textual_inversion(
            vectors[name], token=list(tokens), tokenizer=tokenizer, text_encoder=encoder
        )
        rows = encoder.get_input_embeddings().weight[tokenizer.convert_tokens_to_ids(list(tokens))]
        if not torch.equal(rows.detach().cpu(), vectors[name].to(rows.dtype)):
            raise ModelFileError(path, f"'{name}' did not arrive in {part.name}")
        _check_reading(tokenizer, path, tokens)
    return tokens


def tokenizers_of(pipeline: Any) -> dict[str, Any]:
    """The tokenizers by their names."""
    names = [encoder.tokenizer for encoder in family_of(pipeline).text_encoders]
    return {name: getattr(pipeline, name) for name in names}


@remedied(REMEDY)
def read_words(
    pipeline: Any,
    path: Path,
    header: TensorHeader | None,
    tokens: tuple[str, ...] | None,
    trigger: str,
    plain: Mapping[str, Any],
    known: dict[tuple[str, ...], Mapping[str, Any]],
) -> Words:
    """Read a file as `load_textual_inversion` does, and leave the pipeline as it is.

    `plain` are tokenizers without tokens of any embeddings; `known` keeps those that were made for tokens of
    the same names. Raises what `load_textual_inversion` raises.
    """
    vectors = _read(family_of(pipeline), path, header or read_header(path))
    _check_shapes(pipeline, path, vectors)
    count = len(next(iter(vectors.values())))
    tokens = token_names(count) if tokens is None else tokens
    if len(tokens) != count:
        raise ModelFileError(path, f"it holds {count} vectors for {len(tokens)} tokens")
    if tokens not in known:
        _check_tokens(plain, path, tokens)
        known[tokens] = with_tokens(plain, tokens)
        for tokenizer in known[tokens].values():
            _check_reading(tokenizer, path, tokens)
    by_encoder = {encoder.name: vectors[encoder.vectors] for encoder in family_of(pipeline).text_encoders}
    return Words(tokens, trigger, known[tokens], by_encoder)


def with_tokens(plain: Mapping[str, Any], tokens: tuple[str, ...]) -> dict[str, Any]:
    """Copies of the tokenizers that know these tokens too, with the numbers after those of all others."""
    copies = copy.deepcopy(dict(plain))
    for tokenizer in copies.values():
        tokenizer.add_tokens(list(tokens))
    return copies


@remedied(TOKEN_REMEDY)
def _check_reading(tokenizer: Any, path: Path, tokens: tuple[str, ...]) -> None:
    if (found := tokenizer.tokenize("".join(tokens))) != list(tokens):
        problem = f"its tokens {', '.join(tokens)[:80]} are read as {', '.join(found)[:80]}"
        raise ModelFileError(path, problem)


def _read(family: Family, path: Path, header: TensorHeader) -> dict[str, torch.Tensor]:
    """The vectors by the names used here, whatever the trainer has called them."""
    encoders, names = family.text_encoders, set(header.tensors)
    is_for_one = len(names) == 1
    if is_for_one and len(encoders) == 1:
        vectors = next(iter(load_file(path).values()))
        return {encoders[0].vectors: vectors[None] if vectors.ndim == 1 else vectors}
    if len(encoders) == 2 and names in (set(REPLICATE_NAMES.values()), set(REPLICATE_NAMES)):
        return {REPLICATE_NAMES.get(name, name): vectors for name, vectors in load_file(path).items()}
    raise ModelFileError(path, f"it holds {sorted(names)} {_wanted(family, is_for_one)}")


def _wanted(family: Family, is_for_one: bool) -> str:
    """What a family takes, where a file has something else."""
    if not family.text_encoders:
        return f"and {family.title} takes no embeddings"
    if len(family.text_encoders) == 1:
        return f"instead of one table of vectors for the text encoder of {family.title}, such as emb_params"
    of_one = (
        ": that is for one of the two text encoders only, as Stable Diffusion 1.5 has it"
        if is_for_one
        else ""
    )
    return f"instead of clip_l and clip_g{of_one}"


@remedied(TOKEN_REMEDY)
def _check_tokens(tokenizers: Mapping[str, Any], path: Path, tokens: tuple[str, ...]) -> None:
    """Refuse names that the tokenizers would confuse with each other or with words of their vocabulary."""
    if twice := next((token for token in tokens if tokens.count(token) > 1), None):
        raise ModelFileError(path, f"two of its vectors are called '{twice}'")
    for token in tokens:
        if not token or token != token.strip() or any(character.isspace() for character in token):
            raise ModelFileError(path, f"a token cannot be called '{token[:60]}'")
        if other := next((one for one in tokens if one != token and token in one), None):
            raise ModelFileError(path, f"its token '{token[:60]}' is a part of '{other[:60]}'")
        for name, tokenizer in tokenizers.items():
            vocabulary = tokenizer.get_vocab()
            if token in vocabulary or f"{token}</w>" in vocabulary:
                problem = f"its token '{token[:60]}' is already a word of the {name}"
                raise ModelFileError(path, problem)


def _check_shapes(pipeline: Any, path: Path, vectors: dict[str, torch.Tensor]) -> None:
    widths = {
        encoder.vectors: getattr(pipeline, encoder.name).get_input_embeddings().weight.shape[1]
        for encoder in family_of(pipeline).text_encoders
    }
    shapes = {name: tuple(vectors[name].shape) for name in widths}
    count = len(next(iter(vectors.values())))
    expected = {name: (count, width) for name, width in widths.items()}
    if shapes != expected or count == 0:
        ends = [shape[-1:] for shape in shapes.values()]
        swapped = ends == [(width,) for width in reversed(widths.values())] != [*reversed(ends)]
        hint = "; clip_l and clip_g are swapped" if swapped else ""
        raise ModelFileError(path, f"its shapes are {shapes}, the encoders take {expected}{hint}")
    if not all(torch.isfinite(vector).all() for vector in vectors.values()):
        raise ModelFileError(path, "its vectors are not all finite numbers")
