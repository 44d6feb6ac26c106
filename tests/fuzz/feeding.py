"""Feed what is fuzzed, a lot at a time, in whichever process: the same inputs for a seed."""

import logging
import time
import traceback
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.offices import everything
from tests.fuzz.targets import Target, inputs

#: Inputs drawn at a time.
LOT = 2000


class Lot(NamedTuple):
    """Inputs of one target that are drawn and fed together; the same for a seed, whoever feeds them."""

    name: str
    number: int
    count: int
    seed: int


class Outcome(NamedTuple):
    """How many inputs were accepted, how many explained, finds by their place, and seconds."""

    accepted: int
    explained: int
    finds: Mapping[str, bytes]
    seconds: float


def lots(name: str, count: int, seed: int) -> Iterator[Lot]:
    """Part so many inputs of a target."""
    for number, start in enumerate(range(0, count, LOT)):
        yield Lot(name, number, min(LOT, count - start), seed)


def fed(target: Target, lot: Lot) -> Outcome:
    """Feed a target with a lot."""
    accepted, finds, began = 0, dict[str, bytes](), time.monotonic()
    given = inputs(target, lot.count, f"{lot.name}/{lot.seed}/{lot.number}")
    broken = 0
    for value in given:
        try:
            accepted += target.feed(value)
        except Exception as error:
            broken += 1
            last = traceback.extract_tb(error.__traceback__)[-1]
            finds.setdefault(
                f"{type(error).__name__} {Path(last.filename).name}:{last.lineno}: {error}"[:300], value
            )
    return Outcome(accepted, len(given) - accepted - broken, finds, time.monotonic() - began)


@cache
def every_target() -> Mapping[str, Target]:
    """Return all there is, made ready once in a process."""
    logging.disable(logging.CRITICAL)
    return everything()


def fed_lot(lot: Lot) -> tuple[str, Outcome]:
    """Feed a lot to its target; return the name of that, too."""
    return lot.name, fed(every_target()[lot.name], lot)
