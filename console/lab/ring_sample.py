"""How well rings are found in AMLSim's sample, whose labels say who launders but not with whom.

Truth is rebuilt: a closed round of labelled accounts that one sum went around. Only rounds that are whole can
be judged, and pairs of their accounts only; the other labelled accounts are suspected all the same.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from console.lab.ring_truth import without
from measures.rings.components import components, leiden
from measures.rings.links import Known
from models.benchmarks import amlsim
from schemas.errors import ConfigError
from schemas.ring import Link
from schemas.units import DAY_US

#: Rounds of more accounts are not looked for.
ROUND_MOST = 16


class Judged(NamedTuple):
    """Figures of a sample: rounds that are whole, rings found, and pairs of accounts of the rounds."""

    rounds: int
    accounts: int
    rings: int
    largest: int
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def measured(file: Path, *, missing: float = 0.0, seed: int = 0) -> Judged:
    """Suspect every account that is labelled, tie them by their payments to each other, and judge the rounds.

    Raises:
        ConfigError: the file or the accounts beside it are missing.

    """
    try:
        sample = amlsim.load(file)
    except (OSError, KeyError, pa.ArrowException) as error:
        raise ConfigError(
            f"{file} and the accounts beside it (…_nodes.parquet) cannot be read as AMLSim's sample: "
            f"{error}; name its file of transactions"
        ) from error
    inside = sample.launders[sample.payer] & sample.launders[sample.payee] & (sample.payer != sample.payee)
    links = tuple(
        Link(
            kind="PAID", left=str(payer), right=str(payee), at_us=int(day) * DAY_US, cause_id=str(number),
            txn_id=str(number), amount_minor=int(amount), currency="USD",
        )
        for number, (payer, payee, amount, day) in enumerate(
            zip(*(each[inside].tolist() for each in sample[:4]), strict=True)
        )
    )  # fmt: skip
    suspected = frozenset(map(str, np.flatnonzero(sample.launders).tolist()))
    known = without(Known(links, suspected, links[-1].at_us if links else 0), missing, seed)
    true = set(rounds(links))
    of_round = {account for each in true for account in each}
    found = [component.accounts for component in components(known, leiden)]
    together = {pair for each in found for pair in combinations(sorted(each & of_round), 2)}
    right = {pair for each in true for pair in combinations(sorted(each), 2)}
    hit = len(together & right)
    return Judged(
        rounds=len(true),
        accounts=len(of_round),
        rings=len(found),
        largest=max(map(len, found), default=0),
        precision=hit / len(together) if together else 1.0,
        recall=hit / len(right) if right else 1.0,
    )


def rounds(links: tuple[Link, ...]) -> Iterator[frozenset[str]]:
    """Yield the accounts of each closed round that one sum went around; of one round several times."""
    by_sum: defaultdict[int, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for link in links:
        by_sum[link.amount_minor][link.left].add(link.right)
    for paid in by_sum.values():
        for first in list(paid):
            yield from _closed(paid, (first,))


def _closed(paid: Mapping[str, set[str]], way: tuple[str, ...]) -> Iterator[frozenset[str]]:
    for payee in paid.get(way[-1], ()):
        if payee == way[0] and len(way) > 2:
            yield frozenset(way)
        elif payee not in way and len(way) < ROUND_MOST:
            yield from _closed(paid, (*way, payee))
