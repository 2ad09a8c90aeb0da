"""CUDA graphs: the launches of many GPU kernels recorded once, and replayed without Python in between.

A denoising step of SDXL is some two thousand kernels, and at 512 pixels Python needs longer to launch them
than the GPU to run them. A graph keeps the launches with their addresses: before it is replayed, inputs are
copied to where they were when it was recorded
(https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs). ROCm has the same under the same names.
"""

import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Recording:
    """Work that can be replayed: it reads `inputs` and leaves its result in `output`."""

    inputs: tuple[tuple[Any, ...], dict[str, Any]]
    output: Any
    replay: Callable[[], None]


# Takes the work, which has run once before with such inputs, and its inputs, which stay where they are.
Recorder = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Recording]


class CudaRecorder:
    """Records CUDA graphs that share one pool of memory, since only one of them runs at a time.

    A result must be read before the next replay: other graphs may put theirs into the same place.
    """

    def __init__(self) -> None:
        self._graphs: weakref.WeakSet[torch.cuda.CUDAGraph] = weakref.WeakSet()

    def __call__(
        self, forward: Callable[..., Any], inputs: tuple[Any, ...], options: dict[str, Any]
    ) -> Recording:
        """Record one run. Raises RuntimeError for work that cannot be; the GPU stays usable."""
        # A pool ends with its last graph, and must not be named again then.
        live = next(iter(self._graphs), None)
        pool = live.pool() if live else torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        try:
            # torch's own context leaves its stream in use if the end of the recording fails.
            with (
                torch.cuda.stream(torch.cuda.current_stream()),
                # The monitor's thread may ask for the memory's figures meanwhile.
                torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"),
            ):
                output = forward(*inputs, **options)
        except BaseException:
            _leave_pool(pool)
            raise
        self._graphs.add(graph)
        return Recording((inputs, options), output, graph.replay)


def _leave_pool(pool: Any) -> None:
    """Have the allocator serve from its usual memory again.

    A recording that a forbidden call has spoilt cannot be ended, and some versions of torch then go on
    allocating in its pool. Others have left it already, or have no such function: both are as wanted.
    """
    device = torch.cuda.current_device()
    with suppress(RuntimeError, AttributeError):
        torch._C._cuda_endAllocateToPool(device, pool)  # type: ignore[attr-defined]  # not in torch's stubs
        torch._C._cuda_releasePool(device, pool)  # type: ignore[attr-defined]
