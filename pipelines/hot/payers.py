"""What the payer does: payments into the ledger of their paying parties, their legs to the accounts.

Both legs of a payment leave together, so they reach the account shards in one order. Facts of the accounts
pass through, each with the legs of its time, so that they stay in step with the payments.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from models.features import FloatArray
from models.ledgers.history import payer_facts
from models.ledgers.ledger import Ledger
from pipelines.hot.forgotten import Forgotten
from pipelines.hot.stage import BATCH_BYTES, Output
from pipelines.kafka.sink import OutRecord
from pipelines.policy import Policy
from pipelines.state.shards import bound, by_shard, concatenated, event_order, put, shard_of
from pipelines.state.store import (
    FactsByShard,
    InTime,
    Parts,
    Received,
    Store,
    facts_of,
    shards_of,
    sorted_out,
)
from pipelines.streams.stream import Stream
from pipelines.streams.table import Ledgers, ledgers_of
from schemas.rows import Rows
from schemas.rows.transfers import TRANSFER


class Seen(NamedTuple):
    """Payments in order of events, and what goes with them to the accounts.

    Attributes:
        transfer: TRANSFER[n].
        value: amounts in the job's reference currency, minor units, float64[n].
        payer: what was known of their payers, n views of the ledger.
        passing: facts of the accounts up to their time.

    """

    transfer: Rows
    value: FloatArray
    payer: Rows
    passing: FactsByShard


class Payers:
    """Adds payments to their payers' ledger; emits `blocks` for the shards of the accounts, and `alarms`.

    All payments of a bundle are one batch, whatever their shards: an account's legs come in order
    of event time.
    """

    ledgers: tuple[str, ...] = ("payers",)
    waits = True

    def __init__(self, policy: Policy, shards: int, streams: tuple[Stream, ...]) -> None:
        self._policy = policy
        self._shards = shards
        self._streams = streams
        self._forgotten = Forgotten(policy)

    @property
    def ledger(self) -> Ledger:
        """The ledger that payments are added to."""
        return ledgers_of(self._streams).payers

    @property
    def days(self) -> int:
        """So many days ledgers keep what they know."""
        return self._policy.memory.days

    def setup(self) -> None:
        """Nothing is loaded."""

    def take(self, batch: Sequence[Received], store: Store) -> Iterator[Output]:
        """Add payments to the ledger; return their legs by the shard of the account, debits first."""
        known = ledgers_of(self._streams)
        received_us = min(received.received_us for received in batch)
        for seen in self.seen(sorted_out(batch, (TRANSFER, *known.payers.facts[1:], *known.passing)), store):
            for number, block in self._by_account(known, seen):
                yield Output("blocks", (number, block), received_us)
        for alarm in self.alarms(store):
            yield Output("alarms", alarm, received_us)

    def alarms(self, store: Store) -> Iterator[OutRecord]:
        """Yield the alarms that are due of what the ledger forgot, as records."""
        return self._forgotten.alarms(store)

    def seen(self, parts: Parts, store: Store) -> Iterator[Seen]:
        """Add payments and what else the ledger takes; yield the payments, so many at a time."""
        known = ledgers_of(self._streams)
        others = known.payers.facts[1:]
        paid = parts.get(TRANSFER, [])
        own, passing = InTime(facts_of(parts, others)), InTime(facts_of(parts, known.passing))
        shard, transfers = shards_of(paid), concatenated([rows for _, rows in paid], TRANSFER)
        order = event_order(transfers)
        rows = BATCH_BYTES // (2 * known.leg.itemsize) + 1
        for start in range(0, max(len(order), 1), rows):
            places = order[start : start + rows]
            part = transfers.take(places)  # a batch at a time stays near the processor
            until_us = int(part["at_us"][-1]) if start + rows < len(order) else None
            value = self._policy.value(part)
            views = store.observe(
                known.payers,
                shard[places],
                payer_facts(part, value),
                np.arange(len(value)),
                own.until(until_us),
                keep=self._policy.memory.of_shard(self._shards),
            )
            yield Seen(part, value, views, passing.until(until_us))

    def _by_account(self, known: Ledgers, seen: Seen) -> Iterator[tuple[int, bytes]]:
        legs = np.empty(len(seen.value), known.leg)
        put(legs, "transfer", seen.transfer)
        put(legs, "payer", seen.payer)
        legs["value"] = seen.value
        sides: dict[int, list[Rows]] = {}
        for account in ("debtor_account", "creditor_account"):
            for number, part in by_shard(legs, shard_of(legs["transfer"][account], self._shards)):
                part["credit"] = account == "creditor_account"
                sides.setdefault(number, []).append(part)
        for number in sorted({*sides, *seen.passing}):
            kinds = [sides[number]] if number in sides else []
            yield number, bound(*kinds, *([part] for part in seen.passing.get(number, ())))
