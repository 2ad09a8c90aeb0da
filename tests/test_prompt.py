import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plitka.colors.palette import PALETTE
from plitka.engine.protocol import job_for
from plitka.errors import RequestError
from plitka.request.drawing_settings import EngineDefaults
from plitka.request.prompt import (
    DEFAULT_NEGATIVE_PROMPT,
    STYLE,
    TOKEN_LIMIT,
    TRIGGER,
    Length,
    Prompt,
    build_prompt,
    check_prompt,
)
from plitka.request.prompt_templates import TEMPLATES
from plitka.request.tile_request import parse_inputs, parse_request


def prompt(text):
    return build_prompt(parse_inputs("", text, 0, "standard", 1).mix, "").positive


def test_prompt_is_worded_as_the_adapters_were_trained():
    assert prompt("60% red, 40% blue") == (
        "ohwx_rubber_tile <s0><s1>, 60% red, 40% blue, photorealistic rubber tile, high quality, "
        "detailed texture"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("40% blue, 60% red", "40% blue, 60% red"),
        ("тёмно-зелёный 70, терракот 20, бело-зелёный 10", "70% dark green, 20% terracotta, 10% white-green"),
        ("green 50, purple 30, grey 20", "50% grass green, 30% violet, 20% gray"),
        ("1 red, 1 blue, 1 pink", "34% red, 33% blue, 33% pink"),
        ("99.8 red, 0.2 blue", "99% red, 1% blue"),
        ("black", "100% black"),
        ("#A63437 30%, white 70%", "30% red, 70% white"),
    ],
)
def test_prompt_names_the_colours_in_the_order_of_the_request(text, words):
    assert f"<s0><s1>, {words}, photorealistic" in prompt(text)


@given(st.lists(st.tuples(st.sampled_from(list(PALETTE)), st.floats(0.01, 100)), min_size=1, max_size=8))
def test_percentages_in_the_prompt_sum_to_100_and_none_is_0(parts):
    document = {"colors": [{"name": name, "proportion": amount} for name, amount in parts]}
    request = parse_request(json.dumps(document))
    whole = [int(digits) for digits in re.findall(r"(\d+)% ", build_prompt(request.mix, "").positive)]
    assert sum(whole) == 100
    assert min(whole) > 0
    assert len(whole) == len({name for name, _ in parts})


@pytest.mark.parametrize(
    ("overrides", "negative"),
    [
        (
            {},
            "object, blurry, worst quality, low quality, deformed, watermark, 3d render, cartoon, "
            "abstract, smooth, flat",
        ),
        ({"negative_prompt": ""}, ""),
        ({"negative_prompt": "shiny"}, "shiny"),
    ],
)
def test_negative_prompt_is_the_given_one_or_the_default(overrides, negative):
    request = parse_request(json.dumps({"colors": [{"name": "red"}], "overrides": overrides}))
    assert job_for(request, EngineDefaults()).prompt.negative == negative


def worded(**overrides):
    request = parse_request(
        {
            "colors": [{"name": "red", "proportion": 60}, {"name": "blue", "proportion": 40}],
            "overrides": overrides,
        }
    )
    return job_for(request, EngineDefaults()).prompt.positive


def test_a_template_is_chosen_by_name_and_without_one_the_prompt_is_the_usual():
    usual = f"{TRIGGER}, 60% red, 40% blue, {STYLE}"
    assert worded() == worded(prompt_template="standard") == worded(prompt="") == usual
    assert worded(prompt_template=" Caption ") == ("<s0><s1>, ohwx_rubber_tile <s0><s1>, 60% red, 40% blue")
    assert worded(prompt="wet,\n after  rain") == f"{usual}, wet, after rain"
    assert worded(prompt_template="short", prompt="wet") == f"{TRIGGER}, 60% red, 40% blue, wet"


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_names_the_mix_once_and_says_what_it_is_for(name):
    template = TEMPLATES[name]
    assert template.text.count("{colors}") == 1
    assert worded(prompt_template=name).count("60% red, 40% blue") == 1
    assert template.purpose.endswith(".")
    assert template.measured.endswith(".")


def test_an_unknown_template_is_refused_with_the_allowed_names():
    with pytest.raises(RequestError) as caught:
        worded(prompt_template="captions")
    assert str(caught.value.problems[0]) == (
        'overrides.prompt_template: "captions" is not one of the choices. '
        'Allowed: "standard", "caption", "short", "photo" or "plain".'
    )


def count_words(text):
    return len(text.split())


def count_chunks(parts):
    words = count_words("".join(text for text, _ in parts))
    return Length(words, -(-words // 75))


def test_a_prompt_of_exactly_the_most_chunks_is_accepted():
    check_prompt(Prompt("word " * 300, "word " * 300), count_chunks)


def test_prompts_that_the_encoders_would_cut_off_are_refused_by_the_field_that_made_them():
    with pytest.raises(RequestError) as caught:
        check_prompt(Prompt("word " * 301, "word " * 390), count_chunks)
    positive, negative = caught.value.problems
    assert (positive.field, negative.field) == ("colors", "overrides.negative_prompt")
    assert "makes a prompt of 301 tokens in 5 chunks. Allowed: at most 300 tokens in 4 chunks" in str(
        positive
    )
    assert "makes a prompt of 390 tokens" in str(negative)


def test_a_model_that_reads_no_weights_refuses_them_by_field():
    with pytest.raises(RequestError) as caught:
        check_prompt(Prompt("a, (b)2", "[c]", "(b)2"), count_chunks, reads_weights=False)
    assert [problem.field for problem in caught.value.problems] == [
        "overrides.prompt",
        "overrides.negative_prompt",
    ]


def test_the_default_negative_prompt_is_far_below_the_limit():
    assert count_words(DEFAULT_NEGATIVE_PROMPT) < TOKEN_LIMIT / 2
