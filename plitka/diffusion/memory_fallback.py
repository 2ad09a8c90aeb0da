"""Work on the GPU that may run out of its memory: tried again without recordings, then offloaded."""

import logging
from collections.abc import Callable
from typing import Protocol, TypeVar

from plitka.device.select import DeviceInfo, manage_gpu_memory
from plitka.diffusion.gpu_errors import is_out_of_memory
from plitka.errors import GpuMemoryError

GIB = 1024**3

T = TypeVar("T")
log = logging.getLogger(__name__)


class Offloading(Protocol):
    """Models that can be offloaded, level by level."""

    device_info: DeviceInfo

    @property
    def offload_level(self) -> str:
        """What is offloaded, in words."""
        ...

    def drop_recordings(self) -> bool:
        """Free the memory of recorded work and record no more; False if there was none."""
        ...

    def lower(self) -> bool:
        """Offload more; False if there is no more to offload."""
        ...


def with_fallback(models: Offloading, work: Callable[[], T]) -> tuple[T, tuple[str, ...]]:
    """Run; out of memory, run again without recordings, and then once more one offload level further.

    Returns what `work` returns, and a sentence for each lack of memory. Raises GpuMemoryError with numbers if
    the last try fails too.
    """
    retries: tuple[str, ...] = ()
    may_lower = True
    while True:
        try:
            return work(), retries
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            failure = str(error)
        # Only out here has the exception let go of the frames that keep the tensors.
        level = models.offload_level
        if models.drop_recordings():
            retry = f"out of memory at offload '{level}', again without recordings"
        elif may_lower and models.lower():
            may_lower = False
            retry = f"out of memory at offload '{level}', again at '{models.offload_level}'"
        else:
            raise GpuMemoryError(_report(models, failure))
        retries = (*retries, retry)
        log.warning("%s: %s", retry, failure)


def _report(models: Offloading, failure: str) -> str:
    device = models.device_info
    status = manage_gpu_memory(device, "clear")
    return (
        f"out of memory on {device.name} at offload '{models.offload_level}': "
        f"{status.free / GIB:.1f} GiB free of {status.total / GIB:.1f} GiB, "
        f"{status.allocated / GIB:.1f} GiB held by this process ({failure})"
    )
