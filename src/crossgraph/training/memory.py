"""Keep freed memory: on Linux, large tensors otherwise come fresh from the kernel at every step.

Each step of training frees and takes the same few hundred megabytes. The C library hands blocks of that size back to
the kernel and gets them again page by page, each page zeroed: on a small machine that costs more than the arithmetic.
"""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # the C library's names for its parameters, from malloc.h


def keep_freed_memory() -> bool:
    """Tell the C library to keep freed memory for this process; false where it cannot be told (not glibc)."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        configure = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(configure(MMAP_MAX, 0)) and bool(configure(TRIM_THRESHOLD, 2**31 - 1))
