"""What ledgers end as does not hang on the order in which partitions are read."""

import numpy as np
import pytest

from models import features
from models.features.catalogue import CATALOGUE
from models.ledgers.history import history
from schemas.rows import Rows
from schemas.units import HOUR_US
from tests.chaos.rounds import differing
from tests.chaos.subjects import Tables
from tests.hotpath.conftest import Stream

PARTITIONS, COUNT = 4, 3_000


def one_partition_after_the_other(rows: Rows) -> Rows:
    places = np.arange(len(rows))
    return rows[np.lexsort((places, places % PARTITIONS))]


def asked(rows: Rows, probes: Rows) -> Tables:
    """What each of the probes, payments long after these, is told."""
    every = np.concatenate([rows, probes])
    legs = history(every, every["amount_minor"].astype(np.float64)).credit
    told = features.matrix(CATALOGUE, legs)[len(rows) :]
    return {number: tuple(map(float, row)) for number, row in enumerate(told)}


@pytest.fixture(scope="module")
def paid(stream: Stream) -> Rows:
    return stream.rows[:COUNT]


@pytest.fixture(scope="module")
def probes(paid: Rows) -> Rows:
    """One more payment of everybody."""
    found = paid[np.unique(paid["debtor_account"][:, 1], return_index=True)[1]].copy()
    found["at_us"] = paid["at_us"].max() + HOUR_US
    return found


def test_ledgers_hold_the_same_whatever_partition_is_read_first(paid: Rows, probes: Rows) -> None:
    assert differing(asked(paid, probes), asked(one_partition_after_the_other(paid), probes)) == 0


@pytest.mark.parametrize("times", [0, 2])
def test_one_payment_lost_or_counted_twice_is_seen(paid: Rows, probes: Rows, times: int) -> None:
    again = np.repeat(paid, [times if place == COUNT - 500 else 1 for place in range(COUNT)])

    assert differing(asked(paid, probes), asked(again, probes)) > 0
