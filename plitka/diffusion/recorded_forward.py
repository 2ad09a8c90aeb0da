"""A model's `forward` that is recorded for each new shape of its inputs, compared with itself, and replayed.

The first replay of every recording is compared on the device with the plain run of the same inputs. Equal
bytes are exact; another kernel may have been chosen, which rounds differently: up to TOLERATED_ERROR is kept
and reported. A recording that differs more, gives no finite numbers or fails is not used, nor is any other of
that model from then on.
"""

import logging
import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import torch

from plitka.diffusion.cuda_graphs import Recorder, Recording
from plitka.diffusion.gpu_errors import is_out_of_memory
from plitka.engine.protocol import ModelRecording
from plitka.weights.files import in_one_line

# The norm of the difference by the norm of the plain result.
TOLERATED_ERROR = 1e-2
# Two sizes, guided or not, from noise or from the swatch, with a ControlNet or without; three kinds of edges.
# Each keeps its inputs and its result; the intermediate results are one set for all.
KEPT = 16
NO_MEMORY = "no memory for another recording"
# Whole numbers as wide as a tensor's, to compare bits: two NaNs are never equal.
BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}

log = logging.getLogger(__name__)


class RecordedForward:
    """Gives what the model's own `forward` gives, in tensors of their own.

    Weights may change in place; if they are elsewhere, nothing is replayed any more. `on_out_of_memory` is
    called if there is no memory for a recording. `variant` says how the model computes at the time, beside
    its inputs: each has recordings of its own.

    Attributes:
        name: What the model is called in reports.
        forward: The model's own.
    """

    def __init__(
        self,
        name: str,
        model: torch.nn.Module,
        recorder: Recorder,
        on_out_of_memory: Callable[[], None] = lambda: None,
        kept: int = KEPT,
        variant: Callable[[], Hashable] = lambda: "",
    ) -> None:
        self.name = name
        self.forward: Callable[..., Any] = model.forward
        self._recorder = recorder
        self._on_out_of_memory = on_out_of_memory
        self._kept = kept
        self._variant = variant
        self._weights = _Places(model)
        self._recordings: OrderedDict[Hashable, Recording] = OrderedDict()
        self._error: float | None = None
        self._off: str | None = None

    @property
    def recordings(self) -> int:
        """How many are kept."""
        return len(self._recordings)

    def report(self) -> ModelRecording:
        """What is recorded, how exactly, and why not if it is not."""
        return ModelRecording(self.name, self.recordings, self._error, self._off)

    def turn_off(self, reason: str) -> None:
        """Drop every recording and run the model's own `forward` from now on; the first reason stays."""
        self._recordings.clear()
        self._off = self._off or reason

    @torch.no_grad()
    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Run the model on these inputs: tensors, and lists, tuples and dictionaries of them."""
        if self._recordings and self._weights.have_moved():
            self._give_up("its weights have moved")
        signature = None if self._off else _signature((inputs, options))
        if signature is None:
            return self.forward(*inputs, **options)
        key = (self._variant(), signature)
        if key not in self._recordings:
            return self._recorded(key, inputs, options)
        recording = self._recordings[key]
        self._recordings.move_to_end(key)
        for held, given in zip(_tensors(recording.inputs), _tensors((inputs, options)), strict=True):
            held.copy_(given)
        recording.replay()
        return _copied(recording.output)

    def _recorded(self, key: Hashable, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Run the model as it is, so that libraries choose their kernels and compilers compile; record."""
        inputs, options = _copied((inputs, options))
        plain = self.forward(*inputs, **options)
        while len(self._recordings) >= self._kept:
            self._recordings.popitem(last=False)
        if not self._recordings:
            self._weights.remember()
        try:
            recording = self._recorder(self.forward, inputs, options)
            recording.replay()
            result = _copied(recording.output)
            error = relative_error(result, plain)
        except Exception as failure:
            # Whatever it is, the picture does not need the recording.
            self._fail(failure)
            return plain
        if not error <= TOLERATED_ERROR:
            self._give_up(f"a replay differed from the plain run by {error:.2g} of it")
            return plain
        self._recordings[key] = recording
        self._error = max(error, self._error or 0.0)
        log.info("%s: recorded, %s", self.name, f"differs by {error:.2g} of it" if error else "exact")
        # Not the plain result, which the next picture would not get.
        return result

    def _fail(self, failure: Exception) -> None:
        # What ends a recording that is spoilt says only that it is; what spoilt it is in the error's context.
        causes = [cause for cause in (failure.__context__, failure) if isinstance(cause, Exception)]
        if any(is_out_of_memory(cause) for cause in causes):
            self._give_up(NO_MEMORY)
            self._on_out_of_memory()
        else:
            self._give_up(f"it cannot be recorded ({in_one_line(causes[0])})")

    def _give_up(self, reason: str) -> None:
        log.warning("%s: not recorded any more: %s", self.name, reason)
        self.turn_off(reason)


class _Places:
    """Where a model's weights are in memory."""

    def __init__(self, model: torch.nn.Module) -> None:
        # Looked up by name at each call, since a weight may be another object by then.
        self._holders = [
            (holder, name)
            for module in model.modules()
            for holder in (module._parameters, module._buffers)
            for name, weight in holder.items()
            if weight is not None
        ]
        self._remembered = self._now()

    def remember(self) -> None:
        """From now on, `have_moved` asks about where they are now."""
        self._remembered = self._now()

    def have_moved(self) -> bool:
        """Whether any of them is elsewhere."""
        return self._now() != self._remembered

    def _now(self) -> list[int | None]:
        weights = (holder.get(name) for holder, name in self._holders)
        return [None if weight is None else weight.data_ptr() for weight in weights]


def relative_error(result: Any, expected: Any) -> float:
    """The largest norm of a difference by the norm of what is expected, over all tensors; 0 for equal bits.

    Infinite or NaN where a number is not finite, or where nothing but zeros is expected.
    """
    errors = [0.0]
    for ours, theirs in zip(_tensors(result), _tensors(expected), strict=True):
        bits = BITS[theirs.element_size()]
        if not torch.equal(ours.view(bits), theirs.view(bits)):
            difference = torch.linalg.vector_norm(ours.float() - theirs.float())
            errors.append(float(difference / torch.linalg.vector_norm(theirs.float())))
    # max() may pass over a NaN.
    return math.nan if any(math.isnan(error) for error in errors) else max(errors)


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
    """The same nesting with tensors of its own; a library's class of result, a dictionary, stays that."""
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, dict):
        return type(value)(**{name: _copied(part) for name, part in value.items()})
    if isinstance(value, list | tuple):
        return type(value)(_copied(part) for part in value)
    return value


def _signature(value: Any) -> Hashable | None:
    """What a recording depends on: how tensors lie in memory, and every other value.

    None if it contains something of which it is not known when two are equal.
    Strides are part of it, since libraries choose their kernels by them, and each kernel rounds differently.
    """
    if isinstance(value, torch.Tensor):
        return (tuple(value.shape), value.stride(), value.dtype, value.device)
    if value is None or isinstance(value, bool | int | float | str):
        return (type(value), value)
    if isinstance(value, dict):
        parts = [(name, _signature(part)) for name, part in value.items()]
        return None if any(part is None for _, part in parts) else (dict, *parts)
    if isinstance(value, list | tuple):
        signatures = [_signature(part) for part in value]
        return None if None in signatures else (type(value), *signatures)
    return None
