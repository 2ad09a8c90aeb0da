"""Models brought from the machine's memory, or from files mapped into it, to an NVIDIA or AMD GPU.

A copy that starts in ordinary memory goes through one small buffer of the driver's, and stops at every page
of a mapped file that is not in memory yet. Here several threads fetch the pages and fill page-locked buffers
of their own, from which the GPU takes the bytes by itself.
"""

import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import torch

THREADS = 4
# Of one buffer; each thread has two, so that it can fill one while the GPU empties the other.
BLOCK = 16 * 1024**2


class DeviceCopier:
    """Moves models to a device while the caller goes on; leaving its `with` ends that.

    Until `finish` only the structure of the models may be looked at, and on any other device than CUDA's
    nothing is moved before it. A model keeps its parameters, which get new storage.
    """

    def __init__(self, device: torch.device | str) -> None:
        self._device = torch.device(device)
        self._own = threading.local()
        self._threads = ThreadPoolExecutor(THREADS, "plitka-to-device")
        self._taken: set[torch.nn.Parameter] = set()
        self._begun: list[Future[None]] = []

    def start(self, model: torch.nn.Module) -> None:
        """Begin with a model, in the order of its weights in memory, which is that of the mapped file."""
        if self._device.type != "cuda":
            return
        weights = [
            weight for weight in model.parameters() if weight not in self._taken and not weight.is_cuda
        ]
        self._taken.update(weights)
        for weight in sorted(weights, key=torch.Tensor.data_ptr):
            self._begun.append(self._threads.submit(self._move, weight))

    def finish(self, models: Iterable[torch.nn.Module]) -> None:
        """Move these models in full, and wait for all that was begun. Raises what copying did."""
        models = list(models)
        for model in models:
            self.start(model)
        self.wait()
        for model in models:
            model.to(self._device)

    def wait(self) -> None:
        """Until all that was begun is done. Raises what copying did."""
        for future in self._begun:
            future.result()
        self._begun.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(cancel_futures=True)

    def _move(self, weight: torch.nn.Parameter) -> None:
        if not hasattr(self._own, "blocks"):
            self._own.blocks = [_Block(self._device) for _ in range(2)]
        weight.data = copied(weight.data, self._own.blocks)


class _Block:
    """A buffer that the bytes pass through: page-locked for a GPU, ordinary memory for any other device."""

    def __init__(self, device: torch.device, size: int = BLOCK) -> None:
        self.device = device
        self._bytes = torch.empty(size, dtype=torch.uint8, pin_memory=device.type == "cuda")
        self._emptied = torch.Event(device) if device.type == "cuda" else None

    @property
    def size(self) -> int:
        """How many bytes it holds."""
        return self._bytes.numel()

    def pass_on(self, source: torch.Tensor, target: torch.Tensor) -> None:
        """Copy at most `size` bytes, both uint8; the GPU may still be at it when this returns."""
        if self._emptied is not None:
            self._emptied.synchronize()
        filled = self._bytes[: len(source)].copy_(source)
        target.copy_(filled, non_blocking=True)
        if self._emptied is not None:
            self._emptied.record()

    def wait(self) -> None:
        """Until the GPU has all of it."""
        if self._emptied is not None:
            self._emptied.synchronize()


def copied(source: torch.Tensor, blocks: list[_Block]) -> torch.Tensor:
    """A tensor of the CPU's on the blocks' device, of the same values; its bytes pass through the blocks."""
    # The allocator's own tensors begin at multiples of 512 bytes, as fast kernels want them.
    target = torch.empty(source.shape, dtype=source.dtype, device=blocks[0].device)
    given, taken = (tensor.contiguous().view(-1).view(torch.uint8) for tensor in (source, target))
    size = blocks[0].size
    for number, begin in enumerate(range(0, len(given), size)):
        part, place = (tensor[begin : begin + size] for tensor in (given, taken))
        blocks[number % len(blocks)].pass_on(part, place)
    for block in blocks:
        block.wait()
    return target
