"""What a process that scores for ever does without: habits of Python and the C library that cost it time."""

import ctypes
import gc

#: Objects made and not yet freed before the collector looks; a bundle's blocks make some thousands.
GC_ALLOCATIONS = 50_000

#: For glibc's `mallopt`: from which size on memory is mapped by itself, at most this; how much free is kept.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
MAPPED_BYTES, KEPT_BYTES = 1 << 25, 1 << 30


def settle() -> None:
    """Spare the collector what is loaded so far, keep memory once allocated.

    The collector would walk the 300,000 objects of start-up again and again, 0.1 s each (a twelfth of the
    time, measured with gc.callbacks), and look at a block's rows three times while it is decoded.

    A block's memory would go back to the system and come again, zeroed, with the next. What threads have of
    their own is given back whatever is kept, so they share one heap.
    """
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 10, 10)
    if hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_ARENA_MAX, 1)
        libc.mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
