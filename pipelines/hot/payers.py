"""What the payer does: payments into the ledger of their paying parties, their legs to the accounts.

Both legs of a payment leave together, so they reach the account shards in one order. Facts of the accounts
pass through, each with the legs of its time, so that they stay in step with the payments.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from models.ledgers.history import payer_facts
from pipelines.hot.forgotten import Forgotten
from pipelines.hot.stage import BATCH_BYTES, Output
from pipelines.policy import Policy
from pipelines.state.shards import Rows, Shards, bound, by_shard, concatenated, event_order, put, shard_of
from pipelines.state.store import FactsByShard, InTime, Received, Store, facts_of, shards_of, sorted_out
from pipelines.streams.stream import Stream
from pipelines.streams.table import Ledgers, ledgers_of
from schemas.rows.transfers import TRANSFER


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

    def setup(self) -> None:
        """Nothing is loaded."""

    def take(self, batch: Sequence[Received], store: Store) -> Iterator[Output]:
        """Add payments to the ledger; return their legs by the shard of the account, debits first."""
        known = ledgers_of(self._streams)
        received_us = min(received.received_us for received in batch)
        others = known.payers.facts[1:]
        parts = sorted_out(batch, (TRANSFER, *others, *known.passing))
        paid = parts.get(TRANSFER, [])
        own, passing = InTime(facts_of(parts, others)), InTime(facts_of(parts, known.passing))
        shard, transfers = shards_of(paid), concatenated([rows for _, rows in paid], TRANSFER)
        order = event_order(transfers)
        transfers, shard = transfers.take(order), shard[order]
        rows = BATCH_BYTES // (2 * known.leg.itemsize) + 1
        for start in range(0, max(len(transfers), 1), rows):
            part = slice(start, start + rows)
            last = start + rows >= len(transfers)
            until_us = None if last else int(transfers["at_us"][start + rows - 1])
            legs = self._known(known, transfers[part], shard[part], own.until(until_us), store)
            for number, block in self._by_account(legs, passing.until(until_us)):
                yield Output("blocks", (number, block), received_us)
        for alarm in self._forgotten.alarms(store):
            yield Output("alarms", alarm, received_us)

    def _known(
        self, known: Ledgers, transfers: Rows, shard: Shards, others: FactsByShard, store: Store
    ) -> Rows:
        """Add payments to the ledger; return them as legs with what was known of their payers."""
        legs = np.empty(len(transfers), known.leg)
        put(legs, "transfer", transfers)
        legs["value"] = value = self._policy.value(transfers)
        keep = self._policy.memory.of_shard(self._shards)
        views = store.observe(
            known.payers, shard, payer_facts(transfers, value), np.arange(len(legs)), others, keep=keep
        )
        put(legs, "payer", views)
        return legs

    def _by_account(self, legs: Rows, passing: FactsByShard) -> Iterator[tuple[int, bytes]]:
        sides: dict[int, list[Rows]] = {}
        for account in ("debtor_account", "creditor_account"):
            for number, part in by_shard(legs, shard_of(legs["transfer"][account], self._shards)):
                part["credit"] = account == "creditor_account"
                sides.setdefault(number, []).append(part)
        for number in sorted({*sides, *passing}):
            kinds = [sides[number]] if number in sides else []
            yield number, bound(*kinds, *([part] for part in passing.get(number, ())))
