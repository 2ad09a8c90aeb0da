"""What other trainers write: read as it is meant, or named with what to do."""

import json
import re
import shutil
import tarfile

import pytest
import torch
from checkpoints import EMBEDDINGS_FILE, LORA_FILE, WIDTH_G, WIDTH_L, edit_manifest, make_unet
from drawing import draw, images, load_small_engine
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from plitka.colors.palette import PALETTE
from plitka.diffusion.adapters.prompt_budget import check_prompt_room
from plitka.errors import ModelFileError
from plitka.request.fields import MAX_COLORS
from plitka.request.prompt import TOKEN_LIMIT, build_prompt
from plitka.request.tile_request import parse_inputs
from plitka.weights.adapter_files import adapters_in

TO_REPLICATE = {"clip_l": "text_encoders_0", "clip_g": "text_encoders_1"}


@pytest.fixture
def own(folder):
    """A folder with the LoRA and the embeddings, as Replicate's trainer leaves them."""
    path = folder / "own"
    path.mkdir()
    shutil.copy(folder / LORA_FILE, path / "lora.safetensors")
    vectors = load_file(folder / EMBEDDINGS_FILE)
    save_file({TO_REPLICATE[name]: value for name, value in vectors.items()}, path / "embeddings.pti")
    (path / "special_params.json").write_text('{"TOK": "<s0><s1>"}')
    return path


def refusal(folder, own):
    with pytest.raises(ModelFileError) as raised:
        load_small_engine(folder, own)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.long
def test_replicates_trained_model_draws_as_the_same_weights_do_here(folder, own, tmp_path):
    with tarfile.open(tmp_path / "trained_model.tar", "w") as tar:
        for file in own.iterdir():
            tar.add(file, file.name)
    theirs = load_small_engine(folder, tmp_path / "trained_model.tar")
    assert theirs.tokens == ("<s0>", "<s1>")
    assert images(draw(theirs)) == images(draw(load_small_engine(folder)))


@pytest.mark.parametrize(
    "content", ["{", "[]", "3", '{"TOK": 3}', '{"TOK": "<s0>"}', '{"TOK": "<s0><s1><s2>"}', "[" * 9999]
)
def test_a_token_map_that_does_not_go_with_the_vectors_is_refused(folder, own, content):
    (own / "special_params.json").write_text(content)
    assert str(own / "special_params.json") in refusal(folder, own)


def test_what_a_mac_leaves_beside_every_file_is_no_adapter(own):
    for path in list(own.iterdir()):
        path.with_name(f"._{path.name}").write_bytes(b"\x00\x05\x16\x07")
    assert {file.path.name for file in adapters_in(own).values()} == {"lora.safetensors", "embeddings.pti"}


def test_a_folder_with_the_name_of_a_weight_file_is_no_adapter(own):
    (own / "checkpoint.safetensors").mkdir()
    assert {file.path.name for file in adapters_in(own).values()} == {"lora.safetensors", "embeddings.pti"}


def replaced(own, tensors, name="embeddings.pti"):
    save_file(tensors, own / name)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda own: torch.save({"string_to_param": torch.ones(2)}, own / "embeddings.pti"), "is a pickle"),
        (lambda own: (own / "embeddings.pti").rename(own / "embeddings.pt"), "may be a pickle"),
        (lambda own: (own / "more.safetensors").symlink_to("nowhere"), "a link to none. Give a folder"),
        (lambda own: replaced(own, {"emb_params": torch.ones(2, 768)}), "Stable Diffusion 1.5"),
        (lambda own: replaced(own, {"<tile>": torch.ones(2, 768)}), "for one of the two text encoders only"),
        (lambda own: replaced(own, {"clip_l": torch.ones(2, WIDTH_L)}), "one of the two text encoders only"),
        (lambda own: replaced(own, make_unet().state_dict(), "unet.safetensors"), "a whole UNet"),
        (
            lambda own: replaced(
                own,
                {"text_encoders_0": torch.ones(2, WIDTH_G), "text_encoders_1": torch.ones(2, WIDTH_L)},
            ),
            "clip_l and clip_g are swapped",
        ),
    ],
)
def test_what_is_not_read_is_named_with_what_to_do(folder, own, spoil, reason):
    spoil(own)
    assert reason in refusal(folder, own)


# Room in the prompt


def vectors(own, count):
    replaced(
        own, {"text_encoders_0": torch.ones(count, WIDTH_L), "text_encoders_1": torch.ones(count, WIDTH_G)}
    )
    (own / "special_params.json").unlink()


def test_more_vectors_than_a_prompt_holds_are_refused_at_setup_with_numbers(folder, own):
    vectors(own, 60)
    text = refusal(folder, own)
    assert "it holds 60 vectors, and the prompt has room for " in text
    assert f"{TOKEN_LIMIT} tokens" in text
    assert "embeddings.pti" in text


def words_of(text):
    """A tokenizer that cuts text into words and signs, start and end included."""
    return 2 + len(re.findall(r"[^\W_]+|[^\w\s]|_", text))


@given(
    st.lists(st.sampled_from(list(PALETTE)), min_size=1, max_size=MAX_COLORS, unique=True), st.integers(1, 40)
)
def test_vectors_that_pass_leave_room_for_every_mix_of_named_colours(names, count):
    try:
        check_prompt_room("x", count, words_of)
    except ModelFileError:
        return
    mix = ", ".join(f"{100 / len(names)}% {name}" for name in names)
    positive = build_prompt(parse_inputs("", mix, 0, "standard", 1).mix, "").positive.replace("<s0><s1>", "")
    assert words_of(positive) + count <= TOKEN_LIMIT


# Tokens


@pytest.mark.parametrize(
    ("tokens", "reason"),
    [
        (["<a>", "<a>"], "two of its vectors are called '<a>'"),
        (["red", "<a>"], "its token 'red' is already a word of the tokenizer"),
        (["<a>", "<a>b"], "its token '<a>' is a part of '<a>b'"),
        (["<a b>", "<c>"], "a token cannot be called '<a b>'"),
        (["", "<c>"], "a token cannot be called ''"),
    ],
)
def test_tokens_that_would_be_misread_are_refused(folder, tokens, reason):
    edit_manifest(folder, lambda models: models["embeddings"].update(tokens=tokens))
    with pytest.raises(ModelFileError) as raised:
        load_small_engine(folder)
    assert reason in str(raised.value)
    assert "<s0>, <s1> and so on always work" in str(raised.value)


def test_files_are_found_by_content_wherever_they_lie(own):
    (own / "deeper").mkdir()
    shutil.move(own / "lora.safetensors", own / "deeper" / "x.safetensors")
    assert {kind: file.path for kind, file in adapters_in(own).items()} == {
        "LoRA": own / "deeper/x.safetensors",
        "embeddings": own / "embeddings.pti",
    }
    assert json.loads((own / "special_params.json").read_text()) == {"TOK": "<s0><s1>"}
