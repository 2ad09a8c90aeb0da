"""What breaks a drawing off in the middle: a caller that cancels, a call that fails, memory that is short."""

from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import TorchDispatchMode

# Every model call of a request with a ControlNet: a preview of one or two steps, a final picture of two.
CALLS = [("text_encoder", 1), ("text_encoder_2", 2), ("vae.encoder", 1), ("vae.encoder", 2)]
CALLS += [("unet", 1), ("unet", 2), ("vae.decoder", 1), ("vae.decoder", 2)]


class Cancelled(BaseException):
    """As Cog's own, no Exception."""


class BreaksOff(TorchDispatchMode):
    """Within, the n-th product of two matrices raises `error`, as the GPU's allocator or a caller may.

    A change of the LoRA's scale makes one for every module, before any model runs. `function` is another
    operation in place of the product; None for any of them.
    """

    def __init__(self, error, product, function=torch.ops.aten.mm.default):
        super().__init__()
        self.error, self.product, self.function = error, product, function
        self.made = 0

    def __torch_dispatch__(self, function, types, given=(), named=None):
        if self.function in (None, function):
            self.made += 1
            if self.made == self.product:
                raise self.error
        return function(*given, **(named or {}))


@contextmanager
def failing(module, error, calls=(1,)):
    """Within, the module raises `error` on its n-th call for every n in `calls`; yields the calls made."""
    made = []

    def before(*call):
        made.append(len(made) + 1)
        if made[-1] in calls:
            raise error

    hook = module.register_forward_pre_hook(before)
    try:
        yield made
    finally:
        hook.remove()


def out_of_memory():
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def part_of(engine, path):
    """A module of the base pipeline, e.g. `vae.decoder`."""
    first, _, rest = path.partition(".")
    return getattr(engine.pipelines.base, first).get_submodule(rest)
