"""Returns free memory of the process to the operating system."""

import ctypes


def release_free_memory() -> None:
    """Return the heap's free pages to the system; does nothing if the C library has no `malloc_trim`.

    glibc returns memory by itself only from the end of a heap. Which block is there is chance, so without
    this the memory of a server varies by tens of MiB from one prediction to the next. The free end of heaps
    beyond the first is kept even so, which is why servers run with `MALLOC_ARENA_MAX=1`.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))
