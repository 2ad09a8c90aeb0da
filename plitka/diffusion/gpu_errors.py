"""Errors of the GPU: which are a lack of memory, and which end the process's use of the GPU."""

import torch

from plitka.errors import GpuMemoryError

# Messages of the libraries under PyTorch, which have no error class of their own.
OUT_OF_MEMORY_SIGNS = (
    "CUDA error: out of memory",
    "STATUS_ALLOC_FAILED",
    "Triton Error [CUDA]: out of memory",
    "Triton Error [HIP]: out of memory",
)
FATAL_SIGNS = ("CUDA error", "HIP error", "device-side assert", "Triton Error")


def is_out_of_memory(error: BaseException) -> bool:
    """True if PyTorch or a library under it could not allocate."""
    return isinstance(error, torch.OutOfMemoryError) or any(
        sign in str(error) for sign in OUT_OF_MEMORY_SIGNS
    )


def is_fatal(error: BaseException) -> bool:
    """True if the process's connection to the GPU is of no more use."""
    if isinstance(error, GpuMemoryError) or is_out_of_memory(error):
        return False
    return isinstance(error, torch.AcceleratorError) or any(sign in str(error) for sign in FATAL_SIGNS)
