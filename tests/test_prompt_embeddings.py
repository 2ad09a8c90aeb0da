"""Weights and chunks of a prompt as the UNet gets them, from both text encoders and from one alone."""

from dataclasses import replace
from importlib.metadata import version
from unittest import mock

import pytest
import torch
from diffusers import StableDiffusionPipeline
from drawing import draw, images, load_small_engine, make_job
from hypothesis import given, settings
from hypothesis import strategies as st

from plitka.diffusion.families.sdxl import CLIP_L, SDXL
from plitka.diffusion.offload import LowMemory
from plitka.diffusion.prompt_embeddings import length_of, prompt_embeddings
from plitka.errors import RequestError
from plitka.request.prompt import MAX_CHUNKS, Prompt, build_prompt
from plitka.request.prompt_weights import escaped, read_weights
from plitka.request.tile_request import parse_inputs

CPU = torch.device("cpu")
PLAIN = "ohwx_rubber_tile <s0><s1>, 60% red, detailed texture, high quality"
NEGATIVE = "blurry, low quality"
LONG = ", ".join(["detailed rubber texture"] * 16)
ONE_ENCODER = replace(
    SDXL,
    text_encoders=(replace(CLIP_L, penultimate=False),),
    embeddings=("prompt_embeds", "negative_prompt_embeds"),
)


@pytest.fixture(scope="module")
def single(engine):
    """A pipeline of one text encoder, as Stable Diffusion 1.5 has it."""
    base = engine.pipelines.base
    parts = {name: getattr(base, name) for name in ("vae", "text_encoder", "tokenizer", "unet", "scheduler")}
    return StableDiffusionPipeline(
        **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )


@pytest.fixture(params=["two encoders", "one encoder"])
def embed(request, engine, single):
    """From prompt and negative prompt to embeddings by their names."""
    two = request.param == "two encoders"
    base, family = (engine.pipelines.base, SDXL) if two else (single, ONE_ENCODER)
    return lambda positive, negative=NEGATIVE: prompt_embeddings(
        base, family, Prompt(positive, negative), CPU, 1
    )


def by_pipeline(engine, single, embedded, positive, negative=NEGATIVE):
    """What the pipeline itself gives for words without weights."""
    base = engine.pipelines.base if len(embedded) == 4 else single
    options = {"negative_prompt": negative, "num_images_per_prompt": 1, "do_classifier_free_guidance": True}
    with torch.no_grad():
        given = base.encode_prompt(positive, device=CPU, **options)
    return dict(zip(embedded, given, strict=False))


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    "positive",
    [PLAIN, PLAIN.replace("60% red", "(60% red:1.0)"), f"({PLAIN})1", f"[({PLAIN})]", rf"{PLAIN} \q"],
)
def test_words_of_weight_1_are_to_the_byte_those_without_weights(engine, single, embed, positive):
    plain = positive if "\\" in positive else PLAIN
    embedded = embed(positive)
    assert same(embedded, by_pipeline(engine, single, embedded, plain))


def test_only_what_has_a_weight_moves(engine, single, embed):
    """The negative prompt has a weight, so that both are encoded in the other way."""
    embedded = embed(PLAIN, "(blurry)1.2, low quality")
    expected = by_pipeline(engine, single, embedded, PLAIN)
    for name in embedded:
        moves = name == "negative_prompt_embeds"
        assert torch.equal(embedded[name], expected[name]) != moves, name


def rows(engine, before, word):
    """Where the tokens of a word stand among those of the prompt, which begins with `before`."""
    count = lambda text: len(engine.pipelines.base.tokenizer(text)["input_ids"]) - 1  # noqa: E731
    return slice(count(before), count(before + word))


@pytest.mark.parametrize("word", ["<s0><s1>", "detailed texture"])
@pytest.mark.parametrize(("weight", "spelled"), [(1.3, "({})1.3"), (1.21, "({})++"), (2, "({}:2)")])
def test_a_heavier_word_goes_further_from_the_empty_prompt(engine, embed, word, weight, spelled):
    plain, empty = embed(PLAIN)["prompt_embeds"], embed("")["prompt_embeds"]
    heavy = embed(PLAIN.replace(word, spelled.format(word)))["prompt_embeds"]
    there = rows(engine, PLAIN[: PLAIN.index(word)], word)
    assert there.stop - there.start == 2
    torch.testing.assert_close((heavy - empty)[:, there], weight * (plain - empty)[:, there])
    elsewhere = [index for index in range(77) if not there.start <= index < there.stop]
    assert torch.equal(heavy[:, elsewhere], plain[:, elsewhere])


def test_a_lighter_word_goes_to_the_prompt_without_it(embed):
    """At weight 0 the start of the prompt, which every word is mixed into, is that without the word."""
    weights = (1, 0.9, 0.5, 0)
    by_weight = [embed(f"60% red, (smooth:{weight}) rubber")["prompt_embeds"] for weight in weights]
    far = [float((one - by_weight[0]).norm()) for one in by_weight]
    assert far == sorted(far)
    assert far[1] > 0
    gone = [embed(f"60% red, ({word}:0) rubber")["prompt_embeds"][:, -1] for word in ("smooth", "cartoon")]
    torch.testing.assert_close(gone[0], gone[1], rtol=1e-3, atol=1e-3)


def test_a_long_prompt_is_read_in_chunks_cut_at_commas(engine, embed):
    long, short = embed(f"{PLAIN}, {LONG}"), embed(PLAIN)
    chunks = long["prompt_embeds"].shape[1] // 77
    assert chunks == 2
    assert long["negative_prompt_embeds"].shape == long["prompt_embeds"].shape
    assert torch.equal(long["negative_prompt_embeds"][:, :77], short["negative_prompt_embeds"])
    assert torch.equal(long["negative_prompt_embeds"][:, 77:], embed("")["prompt_embeds"])
    ids = engine.pipelines.base.tokenizer(f"{PLAIN}, {LONG}")["input_ids"][1:76]
    first = engine.pipelines.base.tokenizer.decode(ids)
    until_comma = first[: first.rindex(",") + 1]
    torch.testing.assert_close(long["prompt_embeds"][:, :77], embed(until_comma)["prompt_embeds"])


MARKS = ["<|endoftext|>", "<|startoftext|>", "!", ".", ",", "\u200b", " ", ""]
TEXTS = ["wet", "<s0><s1>", "☂", *MARKS]


@settings(max_examples=6)
@given(
    st.lists(
        st.tuples(st.sampled_from(["{}", "({}:0)", "({}:0.4)", "({}:1.6)"]), st.sampled_from(TEXTS)),
        max_size=4,
    ),
    st.sampled_from([1, 5]),
)
def test_any_words_are_embedded_as_long_as_they_are_counted(engine, said, times):
    text = " ".join(spelled.format(escaped(word)) for spelled, word in said * times)
    base = engine.pipelines.base
    tokenizers = {"1": base.tokenizer, "2": base.tokenizer_2}
    embedded = prompt_embeddings(base, SDXL, Prompt(text, "(blurry)-"), CPU, 1)
    length = length_of(read_weights(text).fragments, tokenizers, 77)
    assert embedded["prompt_embeds"].shape[1] == 77 * length.chunks
    assert all(torch.isfinite(one).all() for one in embedded.values())


# What is drawn


@pytest.mark.long
def test_weights_and_words_beyond_the_first_chunk_change_the_picture(engine):
    usual = images(draw(engine, color_guidance=0, prompt="wet"))
    assert images(draw(engine, color_guidance=0, prompt="(wet:1.0)")) == usual
    others = ["(wet:1.5)", "[wet]", f"wet, {LONG}", f"wet, {LONG}, (blurry)1.2"]
    pictures = [images(draw(engine, color_guidance=0, prompt=words)) for words in others]
    pictures.append(images(draw(engine, color_guidance=0, prompt="wet", negative_prompt=LONG)))
    assert len({tuple(picture) for picture in [usual, *pictures]}) == 6


@pytest.mark.long
@pytest.mark.parametrize("how", ["model", "sequential"])
def test_with_models_elsewhere_the_same_picture_is_drawn(model_folder, engine, how):
    said = {"angle": 45, "prompt": f"(wet:1.5), [dry], {LONG}"}
    with mock.patch("plitka.diffusion.engine.low_memory_for", lambda device: LowMemory(how)):
        spared = load_small_engine(model_folder)
    assert images(draw(spared, **said)) == images(draw(engine, **said)) != images(draw(engine, angle=45))


def test_names_of_colours_and_of_tokens_are_never_weights(engine, monkeypatch):
    red, blue = parse_inputs("", "60% red, 40% blue", 0, "standard", 1).mix
    mix = (replace(red, prompt_word="red (new:1.5)++"), replace(blue, prompt_word="blue) ["))
    prompt = build_prompt(mix, "", own="(wet:1.2)")
    named = replace(engine.adapters.words[None], tokens=("(p0)", "[p1:2)"), trigger="park+")
    monkeypatch.setattr(engine.adapters, "words", {None: named})
    parts = engine.prompt_for(prompt).positive_parts
    assert [weight for _, weight in parts] == [1, 1.2]
    begun = "park+ (p0)[p1:2), 60% red (new:1.5)++, 40% blue) [, photorealistic"
    assert parts[0].text.startswith(begun)


def test_more_than_the_most_chunks_are_refused_before_any_work(engine):
    job = make_job(prompt="(wet)1.2, " + "smooth " * 70)
    engine.check(job.request, job.prompt)
    words = "red, " * (MAX_CHUNKS * 75 // 2 + 1)
    job = make_job(prompt=words, negative_prompt=words)
    with pytest.raises(RequestError) as caught:
        engine.check(job.request, job.prompt)
    own, negative = caught.value.problems
    assert (own.field, negative.field) == ("overrides.prompt", "overrides.negative_prompt")
    assert negative.reason == "makes a prompt of 302 tokens in 5 chunks"
    assert "at most 300 tokens in 4 chunks, of which template and mix take" in own.allowed


def test_a_base_model_with_a_first_stage_of_its_own_reads_no_weights(engine, monkeypatch):
    given = []
    family = replace(SDXL, embed=lambda base, prompt, *more: given.append(prompt))
    monkeypatch.setattr(engine.pipelines, "family", family)
    job = make_job(prompt="(wet)1.2", negative_prompt=r"\(EPDM\)")
    with pytest.raises(RequestError, match="has weights, which this base model does not read") as caught:
        engine.check(job.request, job.prompt)
    assert [problem.field for problem in caught.value.problems] == ["overrides.prompt"]
    prompt_embeddings(engine.pipelines.base, family, job.prompt, CPU, 1)
    assert given[0].positive.endswith(", wet")
    assert given[0].negative == "(EPDM)"


def test_pictures_say_what_weighted_their_words(engine):
    assert engine.identity()["compel"] == version("compel")
