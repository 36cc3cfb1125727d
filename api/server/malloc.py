"""glibc's allocator, told to give back what large answers took.

By default each thread has an arena of its own, and of those `malloc_trim` keeps the free ends: 30
large pages left 110 MiB behind, and leave 10 with one arena.
"""

import ctypes

_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h
_library = ctypes.CDLL(None)
_trim = getattr(_library, "malloc_trim", None)  # not in every C library
_set_option = getattr(_library, "mallopt", None)


def use_one_arena() -> None:
    """Share one arena among all threads. Call it before there are any."""
    if _trim is not None and _set_option is not None:
        _set_option(_ARENA_MAX, 1)


def give_back() -> None:
    """Return free memory to the system. It takes milliseconds; other threads go on meanwhile."""
    if _trim is not None:
        _trim(0)
