"""The in-process runner, without two defaults that would cost most of its time."""

import gc

from apache_beam.runners.portability.fn_api_runner import FnApiRunner, worker_handlers

#: Objects made and not yet freed before the collector looks; a bundle's blocks make some thousands.
GC_ALLOCATIONS = 50_000


def in_process() -> FnApiRunner:
    """Return Beam's in-process runner with its state cache off and Python's collector at rest.

    The runner's state is a dict in this process already. Caching it again weighs every value read by
    walking all loaded modules, 5 ms each (half the time of the whole job, measured with cProfile).

    The collector would walk the 300,000 objects of start-up again and again, 0.1 s each (a twelfth of the
    time, measured with gc.callbacks), and look at a block's rows three times while it is decoded.
    """
    worker_handlers.STATE_CACHE_SIZE_MB = 0
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 10, 10)
    return FnApiRunner()
