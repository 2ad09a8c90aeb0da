"""Textual inversion for SDXL's two text encoders: words that the model was taught, one vector per encoder."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from plitka.weight_files import ModelFileError, read_tensor_header

REMEDY = "Use the embeddings that were trained for this base model (see model_files/README.md)."
# Tensor in the file, and the tokenizer and encoder it is for: CLIP-L is SDXL's first, CLIP-G its second.
ENCODERS = {"clip_l": ("tokenizer", "text_encoder"), "clip_g": ("tokenizer_2", "text_encoder_2")}


def token_names(count: int) -> tuple[str, ...]:
    """The tokens of `count` vectors: `<s0>`, `<s1>` and so on."""
    return tuple(f"<s{index}>" for index in range(count))


def load_textual_inversion(pipeline: Any, path: Path, tokens: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Teach both text encoders the vectors of a file; returns the tokens they stand for.

    `tokens` names them; without it they are `<s0>`, `<s1>` and so on.

    The file holds `clip_l` (n, width of the first encoder) and `clip_g` (n, width of the second), any n and
    any floating-point format. Raises ModelFileError if it does not, and says so if the two are swapped.
    """
    if (names := set(read_tensor_header(path, REMEDY))) != set(ENCODERS):
        raise ModelFileError(path, f"it holds {sorted(names)} instead of clip_l and clip_g", REMEDY)
    vectors = load_file(path)
    _check_shapes(pipeline, path, vectors)
    count = len(vectors["clip_l"])
    tokens = tokens or token_names(count)
    if len(tokens) != count:
        raise ModelFileError(path, f"it holds {count} vectors for {len(tokens)} tokens", REMEDY)
    for name, (tokenizer_name, encoder_name) in ENCODERS.items():
        tokenizer, encoder = getattr(pipeline, tokenizer_name), getattr(pipeline, encoder_name)
        # diffusers would have the new rows drawn from the distribution of the old ones, which takes seconds,
        # and then overwrite them.
        encoder.resize_token_embeddings(len(tokenizer) + count, mean_resizing=False)
        pipeline.load_textual_inversion(
            vectors[name], token=list(tokens), tokenizer=tokenizer, text_encoder=encoder
        )
        rows = encoder.get_input_embeddings().weight[tokenizer.convert_tokens_to_ids(list(tokens))]
        if not torch.equal(rows.detach().cpu(), vectors[name].to(rows.dtype)):
            raise ModelFileError(path, f"'{name}' did not arrive in {encoder_name}", REMEDY)
    return tokens


def _check_shapes(pipeline: Any, path: Path, vectors: dict[str, torch.Tensor]) -> None:
    widths = {
        name: getattr(pipeline, encoder).get_input_embeddings().weight.shape[1]
        for name, (_, encoder) in ENCODERS.items()
    }
    shapes = {name: tuple(vectors[name].shape) for name in ENCODERS}
    expected = {name: (len(vectors["clip_l"]), width) for name, width in widths.items()}
    if shapes != expected or shapes["clip_l"][0] == 0:
        swapped = [shape[-1:] for shape in shapes.values()] == [(widths["clip_g"],), (widths["clip_l"],)]
        hint = "; clip_l and clip_g are swapped" if swapped and widths["clip_l"] != widths["clip_g"] else ""
        raise ModelFileError(path, f"its shapes are {shapes}, the encoders take {expected}{hint}", REMEDY)
    if not all(torch.isfinite(vector).all() for vector in vectors.values()):
        raise ModelFileError(path, "its vectors are not all finite numbers", REMEDY)
