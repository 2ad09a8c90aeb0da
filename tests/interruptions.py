"""What breaks a drawing off in the middle: a caller that cancels, a call that fails, memory that is short."""

from contextlib import contextmanager

import torch

# Every model call of a request with a ControlNet: a preview of one or two steps, a final picture of two.
CALLS = [("text_encoder", 1), ("text_encoder_2", 2), ("vae.encoder", 1), ("vae.encoder", 2)]
CALLS += [("unet", 1), ("unet", 2), ("vae.decoder", 1), ("vae.decoder", 2)]


class Cancelled(BaseException):
    """As Cog's own, no Exception."""


class CancelledHalfway(list):
    """In place of a list: whoever goes through it is cancelled in its middle."""

    def __iter__(self):
        yield from self[: len(self) // 2]
        raise Cancelled


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
