"""Python's cyclic garbage collector, tamed for a process that scores for ever."""

import gc

#: Objects made and not yet freed before the collector looks; a bundle's blocks make some thousands.
GC_ALLOCATIONS = 50_000


def settle() -> None:
    """Leave what is loaded so far alone, and look seldom.

    The collector would walk the 300,000 objects of start-up again and again, 0.1 s each (a twelfth of the
    time, measured with gc.callbacks), and look at a block's rows three times while it is decoded.
    """
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 10, 10)
