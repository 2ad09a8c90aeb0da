"""A recorder for models on the CPU that keeps what a CUDA graph keeps: operations and addresses, no Python.

A tape runs the operations again on the memory that they had, weights included. What waits for the device, as
reading a number out of a tensor does, cannot be recorded; and all tapes share their intermediate results and
their outputs, which are garbage when another one is played.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from plitka.diffusion.cuda_graphs import Recording

aten = torch.ops.aten
# What needs a number, or a size that depends on numbers, before the next operation.
WAITING = {
    aten._local_scalar_dense.default,
    aten.nonzero.default,
    aten.equal.default,
    aten.is_nonzero.default,
}


class TapeRecorder:
    """Records tapes; `recorded` says how many so far. Called after `forward` has run with such inputs."""

    def __init__(self):
        self.recorded = 0
        self.tapes = []

    def __call__(self, forward, inputs, options):
        self.recorded += 1
        tape = Tape()
        with tape:
            output = forward(*inputs, **options)
        self.tapes.append(tape)

        def replay():
            for other in self.tapes:
                other.spoil()
            tape.play()

        return Recording((inputs, options), output, replay)


class Tape(TorchDispatchMode):
    """The operations that are run while it is entered."""

    def __init__(self):
        super().__init__()
        self.operations = []
        self.made = []
        self.is_spoilt = False

    def __torch_dispatch__(self, function, types, given=(), named=None):
        if function in WAITING:
            raise RuntimeError("operation not permitted when stream is capturing")
        named = named or {}
        held = tree_map(_at_its_address, (given, named))
        result = function(*given, **named)
        into = None
        if not function._schema.is_mutable:
            places = {leaf.untyped_storage().data_ptr() for leaf in _tensors(held)}
            # A view needs no work; it looks at the same memory.
            if any(part.untyped_storage().data_ptr() in places for part in _tensors(result)):
                return result
            into = tree_map(_at_its_address, result)
            self.made += _tensors(into)
        self.operations.append((function, held, into))
        return result

    def play(self):
        self.is_spoilt = False
        for function, (given, named), into in self.operations:
            result = function(*given, **named)
            for place, value in zip(_tensors(into), _tensors(result), strict=into is not None):
                place.copy_(value)

    def spoil(self):
        if self.is_spoilt:
            return
        self.is_spoilt = True
        for made in self.made:
            if made.is_floating_point() and made.numel():
                made.fill_(torch.nan)


def _at_its_address(value):
    """The tensor's memory, whatever a weight is given for its own later."""
    return value.detach() if isinstance(value, torch.Tensor) else value


def _tensors(value):
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor)]
