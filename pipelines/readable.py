"""Waiting for a descriptor, in processes that have more than the 1,024 `select` can name."""

import select
from math import ceil


def readable(descriptor: int, wait_s: float) -> bool:
    """Whether there is something to read, or an end to notice, within `wait_s`."""
    looked = select.poll()
    looked.register(descriptor, select.POLLIN)
    return bool(looked.poll(ceil(wait_s * 1000)))
