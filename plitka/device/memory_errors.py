"""How a lack of the machine's memory shows: every library has its own error for it, and some have none."""

import errno
import mmap
import os
from collections.abc import Iterator

from plitka.settings import library_threads

SENTENCE = "There is too little memory for this. Close other programs, or give this one more."
# numpy and Python raise MemoryError. These are the words of OpenCV, PyTorch, the loader of shared libraries
# and the system, where it gives a thread no room for its stack.
SIGNS = (
    "insufficient memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "bad_alloc",
    "can't start new thread",
    "failed to map segment from shared object",
)
# Address space that numpy and OpenCV take as they are loaded, with their own BLAS each: measured as 340 MB
# with one thread and 180 MB more with each other one, of numpy 2.4 and OpenCV 4.13.
LIBRARIES_BYTES, THREAD_BYTES = 360 * 2**20, 180 * 2**20
# With less than this nothing works, whatever the error is.
SPARE_BYTES = 32 * 2**20


def check_room_for_libraries() -> None:
    """Raise MemoryError under a limit of the address space (`ulimit -v`) in which loading would crash."""
    if _is_limited() and not _has_room(LIBRARIES_BYTES + (_threads() - 1) * THREAD_BYTES):
        raise MemoryError


def _is_limited() -> bool:
    try:
        import resource
    except ModuleNotFoundError:
        # Windows has no such limit.
        return False
    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def is_memory_error(error: BaseException) -> bool:
    """True if a lack of memory is the cause of this error, however many errors stand between."""
    return any(_is_lack(link) for link in _chain(error)) or not _has_room(SPARE_BYTES)


def _is_lack(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    return isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in SIGNS)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _has_room(count: int) -> bool:
    try:
        mmap.mmap(-1, count).close()
    except OSError:
        return False
    return True


def _threads() -> int:
    # Only Linux says which processors this process may use.
    ours = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return library_threads() or ours or 1
