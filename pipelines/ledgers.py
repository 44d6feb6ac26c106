"""The two stateful stages of the hot path: what the payer does, then what the accounts see.

Both legs of a payment leave `PayerLedgerFn` together, so they reach the account shards in one order.

A bundle's blocks are kept and looked at when it ends, one shard after the other: a block costs milliseconds
however few its rows, and under load a bundle brings several of one shard. Until then a state of Beam is held,
which stays good for its key to the end of the bundle.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam import coders, pvalue
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec
from numpy.typing import NDArray

from models import ledger
from models.features import Legs
from models.history import account_facts, payer_facts
from pipelines import shard_state
from pipelines.brake import Brake
from pipelines.decide import Decided, Decider, enforced_minor
from pipelines.dissuade import blocks
from pipelines.kafka.sink import OutRecord
from pipelines.policy import Policy
from pipelines.shard_state import Kind
from pipelines.shards import (
    Block,
    Rows,
    by_shard,
    concatenated,
    event_order,
    holds,
    joined,
    mark_of,
    pack,
    put,
    shard_of,
    unpack,
    windowed,
)
from pipelines.taint import MOVE, Tracer
from pipelines.telemetry import TELEMETRY
from schemas.transfers import TRANSFER

#: A leg on its way to its account: the payment, what was known of its payer, and which leg it is.
LEG = np.dtype(
    [("transfer", TRANSFER), ("payer", ledger.PARTY_VIEW), ("value", "f8"), ("credit", "?")], align=True
)

#: The two legs of a block are decided side by side: arrays are computed without the interpreter's lock.
_BOTH_LEGS = ThreadPoolExecutor(2, "legs")

PAYERS = Kind("payers", ledger.PARTY_ROW, {ledger.PARTY_FACT: ledger.observe_parties})
ACCOUNTS = Kind(
    "accounts",
    ledger.ACCOUNT_ROW,
    {ledger.ACCOUNT_FACT: ledger.observe_accounts, ledger.ENFORCEMENT: ledger.enforce},
)


class _Shard(NamedTuple):
    """What a bundle brought for a shard: its states, and blocks with the time each was received at."""

    states: tuple[Any, ...]
    blocks: list[tuple[bytes, int]]

    def runs(self) -> Iterator[tuple[list[bytes], int]]:
        """Yield neighbouring blocks of one type of rows, with the earliest time."""
        for _, run in groupby(self.blocks, key=lambda block: mark_of(block[0])):
            blocks, received_us = zip(*run, strict=True)
            yield list(blocks), min(received_us)


class PayerLedgerFn(beam.DoFn):  # type: ignore[misc]
    """Add payments to their payers' ledger; per bundle one block of legs for every shard of accounts.

    What measures forbid and where tainted money went pass through, so that they reach the accounts in step
    with the payments.
    """

    VERSION = ReadModifyWriteStateSpec("version", coders.BytesCoder())
    LOG = BagStateSpec("log", coders.BytesCoder())

    def __init__(self, policy: Policy, shards: int) -> None:
        self._policy = policy
        self._shards = shards

    def start_bundle(self) -> None:
        """Start without blocks."""
        self._held: dict[int, _Shard] = {}

    def process(
        self,
        block: Block,
        version: Any = beam.DoFn.StateParam(VERSION),
        log: Any = beam.DoFn.StateParam(LOG),
        received: Any = beam.DoFn.TimestampParam,
    ) -> None:
        """Keep one shard's block."""
        shard, packed = block
        held = self._held.setdefault(shard, _Shard((version, log), []))
        held.blocks.append((packed, received.micros))

    def finish_bundle(self) -> Iterator[Any]:
        """Emit what passes through, then the bundle's legs by the shard of their accounts, debits first."""
        debits: dict[int, list[Rows]] = {}
        credits: dict[int, list[Rows]] = {}
        for shard, held in self._held.items():
            payments = []
            for packed, received_us in held.blocks:
                if holds(packed, TRANSFER):
                    payments.append(packed)
                else:
                    yield windowed((shard, packed), received_us)
            if payments:
                legs = self._observed(shard, joined(payments, TRANSFER), *held.states)
                for parts, account in ((debits, "debtor_account"), (credits, "creditor_account")):
                    at = shard_of(legs["transfer"][account], self._shards)
                    for number, part in by_shard(legs, at):
                        part["credit"] = parts is credits
                        parts.setdefault(number, []).append(part)
        for shard in sorted(debits.keys() | credits.keys()):
            sides = [*debits.get(shard, ()), *credits.get(shard, ())]
            received_us = min(int(side["transfer"]["received_us"].min()) for side in sides)
            yield windowed((shard, pack(*sides)), received_us)

    def _observed(self, shard: int, transfers: Rows, version: Any, log: Any) -> Rows:
        """Add one shard's payments; return a leg of each, without its side."""
        transfers = transfers.take(event_order(transfers))
        legs = np.empty(len(transfers), LEG)
        put(legs, "transfer", transfers)
        legs["value"] = value = self._policy.value(transfers)
        put(legs, "payer", shard_state.observe(PAYERS, shard, payer_facts(transfers, value), version, log))
        return legs


class AccountLedgerFn(beam.DoFn):  # type: ignore[misc]
    """Add legs to their accounts' ledger, score and decide them.

    Outputs: alerts and alarms as records to send; on `traces` where tainted money went, as records; on
    `warnings` what to tell whom, by shard of party; on `decisions` blocks for the decision log.
    """

    VERSION = ReadModifyWriteStateSpec("version", coders.BytesCoder())
    LOG = BagStateSpec("log", coders.BytesCoder())
    TAINT_VERSION = ReadModifyWriteStateSpec("taint_version", coders.BytesCoder())
    TAINT_LOG = BagStateSpec("taint_log", coders.BytesCoder())
    BRAKE = ReadModifyWriteStateSpec("brake", coders.BytesCoder())

    def __init__(self, decider: Decider, tracer: Tracer, shards: int, decided: Mapping[int, int]) -> None:
        self._decider = decider
        self._shards = shards
        self._tracer = tracer
        self._decided = decided

    def setup(self) -> None:
        """Load the models, once per process, and refuse one that does not fit the policy."""
        self._decider.models()

    def start_bundle(self) -> None:
        """Begin with the models in use now; they stay until the bundle ends."""
        self._models = self._decider.models()
        self._held: dict[int, _Shard] = {}

    def process(  # noqa: PLR0917 (a state each)
        self,
        block: Block,
        version: Any = beam.DoFn.StateParam(VERSION),
        log: Any = beam.DoFn.StateParam(LOG),
        taint_version: Any = beam.DoFn.StateParam(TAINT_VERSION),
        taint_log: Any = beam.DoFn.StateParam(TAINT_LOG),
        counts: Any = beam.DoFn.StateParam(BRAKE),
        received: Any = beam.DoFn.TimestampParam,
    ) -> None:
        """Keep one shard's block."""
        shard, packed = block
        states = version, log, taint_version, taint_log, counts
        self._held.setdefault(shard, _Shard(states, [])).blocks.append((packed, received.micros))

    def finish_bundle(self) -> Iterator[Any]:
        """Add each shard's blocks in the order they came in; decide legs while the next shard is added to."""
        before: Iterator[Any] = iter(())
        for shard, held in self._held.items():
            for place, (run, received_us) in enumerate(held.runs()):
                if place:  # of one shard, whose brake counts one run after the other
                    yield from before
                begun = self._begun(shard, run, held.states)
                yield from before
                before = _timed(begun, received_us)
        yield from before

    def _begun(self, shard: int, packed: list[bytes], states: tuple[Any, ...]) -> Iterator[Any]:
        """Add blocks of one type of rows; the outputs, as an iterator that waits for decisions."""
        version, log, taint_version, taint_log, counts = states
        if holds(packed[0], ledger.ENFORCEMENT):
            shard_state.observe(ACCOUNTS, shard, joined(packed, ledger.ENFORCEMENT), version, log)
            return iter(())
        if holds(packed[0], MOVE):
            traces = self._tracer.heard(shard, joined(packed, MOVE), taint_version, taint_log)
            return (pvalue.TaggedOutput("traces", record) for record in traces)
        legs = _debits_first(packed)
        transfer, value, payer = legs["transfer"], legs["value"], legs["payer"]
        order = event_order(transfer, legs["credit"])
        facts = account_facts(transfer, value, legs["credit"]).take(order)
        account = shard_state.observe(ACCOUNTS, shard, facts, version, log).take(_inverse(order))
        debits = np.count_nonzero(~legs["credit"])
        TELEMETRY.count("observed", len(legs) - int(debits))
        seen = [
            self._fresh(Legs(transfer[part], value[part], payer[part], account[part]))
            for part in (slice(debits), slice(debits, None))
        ]
        kept = [enforced_minor(seen[credit], credit) for credit in (False, True)]
        brake = self._decider.brake(shard, counts.read())

        def decided(credit: bool) -> Decided:
            return self._decider.decide(self._models, seen[credit], credit, kept[credit], brake)

        deciding = _BOTH_LEGS.map(decided, (False, True))
        traces = self._tracer.seen(shard, seen[False].transfer, kept[False] > 0, taint_version, taint_log)
        return self._outputs(traces, deciding, brake, counts)

    def _outputs(
        self, traces: list[OutRecord], deciding: Iterator[Decided], brake: Brake | None, counts: Any
    ) -> Iterator[Any]:
        yield from (pvalue.TaggedOutput("traces", record) for record in traces)
        for alerts, warnings, logged in deciding:
            yield from alerts
            yield from (pvalue.TaggedOutput("warnings", asked) for asked in blocks(warnings, self._shards))
            if logged:
                yield pvalue.TaggedOutput("decisions", logged)
        if brake is not None:
            counts.write(brake.stored())

    def _fresh(self, legs: Legs) -> Legs:
        """Return the legs of payments that were not decided before this start."""
        partition, offset = legs.transfer["partition"], legs.transfer["offset"]
        fresh = np.ones(len(partition), np.bool_)
        for number, end in self._decided.items():
            fresh &= (partition != number) | (offset >= end)
        return legs if fresh.all() else legs.rows(fresh)


def _timed(outputs: Iterator[Any], received_us: int) -> Iterator[Any]:
    """Yield outputs as a `finish_bundle` may emit them."""
    for output in outputs:
        if isinstance(output, pvalue.TaggedOutput):
            yield pvalue.TaggedOutput(output.tag, windowed(output.value, received_us))
        else:
            yield windowed(output, received_us)


def _debits_first(blocks: list[bytes]) -> Rows:
    """Return the legs of blocks that each hold their debits first, all debits first."""
    parts = [unpack(block, LEG) for block in blocks]
    if len(parts) == 1:
        return parts[0]
    debits = [int(np.count_nonzero(~part["credit"])) for part in parts]
    sides = [part[:end] for part, end in zip(parts, debits, strict=True)]
    sides += [part[end:] for part, end in zip(parts, debits, strict=True)]
    return concatenated(sides, LEG)


def _inverse(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the permutation that undoes `order`."""
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return places
