"""The number format of training: what the processor was built for, or what was asked for."""

import os
import platform
import subprocess
import sys

import pytest
import torch
from torch.nn import functional

from plitka.server.serve import ROOT
from training.precision import LIMITS, VARIABLE, autocast, measured, precision_for, said_by_processor

X86_WITHOUT = {"architecture": "x86_64", "avx512_bf16": False, "amx_bf16": False}
DTYPES = {"bf16": torch.bfloat16, "no": torch.float32}


@pytest.fixture(autouse=True)
def nothing_asked_for(monkeypatch):
    for name in (VARIABLE, *LIMITS):
        monkeypatch.delenv(name, raising=False)


def chosen_in_a_fresh_process(**environment):
    """What training calculates in when nothing is asked for, as a process finds it with these variables."""
    code = "from training.precision import precision_for; print(precision_for('cpu'))"
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_x86_calculates_in_bfloat16_where_it_was_built_for_it_and_else_in_float32():
    assert said_by_processor(X86_WITHOUT, {}) == "no"
    for extension in ("avx512_bf16", "amx_bf16"):
        assert said_by_processor(X86_WITHOUT | {extension: True}, {}) == "bf16"


def test_other_processors_and_libraries_that_are_held_back_are_measured():
    assert said_by_processor({"architecture": "arm64", "bf16": True}, {}) is None
    for name in LIMITS:
        assert said_by_processor(X86_WITHOUT | {"avx512_bf16": True}, {name: "AVX2"}) is None


@pytest.mark.long
def test_this_processor_is_asked_and_its_answer_is_known():
    said = said_by_processor(torch.cpu.get_capabilities(), {})
    if platform.machine() == "x86_64":
        assert said is not None
    if said is not None:
        assert chosen_in_a_fresh_process() == said


@pytest.mark.long
@pytest.mark.skipif(platform.machine() != "x86_64", reason="AVX2 is x86's")
def test_a_processor_that_can_do_no_more_than_avx2_trains_in_float32():
    assert chosen_in_a_fresh_process(ONEDNN_MAX_CPU_ISA="AVX2") == "no"


def test_measuring_takes_no_random_number_from_the_training():
    before = torch.random.get_rng_state()
    assert measured("cpu") in DTYPES
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("asked", DTYPES)
def test_what_is_asked_for_is_what_is_calculated_in(monkeypatch, asked):
    monkeypatch.setenv(VARIABLE, asked)
    assert precision_for("cpu") == asked
    with autocast("cpu"):
        assert functional.conv2d(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 3, 3)).dtype is DTYPES[asked]


def test_an_unknown_precision_is_refused_with_what_is_allowed(monkeypatch):
    monkeypatch.setenv(VARIABLE, "fp8")
    with pytest.raises(ValueError, match=rf"^{VARIABLE}: 'fp8' is not one of auto, bf16, no$"):
        precision_for("cpu")
