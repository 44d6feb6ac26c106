"""What the accounts see: legs into the ledger of accounts, scored and decided; tainted money followed."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.features import FloatArray, Legs
from models.ledgers.accounts import ACCOUNT_FACT
from models.ledgers.history import account_facts, both_legs
from pipelines.hot.brake import Brake
from pipelines.hot.decide import Decided, Decider, enforced_minor
from pipelines.hot.dissuade import blocks
from pipelines.hot.serving import InUse
from pipelines.hot.stage import Output
from pipelines.hot.tracer import Tracer
from pipelines.kafka.sink import OutRecord
from pipelines.metrics import LATENCY_GAUGES
from pipelines.process import PROCESS
from pipelines.state.shards import Shards, concatenated, event_order
from pipelines.state.store import FactsByShard, Received, Store, facts_of, runs, shards_of, sorted_out
from pipelines.streams.moves import MOVE
from pipelines.streams.stream import Stream
from pipelines.streams.table import ledgers_of
from pipelines.telemetry import TELEMETRY
from schemas.rows import Rows


class Side(NamedTuple):
    """Debits or credits before they reach their accounts: as in `Legs`, with the shard of each."""

    transfer: Rows
    value: FloatArray
    payer: Rows
    shard: Shards


class _Side(NamedTuple):
    """Debits or credits of a batch: what measures keep of each, and where each shard's are."""

    legs: Legs
    kept_minor: NDArray[np.int64]
    runs: list[tuple[int, slice]]


#: What decides the order of events.
STOOD = np.dtype([("at_us", "i8"), ("partition", "i4"), ("offset", "i8")])


class Accounts:
    """Adds legs to their accounts' ledger, scores and decides them.

    Emits `alerts`, alerts and alarms as records to send; `traces`, where tainted money went, as records;
    `asked`, what to tell whom, as warnings, or as blocks of them by shard of party where it takes batches;
    `decisions`, blocks for the decision log.
    """

    ledgers: tuple[str, ...] = ("accounts", "taint")
    waits = False

    def __init__(
        self,
        decider: Decider,
        tracer: Tracer,
        shards: int,
        decided: Mapping[int, int],
        streams: tuple[Stream, ...],
    ) -> None:
        self._decider = decider
        self._keep = decider.keep(shards)
        self._forgotten = decider.forgotten()
        self._shards = shards
        self._tracer = tracer
        self._decided = decided
        self._streams = streams

    def setup(self) -> None:
        """Load the models, once per process, and refuse one that does not fit the policy."""
        self._decider.models()

    def models(self, store: Store) -> InUse:
        """Return the models a bundle is decided with: those in use when it was first asked for them."""
        return store.once("models", self._decider.models)

    def take(self, batch: Sequence[Received], store: Store) -> Iterator[Output]:
        """Add a batch to the ledgers; what is emitted waits for decisions."""
        known = ledgers_of(self._streams)
        parts = sorted_out(batch, (known.leg, *known.accounts.facts[1:], *known.passing))
        sides = _sides(parts.get(known.leg, ()), known.leg)
        passing = facts_of(parts, known.passing)
        received_us = min(received.received_us for received in batch)
        return self._blocks(self.decided(*sides, passing, received_us, store))

    def decided(
        self, debits: Side, credits: Side, passing: FactsByShard, received_us: int, store: Store
    ) -> Iterator[Output]:
        """Add legs and other facts to the ledgers; what is emitted waits for decisions.

        Where both sides are the same payments, these are in order of events.
        """
        known = ledgers_of(self._streams).accounts
        stated: FactsByShard = {}
        traces: list[OutRecord] = []
        for number, parts in passing.items():
            stated[number] = [part for part in parts if part.dtype in known.facts]
            for moved in (part for part in parts if part.dtype == MOVE):
                traces += self._tracer.heard(number, moved, store)
        facts, order, at = _facts(debits, credits)
        shard = np.empty(len(facts), np.uint16)
        shard[at[0]], shard[at[1]] = debits.shard, credits.shard
        account = store.observe(known, shard, facts, order, stated, keep=self._keep)
        deciding: list[Future[Decided]] = []
        if len(facts):
            legs = [
                Legs(side.transfer, side.value, side.payer, account[places])
                for side, places in zip((debits, credits), at, strict=True)
            ]
            more, deciding = self._seen(legs, (debits.shard, credits.shard), store)
            traces += more
        alarms = list(self._forgotten.alarms(store))
        return self._outputs(traces, alarms, deciding, received_us)

    def remember(self, payments: Side, store: Store) -> None:
        """Add both legs of payments that were decided before to the ledger of accounts."""
        facts = both_legs(*payments[:3])
        shard = np.repeat(payments.shard, 2)
        known = ledgers_of(self._streams).accounts
        store.observe(known, shard, facts, np.arange(len(facts)), {}, keep=self._keep)

    def _seen(
        self, legs: Sequence[Legs], shards: Sequence[Shards], store: Store
    ) -> tuple[list[OutRecord], list[Future[Decided]]]:
        """Follow tainted money through the debits, and have them and the credits decided."""
        TELEMETRY.count("observed", len(legs[1].value))
        sides = []
        for credit, seen, at in zip((False, True), legs, shards, strict=True):
            fresh = self._fresh(seen.transfer)
            new = seen if fresh.all() else seen.rows(fresh)
            sides.append(_Side(new, enforced_minor(new, credit), list(runs(at[fresh]))))
        models = self.models(store)
        deciding = [
            self._deciding(models, side, store, credit=credit)
            for side, credit in zip(sides, (False, True), strict=True)
        ]
        debited = sides[0]
        traces = [
            record
            for number, part in debited.runs
            for record in self._tracer.seen(
                number, debited.legs.transfer[part], debited.kept_minor[part] > 0, store
            )
        ]
        return traces, deciding

    def _deciding(self, models: InUse, side: _Side, store: Store, *, credit: bool) -> Future[Decided]:
        brakes = []
        for shard, part in side.runs:
            if brake := store.object(shard, "brake", partial(self._decider.brake, shard), Brake.stored):
                brakes.append((part, brake))
        return PROCESS.threads("deciding").submit(
            self._decider.decide, models, side.legs, credit, side.kept_minor, brakes
        )

    def _fresh(self, transfer: Rows) -> NDArray[np.bool_]:
        """Tell which payments were not decided before this start."""
        fresh = np.ones(len(transfer), np.bool_)
        for number, end in self._decided.items():
            fresh &= (transfer["partition"] != number) | (transfer["offset"] >= end)
        return fresh

    def _outputs(
        self,
        traces: list[OutRecord],
        alarms: list[OutRecord],
        deciding: list[Future[Decided]],
        received_us: int,
    ) -> Iterator[Output]:
        for record in traces:
            yield Output("traces", record, received_us)
        for record in alarms:
            yield Output("alerts", record, received_us)
        for alerts, warnings, logged in (each.result() for each in deciding):
            for record in alerts:
                yield Output("alerts", record, received_us)
            if warnings:
                yield Output("asked", warnings, received_us)
            for block in logged:
                yield Output("decisions", block, received_us)
        LATENCY_GAUGES.set()

    def _blocks(self, outputs: Iterator[Output]) -> Iterator[Output]:
        for output in outputs:
            if output.tag != "asked":
                yield output
                continue
            for asked in blocks(output.element, self._shards):
                yield output._replace(element=asked)


def _sides(found: Sequence[tuple[int, Rows]], leg: np.dtype[np.void]) -> tuple[Side, Side]:
    """Return debits and credits of parts that each hold their debits first."""
    ends = [int(np.count_nonzero(~legs["credit"])) for _, legs in found]
    debits = [(shard, legs[:end]) for (shard, legs), end in zip(found, ends, strict=True)]
    credits = [(shard, legs[end:]) for (shard, legs), end in zip(found, ends, strict=True)]
    return _side(debits, leg), _side(credits, leg)


def _side(parts: Sequence[tuple[int, Rows]], leg: np.dtype[np.void]) -> Side:
    legs = concatenated([rows for _, rows in parts], leg)
    return Side(legs["transfer"], legs["value"], legs["payer"], shards_of(parts))


def _facts(debits: Side, credits: Side) -> tuple[Rows, NDArray[np.int64], tuple[slice, slice]]:
    """Return legs as their accounts see them, their places in order of events, and where each side's are."""
    if debits.transfer is credits.transfer:
        facts = both_legs(*debits[:3])
        return facts, np.arange(len(facts)), (slice(0, None, 2), slice(1, None, 2))
    at = slice(len(debits.value)), slice(len(debits.value), None)
    facts = np.empty(len(debits.value) + len(credits.value), ACCOUNT_FACT)
    stood = np.empty(len(facts), STOOD)
    for side, places, credit in zip((debits, credits), at, (False, True), strict=True):
        account_facts(facts[places], *side[:3], credit=credit)
        for name in STOOD.names or ():
            stood[name][places] = side.transfer[name]
    return facts, event_order(stood, facts["credit"]), at
