"""What the accounts see: legs into the ledger of accounts, scored and decided; tainted money followed."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.features import Legs
from models.ledgers.history import account_facts
from pipelines.hot.brake import Brake
from pipelines.hot.decide import Decided, Decider, enforced_minor
from pipelines.hot.dissuade import blocks
from pipelines.hot.serving import InUse
from pipelines.hot.stage import Output
from pipelines.hot.tracer import Tracer
from pipelines.kafka.sink import OutRecord
from pipelines.process import PROCESS
from pipelines.state.shards import Rows, Shards, concatenated, event_order
from pipelines.state.store import Received, Store, facts_of, runs, shards_of, sorted_out
from pipelines.streams.moves import MOVE
from pipelines.streams.stream import Stream
from pipelines.streams.table import ledgers_of
from pipelines.telemetry import LATENCY_GAUGES, TELEMETRY


class _Side(NamedTuple):
    """Debits or credits of a batch: what measures keep of each, and where each shard's are."""

    legs: Legs
    kept_minor: NDArray[np.int64]
    runs: list[tuple[int, slice]]


class Accounts:
    """Adds legs to their accounts' ledger, scores and decides them.

    Emits `alerts`, alerts and alarms as records to send; `traces`, where tainted money went, as records;
    `asked`, blocks of what to tell whom, by shard of party; `decisions`, blocks for the decision log.
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
        others = known.accounts.facts[1:]
        parts = sorted_out(batch, (known.leg, *others, *known.passing))
        stated = facts_of(parts, others)
        traces: list[OutRecord] = []
        for number, moved in facts_of(parts, [MOVE]).items():
            traces += self._tracer.heard(number, concatenated(moved, MOVE), store)
        deciding: list[Future[Decided]] = []
        if found := parts.get(known.leg):
            legs, shard = _debits_first(found)
            transfer, credit = legs["transfer"], legs["credit"]
            asked = account_facts(transfer, legs["value"], credit, legs["payer"])
            account = store.observe(
                known.accounts, shard, asked, event_order(transfer, credit), stated, keep=self._keep
            )
            more, deciding = self._seen(legs, account, shard, store)
            traces += more
        else:
            for number, facts in stated.items():
                store.add(known.accounts, number, *facts, keep=self._keep)
        alarms = list(self._forgotten.alarms(store))
        return self._outputs(traces, alarms, deciding, min(received.received_us for received in batch))

    def _seen(
        self, legs: Rows, account: Rows, shard: Shards, store: Store
    ) -> tuple[list[OutRecord], list[Future[Decided]]]:
        """Follow tainted money through the debits of legs, and have them and the credits decided."""
        transfer, value, payer = legs["transfer"], legs["value"], legs["payer"]
        debits = int(np.count_nonzero(~legs["credit"]))
        TELEMETRY.count("observed", len(legs) - debits)
        fresh = self._fresh(transfer)
        sides = []
        for credit, part in ((False, slice(debits)), (True, slice(debits, None))):
            seen, at = Legs(transfer[part], value[part], payer[part], account[part]), shard[part]
            if not fresh[part].all():
                seen, at = seen.rows(fresh[part]), at[fresh[part]]
            sides.append(_Side(seen, enforced_minor(seen, credit), list(runs(at))))
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
            for asked in blocks(warnings, self._shards):
                yield Output("asked", asked, received_us)
            if logged:
                yield Output("decisions", logged, received_us)
        LATENCY_GAUGES.set()


def _debits_first(found: Sequence[tuple[int, Rows]]) -> tuple[Rows, Shards]:
    """Return the legs of parts that each hold their debits first, all debits first, and their shards."""
    if len(found) == 1:
        return found[0][1], shards_of(found)
    ends = [int(np.count_nonzero(~legs["credit"])) for _, legs in found]
    debits = [(shard, legs[:end]) for (shard, legs), end in zip(found, ends, strict=True)]
    credits = [(shard, legs[end:]) for (shard, legs), end in zip(found, ends, strict=True)]
    parts = [*debits, *credits]
    return concatenated([legs for _, legs in parts], found[0][1].dtype), shards_of(parts)
