"""A function that is recorded gives what it gives unrecorded, whatever it is called with."""

import gc
from contextlib import contextmanager

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tape import TapeRecorder
from transformers.modeling_outputs import BaseModelOutputWithPooling

from plitka.diffusion.cuda_graphs import CudaRecorder
from plitka.diffusion.recorded_forward import RecordedForward, relative_error


class Model(torch.nn.Module):
    """Something of every tensor and number in nested inputs."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([1.5, -2.0]), requires_grad=False)
        self.register_buffer("shift", torch.tensor(0.25))

    def forward(self, values, more=None, **options):
        found = values * self.weight + self.shift
        for part in self._parts((more, options)):
            found = found * 0.5 + (part.sum() if isinstance(part, torch.Tensor) else float(part))
        return {"found": found, "twice": (found, [found * 2]), "nothing": None}

    def _parts(self, value):
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list | tuple):
            for part in value:
                yield from self._parts(part)
        elif isinstance(value, torch.Tensor | int | float):
            yield value


numbers = st.one_of(st.integers(-2, 2), st.sampled_from([0.0, 1.0, -0.0, 0.5]), st.booleans(), st.none())
tensors = st.builds(
    lambda shape, value, dtype, transposed: (
        torch.full(shape, value, dtype=dtype).mT
        if transposed and len(shape) == 2
        else torch.full(shape, value, dtype=dtype)
    ),
    st.sampled_from([(), (1,), (2,), (1, 2), (2, 3)]),
    st.integers(-3, 3),
    st.sampled_from([torch.float32, torch.float16, torch.int64]),
    st.booleans(),
)
nested = st.recursive(
    st.one_of(numbers, tensors),
    lambda parts: st.one_of(
        st.lists(parts, max_size=2),
        st.tuples(parts, parts),
        st.dictionaries(st.sampled_from("abc"), parts, max_size=2),
    ),
    max_leaves=4,
)
calls = st.lists(st.tuples(st.sampled_from([(2,), (3, 2), (1, 2)]), nested, nested), min_size=1, max_size=6)


@given(calls, st.integers(1, 3))
def test_any_calls_in_any_order_give_what_they_give_unrecorded(sequence, kept):
    model = Model()
    plain, recorded = model.forward, RecordedForward("model", model, TapeRecorder(), kept=kept)
    pairs = []
    for round_ in range(2):
        for shape, more, option in sequence:
            values = torch.full(shape, float(round_ + 1))
            pairs.append((recorded(values, more, option=option), plain(values, more, option=option)))
            assert recorded.recordings <= kept
    # All of them at the end: no later call has overwritten an earlier result.
    for ours, theirs in pairs:
        assert relative_error(ours, theirs) == 0
        assert ours["found"].dtype == theirs["found"].dtype
        assert ours["nothing"] is None
    assert recorded.report().off is None


def test_a_weight_that_changes_in_place_needs_no_new_recording():
    model, recorder = Model(), TapeRecorder()
    recorded = RecordedForward("model", model, recorder)
    recorded(torch.ones(2))
    model.weight.copy_(torch.tensor([3.0, 4.0]))
    assert recorded(torch.ones(2))["found"].tolist() == [3.25, 4.25]
    assert recorder.recorded == 1


def test_what_cannot_be_told_apart_is_not_recorded():
    model, recorder = Model(), TapeRecorder()
    recorded = RecordedForward("model", model, recorder)
    for _ in range(2):
        assert recorded(torch.ones(2), {"callback": object()})["found"].tolist() == [1.75, -1.75]
    assert recorder.recorded == 0
    assert recorded.report().off is None


def test_a_librarys_class_of_result_stays_that():
    class Encoder(torch.nn.Module):
        def forward(self, values):
            return BaseModelOutputWithPooling(
                last_hidden_state=values * 2, hidden_states=(values, values * 2)
            )

    recorded = RecordedForward("encoder", Encoder(), TapeRecorder())
    for value in (1.0, 3.0):
        result = recorded(torch.full((2,), value))
        assert type(result) is BaseModelOutputWithPooling
        assert result[0].tolist() == [2 * value] * 2
        assert result.hidden_states[-2].tolist() == [value] * 2
        assert result.pooler_output is None


@pytest.mark.parametrize(
    ("result", "expected", "error"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0),
        ([float("nan"), 2.0], [float("nan"), 2.0], 0),
        ([3.0, 4.0], [3.0, 4.04], 0.04 / 5.03),
        ([float("nan"), 2.0], [1.0, 2.0], float("nan")),
        ([1.0, 2.0], [float("nan"), 2.0], float("nan")),
        ([float("inf"), 2.0], [1.0, 2.0], float("inf")),
        ([1.0, 0.0], [0.0, 0.0], float("inf")),
        ([0.0, 0.0], [0.0, 0.0], 0),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_the_error_is_that_of_the_worst_tensor(result, expected, error, dtype):
    right = torch.ones(3, dtype=dtype)
    ours, theirs = (torch.tensor(values, dtype=dtype) for values in (result, expected))
    wanted = pytest.approx(error, rel=0.05, nan_ok=True)
    assert relative_error([ours, right], {"a": theirs, "b": right}) == wanted
    assert relative_error((right, ours), (right, theirs)) == wanted


# A pool of memory, by the rules of torch's allocator


class Pools:
    """In place of `torch.cuda`: a pool lives as long as a graph in it, and is not to be named after that."""

    def __init__(self, monkeypatch, spoilt=()):
        self.made, self.users, self.ended, self.left, self.spoilt = 0, {}, set(), [], spoilt
        pools = self

        class Graph:
            def pool(self):
                return self.named

            def replay(self):
                pass

            def __del__(self):
                if hasattr(self, "named"):
                    pools.users[self.named] -= 1
                    pools.ended |= {self.named} - {pool for pool, users in pools.users.items() if users}

        @contextmanager
        def recording(graph, pool, capture_error_mode):
            assert pool not in pools.ended
            assert capture_error_mode == "thread_local"
            yield
            if pools.made in pools.spoilt:
                raise RuntimeError("CUDA error: operation failed due to a previous error during capture")
            graph.named = pool
            pools.users[pool] = pools.users.get(pool, 0) + 1

        @contextmanager
        def stream(given):
            yield

        for name, value in {
            "CUDAGraph": Graph,
            "graph": recording,
            "graph_pool_handle": self.handle,
            "stream": stream,
            "current_stream": lambda: None,
            "current_device": lambda: 0,
        }.items():
            monkeypatch.setattr(torch.cuda, name, value)
        leave = lambda device, pool: pools.left.append(pool)  # noqa: E731
        monkeypatch.setattr(torch._C, "_cuda_endAllocateToPool", leave, raising=False)
        monkeypatch.setattr(torch._C, "_cuda_releasePool", leave, raising=False)

    def handle(self):
        self.made += 1
        return (0, self.made)


def test_graphs_share_a_pool_while_one_of_them_lives_and_then_take_another(monkeypatch):
    pools, recorder = Pools(monkeypatch), CudaRecorder()
    model = Model()
    first, second = (recorder(model.forward, (torch.ones(2),), {}) for _ in range(2))
    assert pools.users == {(0, 1): 2}
    del first
    third = recorder(model.forward, (torch.ones(2),), {})
    assert pools.users == {(0, 1): 2}
    del second, third
    gc.collect()
    recorder(model.forward, (torch.ones(2),), {})
    assert set(pools.users) == {(0, 1), (0, 2)}
    assert pools.left == []


def test_a_spoilt_recording_leaves_its_pool(monkeypatch):
    pools, recorder = Pools(monkeypatch, spoilt=(1,)), CudaRecorder()
    with pytest.raises(RuntimeError, match="previous error"):
        recorder(Model().forward, (torch.ones(2),), {})
    assert pools.left == [(0, 1)] * 2
    assert recorder(Model().forward, (torch.ones(2),), {}).output["nothing"] is None
