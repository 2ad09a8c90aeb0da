"""The process's heap, as far as the operating system sees it."""

import ctypes


def release_free_memory() -> None:
    """Give the heap's free pages back to the system; does nothing where the C library has no `malloc_trim`.

    glibc returns memory by itself only from the end of a heap. Which block lies there is chance, so without
    this the memory of a server wanders by tens of MiB from one prediction to the next. The free end of heaps
    beyond the first is kept all the same, which is why servers run with `MALLOC_ARENA_MAX=1`.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))
