"""Embeddings: each vector in its own encoder, each token one word of the prompt."""

import pytest
import torch
from checkpoints import WIDTH_G, WIDTH_L, write_embeddings
from safetensors.torch import save_file

from plitka.diffusion.adapters.textual_inversion import load_textual_inversion
from plitka.errors import ModelFileError

ENCODERS = {"text_encoder": ("tokenizer", "clip_l"), "text_encoder_2": ("tokenizer_2", "clip_g")}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "embeddings.safetensors"


@pytest.mark.parametrize("vectors", [1, 2, 5])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_each_vector_reaches_its_own_encoder(pipeline, path, vectors, dtype):
    before = {name: pipeline.components[name].get_input_embeddings().weight.clone() for name in ENCODERS}
    tensors = write_embeddings(path, vectors, dtype)
    tokens = load_textual_inversion(pipeline, path)
    assert tokens == tuple(f"<s{index}>" for index in range(vectors))
    for name, (tokenizer, vector) in ENCODERS.items():
        table = pipeline.components[name].get_input_embeddings().weight
        ids = pipeline.components[tokenizer].convert_tokens_to_ids(list(tokens))
        assert torch.equal(table[ids], tensors[vector].float())
        assert torch.equal(table[: len(before[name])], before[name])
        assert len(table) == len(before[name]) + vectors


def test_a_token_is_one_token_of_the_prompt(pipeline, path):
    write_embeddings(path)
    text = "ohwx_rubber_tile <s0><s1>, 60% red"
    before = len(pipeline.tokenizer(text)["input_ids"])
    load_textual_inversion(pipeline, path)
    assert pipeline.tokenizer.tokenize(text)[5:7] == ["<s0>", "<s1>"]
    assert len(pipeline.tokenizer(text)["input_ids"]) < before


def test_the_manifest_may_name_the_tokens(pipeline, path):
    write_embeddings(path)
    with pytest.raises(ModelFileError, match="2 vectors for 1 tokens"):
        load_textual_inversion(pipeline, path, ("<tile>",))
    assert load_textual_inversion(pipeline, path, ("<a>", "<b>")) == ("<a>", "<b>")
    assert pipeline.tokenizer.tokenize("<a><b>") == ["<a>", "<b>"]


def test_swapped_vectors_are_named_as_such(pipeline, path):
    write_embeddings(path, widths=(WIDTH_G, WIDTH_L))
    with pytest.raises(ModelFileError, match="clip_l and clip_g are swapped"):
        load_textual_inversion(pipeline, path)


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({"clip_l": (2, WIDTH_L), "clip_g": (2, 7)}, "the encoders take"),
        ({"clip_l": (2, WIDTH_L), "clip_g": (3, WIDTH_G)}, "the encoders take"),
        ({"clip_l": (0, WIDTH_L), "clip_g": (0, WIDTH_G)}, "the encoders take"),
        ({"clip_l": (WIDTH_L,), "clip_g": (WIDTH_G,)}, "the encoders take"),
        ({"clip_l": (2, WIDTH_L)}, "instead of clip_l and clip_g"),
        ({"emb_params": (2, WIDTH_L)}, "instead of clip_l and clip_g"),
    ],
)
def test_embeddings_of_another_shape_are_refused(pipeline, path, tensors, reason):
    save_file({name: torch.ones(shape) for name, shape in tensors.items()}, path)
    with pytest.raises(ModelFileError, match=reason):
        load_textual_inversion(pipeline, path)


def test_embeddings_that_are_not_finite_are_refused(pipeline, path):
    save_file({"clip_l": torch.full((1, WIDTH_L), torch.nan), "clip_g": torch.ones(1, WIDTH_G)}, path)
    with pytest.raises(ModelFileError, match="not all finite"):
        load_textual_inversion(pipeline, path)
