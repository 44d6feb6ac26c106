"""What a process that scores for ever does without: parts of Python and Beam that cost it time."""

import gc

from apache_beam.runners.worker.statesampler import StateSampler

#: Objects made and not yet freed before the collector looks; a bundle's blocks make some thousands.
GC_ALLOCATIONS = 50_000

#: How often Beam notes which step is at work, milliseconds.
SAMPLE_MS = 1


def settle() -> None:
    """Let the collector leave alone what is loaded so far and look seldom, and let bundles end at once.

    The collector would walk the 300,000 objects of start-up again and again, 0.1 s each (a twelfth of the
    time, measured with gc.callbacks), and look at a block's rows three times while it is decoded.

    A bundle ends by waiting for the thread that notes which step is at work, which sleeps for about a sixth
    of the time the bundle has taken, up to 200 ms, unless told otherwise.
    """
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 10, 10)
    StateSampler.__init__.__defaults__ = (SAMPLE_MS,)
