"""Worlds with scammers who choose, lived through: rows of both legs, the truth beside them."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from console.lab.rows import of_world as recorded
from fixtures.mix import Mix
from fixtures.plan import DAY
from fixtures.world import START_US, World, simulate
from models.features import FloatArray
from models.learning.stream import LegRows, joined, of_recorded
from models.learning.stress import TENURES, Stressed
from pipelines.policy import Policy


class Size(NamedTuple):
    """Worlds of one kind: how many from which seed on, how long, how large.

    The first `history_days` only fill the ledgers. Scams are `scam_rate` of payments, dozens of times the
    rate of life, so that small worlds have cases; figures that depend on the rate are given at that of life.
    `clues` is the share of people whose operator tells of calls and devices.
    """

    seed: int
    worlds: int
    days: int = 21
    history_days: int = 7
    accounts: int = 4_000
    scam_rate: float = 0.0015
    clues: float = 0.0

    def other(self, first: int) -> "Size":
        """Return worlds like these of other seeds."""
        return self._replace(seed=self.seed + first)


class Lived(NamedTuple):
    """One world after its history: rows of both legs, their truth (scores are 0), and what nobody knew then.

    `hidden` counts what had happened by then, known to the world at once, to a bank days later or never,
    float64[n, 5]: scam payments into the payee's account and into the payer's, scam payments of the payer,
    debits of scam money from the payee's account and from the payer's.
    """

    rows: dict[str, LegRows]
    truth: Stressed
    hidden: FloatArray


def live(
    mix: Mix | None, size: Size, rules: Policy, through: Mapping[str, float] | None = None
) -> Iterator[Lived]:
    """Simulate worlds of `mix`, None for the easy world, one after the other."""
    for seed in range(size.seed, size.seed + size.worlds):
        world = simulate(
            seed, size.days, size.accounts, scam_rate=size.scam_rate, mix=mix, through=through,
            clues=size.clues,
        )  # fmt: skip
        stream = recorded(world, rules)
        shown = stream.transfers["at_us"] >= START_US + size.history_days * DAY
        rows = {leg: each.take(shown) for leg, each in of_recorded(stream).items()}
        truth = _truth(world, seed, stream.transfers, stream.value)
        yield Lived(rows, truth.take(shown), _hidden(world)[shown])


def to_grow_on(worlds: Iterator[Lived]) -> tuple[dict[str, LegRows], dict[str, FloatArray]]:
    """Return rows of both legs to fit models to, thinned, and what is hidden of them."""
    rows: list[dict[str, LegRows]] = []
    hidden: dict[str, list[FloatArray]] = {}
    for world in worlds:
        rows.append({leg: each.thinned() for leg, each in world.rows.items()})
        for leg, each in rows[-1].items():
            kept = np.isin(world.rows[leg].txn_id, each.txn_id)
            hidden.setdefault(leg, []).append(world.hidden[kept])
    return joined(rows), {leg: np.concatenate(each) for leg, each in hidden.items()}


def _truth(world: World, seed: int, transfers: NDArray[np.void], value: FloatArray) -> Stressed:
    truth, n = world.truth, len(transfers)

    def column(name: str) -> NDArray[Any]:
        return np.asarray(truth[name].to_numpy(zero_copy_only=False))

    case = pa.array(truth["case_id"].to_pylist()).dictionary_encode()
    number = case.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    years = np.searchsorted([365, 5 * 365], column("tenure_d"), side="right")
    return Stressed(
        at_us=transfers["at_us"],
        value=value,
        good=column("part").astype(str) == "",
        scam=column("scam"),
        leaves=column("hop") == 1,
        case=np.where(column("case_id").astype(str) == "", -1, number),
        tactic=column("tactic").astype(str),
        coached=column("coached"),
        payer=transfers["debtor"][:, 1],
        age_band=column("age_band").astype(str),
        tenure=np.array(TENURES)[years],
        institution=np.array(world.payments["debtor_agent"].to_pylist()),
        world=np.full(n, seed),
        cleared_us=column("cleared_us"),
        credit=np.zeros(n),
        debit=np.zeros(n),
    )


def _hidden(world: World) -> FloatArray:
    names = ("debtor_account", "creditor_account")
    debtor, creditor = (world.payments[name].to_pylist() for name in names)
    scam, laundering = (world.truth[name].to_pylist() for name in ("scam", "laundering"))
    out = np.zeros((len(debtor), 5))
    received, lost, moved = dict[str, int](), dict[str, int](), dict[str, int]()
    touched = {
        account
        for payer, payee, bad in zip(debtor, creditor, np.logical_or(scam, laundering).tolist(), strict=True)
        if bad
        for account in (payer, payee)
    }
    for row, (payer, payee) in enumerate(zip(debtor, creditor, strict=True)):
        if payer not in touched and payee not in touched:
            continue
        out[row] = (
            received.get(payee, 0), received.get(payer, 0), lost.get(payer, 0), moved.get(payee, 0),
            moved.get(payer, 0),
        )  # fmt: skip
        if scam[row]:
            received[payee] = received.get(payee, 0) + 1
            lost[payer] = lost.get(payer, 0) + 1
        if laundering[row]:
            moved[payer] = moved.get(payer, 0) + 1
    return out
