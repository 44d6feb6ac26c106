"""Rows to train on and to measure with: from a simulated world, or from a decision log and feedback."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from console.lab.values import instant_us
from fixtures import mix
from fixtures.plan import RING_PARTS
from fixtures.stream import clues, feedback
from fixtures.world import World, simulate
from models.features import versions
from models.learning import labels
from models.learning.stream import LegRows, Recorded, of_log, of_recorded
from models.ledgers.findings import FOUND, facts_of
from models.scoring.bundle import LEGS
from pipelines.hot.decision_log import read as decision_log
from pipelines.policy import Policy
from pipelines.state.shards import concatenated
from pipelines.streams.clues import clue_facts
from pipelines.streams.feedback import found
from schemas.errors import ConfigError
from schemas.feedback import Feedback
from schemas.rows.transfers import of_columns

_MONEY = np.dtype([("amount_minor", "i8"), ("currency", "S3")])


def of_world(world: World, policy: Policy) -> Recorded:
    """Return a simulated world, paid in the policy's currency, as a recorded stream with its labels."""
    transfers = transfers_of(world.paid_in(policy.currency).payments)
    return Recorded(
        transfers,
        policy.value(transfers),
        world.truth["scam"].to_numpy(zero_copy_only=False),
        world.truth["laundering"].to_numpy(zero_copy_only=False),
        pc.is_in(world.truth["part"], pa.array(tuple(RING_PARTS.values()))).to_numpy(zero_copy_only=False),
        (
            *facts_of(concatenated(list(map(found, feedback(world.truth, world.payments))), FOUND)),
            clue_facts(list(clues(world.clues))),
        ),
    )


def transfers_of(payments: pa.Table) -> np.ndarray:
    """Return a table of payments as TRANSFER rows."""
    columns = {name: payments[name].to_pylist() for name in payments.schema.names}
    return of_columns(columns, payments.num_rows)


class DecisionLog(NamedTuple):
    """A decision log to read.

    Attributes:
        folder: where it is.
        skip_damaged: leave out what is damaged or none of it.
        say: is told what is left out, and which features are missing where.

    """

    folder: Path
    skip_damaged: bool = False
    say: Callable[[str], None] = lambda _: None


def of_decision_log(source: DecisionLog, leg: str, policy: Policy) -> LegRows:
    """Return a leg's decision log without labels.

    Raises:
        ConfigError: there is no log, a file of it is damaged, or the policy has no rate for a currency.

    """
    folder = existing_log(source.folder)
    log = decision_log.read(folder, leg.upper(), skip_damaged=source.skip_damaged)  # type: ignore[arg-type]
    for text in log.left_out:
        source.say(f"left out {text}")
    for days, names in _together(log.lacking).items():
        source.say(f"{leg} legs of {_span(days)} were logged without {', '.join(names)}")
    table = log.rows
    if not table.num_rows:
        raise ConfigError(
            f"{folder} holds no decision log of {leg} legs; name the folder given to "
            "`stopline run --decision_log`"
        )
    money = np.empty(table.num_rows, _MONEY)
    for name in _MONEY.names or ():
        money[name] = table[name].to_numpy(zero_copy_only=False)
    value = policy.value(money)
    if np.isnan(value).any():
        unknown = sorted(set(money["currency"][np.isnan(value)].astype(str).tolist()))
        raise ConfigError(f"the policy has no rate for {', '.join(unknown)}, which {folder} holds; add one")
    held = versions(leg)
    return LegRows(
        txn_id=table["txn_id"].to_numpy(zero_copy_only=False).astype("S35"),
        at_us=table["at_us"].to_numpy(),
        value=value,
        features=held,
        X=np.asfortranarray(np.column_stack([table[name].to_numpy() for name in held])),
        y=np.full(table.num_rows, labels.NONE, np.int8),
        weight=table["weight"].to_numpy(),
    )


def _together(lacking: Mapping[str, Sequence[str]]) -> dict[tuple[str, ...], list[str]]:
    """Return the features that lack on the same days, by these days."""
    found: dict[tuple[str, ...], list[str]] = {}
    for name, days in lacking.items():
        found.setdefault(tuple(days), []).append(name)
    return found


def _span(days: Sequence[str]) -> str:
    return days[0] if len(days) == 1 else f"{len(days)} days from {days[0]} to {days[-1]}"


def labelled_log(
    source: DecisionLog, feedback: Sequence[Feedback], policy: Policy, *, known_by: str, delay_days: float
) -> dict[str, LegRows]:
    """Return both legs of a decision log with the labels known by `known_by`, or by its newest row if ""."""
    found = labels.table(feedback)
    rows = {leg: of_decision_log(source, leg, policy) for leg in LEGS}
    by_us = instant_us(known_by) if known_by else max(int(each.at_us[-1]) for each in rows.values())
    return {
        leg: of_log(leg, each, found, known_by_us=by_us, delay_days=delay_days) for leg, each in rows.items()
    }


def existing_log(folder: Path) -> Path:
    """Return the folder of a decision log.

    Raises:
        ConfigError: it is not there.

    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder; name the one given to `stopline run --decision_log`")
    return folder


class Worlds(NamedTuple):
    """Simulated worlds, one a seed; `scam_rate` is scams per payment, `mix` names how scammers work.

    `clues` is the share of people whose operator tells of calls and devices.
    """

    seeds: Sequence[int]
    days: int
    accounts: int
    scam_rate: float
    mix: str = ""
    clues: float = 0.0


def of_worlds(worlds: Worlds, rules: Policy) -> Iterator[tuple[int, dict[str, LegRows]]]:
    """Simulate worlds one after the other; yields seed and rows."""
    chosen = mix.load(worlds.mix) if worlds.mix else None
    for seed in worlds.seeds:
        world = simulate(
            seed, worlds.days, worlds.accounts, scam_rate=worlds.scam_rate, mix=chosen, clues=worlds.clues
        )
        yield seed, of_recorded(of_world(world, rules))
