"""Recorded GPU work (CUDA graphs): a model's kernels launched at once, not one by one from Python.

A denoising step of SDXL is some two thousand kernels, and at 512 pixels Python needs longer to launch them
than the GPU to run them. A graph records the launches with their addresses: inputs are copied to where
they were when it was recorded (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs). Weights may
change in place; a model that moves to other memory needs its graphs forgotten.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

# All there can be: two sizes, from noise or from the swatch, with a ControlNet or without, guided or not.
# Each keeps its inputs; the intermediate results are one set for all.
KEPT = 16


@dataclass(frozen=True)
class Recording:
    """Work that can be replayed: it reads `inputs` and leaves its result in `output`."""

    inputs: Any
    output: Any
    replay: Callable[[], None]


# Takes the work and its inputs, which stay where they are.
Recorder = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Recording]


class RecordedForward:
    """A model's `forward` that is recorded for each new shape of its inputs and replayed after that.

    It gives what `forward` gives, in tensors of their own. `recorder` is what records.
    """

    def __init__(self, forward: Callable[..., Any], recorder: Recorder, kept: int = KEPT) -> None:
        self.forward = forward
        self._recorder = recorder
        self._kept = kept
        self._recordings: OrderedDict[Hashable, Recording] = OrderedDict()

    @property
    def recordings(self) -> int:
        """How many are kept."""
        return len(self._recordings)

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Run the model on these inputs: tensors, and lists, tuples and dictionaries of them."""
        key = _signature((inputs, options))
        if key in self._recordings:
            recording = self._recordings[key]
            self._recordings.move_to_end(key)
            for kept, given in zip(_tensors(recording.inputs), _tensors((inputs, options)), strict=True):
                kept.copy_(given)
        else:
            while len(self._recordings) >= self._kept:
                self._recordings.popitem(last=False)
            recording = self._recorder(self.forward, *_copied((inputs, options)))
            self._recordings[key] = recording
        recording.replay()
        return _copied(recording.output)


class CudaRecorder:
    """Records CUDA graphs that share one pool of memory, since only one of them runs at a time."""

    def __init__(self) -> None:
        self._pool: Any = None

    def __call__(
        self, forward: Callable[..., Any], inputs: tuple[Any, ...], options: dict[str, Any]
    ) -> Recording:
        """Run once, so that libraries choose their kernels and compilers compile, then record."""
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch's own gap
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            forward(*inputs, **options)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # The monitor's thread may ask for the memory's figures meanwhile.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            output = forward(*inputs, **options)
        self._pool = graph.pool()
        return Recording((inputs, options), output, graph.replay)


def record_forward(model: Any, recorder: Recorder | None = None) -> None:
    """From now on, record and replay the model's work."""
    model.forward = RecordedForward(model.forward, recorder or CudaRecorder())


def forget_recordings(model: Any) -> None:
    """Give the model its own `forward` back, and the memory of its recordings."""
    if isinstance(model.forward, RecordedForward):
        model.forward = model.forward.forward


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    """Every tensor in nested lists, tuples and dictionaries, in order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _tensors(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)


def _copied(value: Any) -> Any:
    """The same nesting with tensors of its own."""
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {name: _copied(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copied(part) for part in value)
    return value


def _signature(value: Any) -> Hashable:
    """What a recording depends on: how tensors lie in memory, and every other value.

    Strides are part of it, since libraries choose their kernels by them, and each kernel rounds differently.
    """
    if isinstance(value, torch.Tensor):
        return (tuple(value.shape), value.stride(), value.dtype, value.device)
    if isinstance(value, dict):
        return tuple((name, _signature(part)) for name, part in value.items())
    if isinstance(value, list | tuple):
        return (type(value), tuple(_signature(part) for part in value))
    return value
