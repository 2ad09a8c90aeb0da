"""Fixtures of the benchmark of production on a card, with its small model on the CPU."""

import os
import shutil
from dataclasses import replace
from unittest import mock

import pytest

from plitka.device.select import DeviceInfo
from plitka.server.serve import ROOT

CPU = DeviceInfo("cpu", "cpu", "CPU", 2**34, "float32")


@pytest.fixture
def benchmarks(monkeypatch):
    """Have the modules of `benchmarks/` importable."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


@pytest.fixture
def few_steps(benchmarks):
    from card.architecture import SMALL

    return replace(SMALL, steps=(1, 1))


@pytest.fixture(scope="session")
def bench_models(tmp_path_factory):
    """Where its models are, once a test has written them."""
    return tmp_path_factory.mktemp("bench") / "models"


@pytest.fixture
def bench(tmp_path, bench_models, few_steps):
    from card.bench import Bench
    from card.weights import write_models

    if not bench_models.exists():
        bench_models.mkdir()
        assert write_models(bench_models, few_steps, "cpu")
    bench = Bench(tmp_path, CPU, few_steps, repeats=1)
    shutil.copytree(bench_models, bench.models)
    # It points the engine to its models by a variable, as it may in a process of its own.
    with mock.patch.dict(os.environ):
        yield bench
