"""The two stateful stages of the hot path: what the payer does, then what the accounts see.

Both legs of a payment leave `PayerLedgerFn` together, so they reach the account shards in one order.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam import coders, pvalue
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec
from numpy.typing import NDArray

from models.features import Legs
from models.ledgers import ledger
from models.ledgers.history import account_facts, payer_facts
from pipelines.hot.brake import Brake
from pipelines.hot.decide import Decided, Decider, enforced_minor
from pipelines.hot.dissuade import blocks
from pipelines.hot.tracer import MOVE, Tracer
from pipelines.kafka.sink import OutRecord
from pipelines.policy import Policy
from pipelines.state import batches
from pipelines.state.batches import Held, Kept, runs
from pipelines.state.shard_state import HeadValue, Kind, Logs
from pipelines.state.shards import (
    Block,
    Rows,
    Shards,
    by_shard,
    concatenated,
    event_order,
    holds,
    pack,
    put,
    shard_of,
    unpack,
    windowed,
)
from pipelines.telemetry import LATENCY_GAUGES, TELEMETRY
from schemas.rows.transfers import TRANSFER

#: A leg on its way to its account: the payment, what was known of its payer, and which leg it is.
LEG = np.dtype(
    [("transfer", TRANSFER), ("payer", ledger.PARTY_VIEW), ("value", "f8"), ("credit", "?")], align=True
)

#: Payments whose legs make a batch of the accounts.
_BLOCK_ROWS = batches.BATCH_BYTES // (2 * LEG.itemsize) + 1

#: Legs are decided beside the ledger, debits first: with a thread for either leg all three hinder each other.
_DECIDING = ThreadPoolExecutor(1, "deciding")

PAYERS = Kind("payers", ledger.PARTY_ROW, {ledger.PARTY_FACT: ledger.observe_parties})
ACCOUNTS = Kind(
    "accounts",
    ledger.ACCOUNT_ROW,
    {ledger.ACCOUNT_FACT: ledger.observe_accounts, ledger.ENFORCEMENT: ledger.enforce},
)


class _Side(NamedTuple):
    """Debits or credits of a batch: what measures keep of each, and where each shard's are."""

    legs: Legs
    kept_minor: NDArray[np.int64]
    runs: list[tuple[int, slice]]


class PayerLedgerFn(beam.DoFn):  # type: ignore[misc]
    """Add payments to their payers' ledger; their legs leave in blocks for the shards of the accounts.

    What measures forbid and where tainted money went pass through, so that they reach the accounts in step
    with the payments.
    """

    HEAD = ReadModifyWriteStateSpec("head", coders.BytesCoder())
    LOG = BagStateSpec("log", coders.BytesCoder())
    OTHER_LOG = BagStateSpec("other_log", coders.BytesCoder())

    def __init__(self, policy: Policy, shards: int) -> None:
        self._policy = policy
        self._shards = shards

    def start_bundle(self) -> None:
        """Start without blocks."""
        self._kept = Kept()

    def process(
        self,
        block: Block,
        head: Any = beam.DoFn.StateParam(HEAD),
        log: Any = beam.DoFn.StateParam(LOG),
        other_log: Any = beam.DoFn.StateParam(OTHER_LOG),
        received: Any = beam.DoFn.TimestampParam,
    ) -> None:
        """Keep one shard's block."""
        self._kept.add(block, received, head, (log, other_log))

    def finish_bundle(self) -> Iterator[Any]:
        """Emit what passes through, and the legs by the shard of their accounts.

        All payments are one batch, whatever their shards: an account's legs come in order of event time.
        """
        for batch in self._kept.batches():
            if holds(batch[0].packed, TRANSFER):
                received_us = min(held.received_us for held in batch)
                yield from (windowed(block, received_us) for block in self._legs(batch))
            else:
                yield from (windowed((held.shard, held.packed), held.received_us) for held in batch)
        self._kept.save()

    def _legs(self, batch: list[Held]) -> Iterator[Block]:
        """Add payments to the ledger; yield their legs by the shard of the account, debits first."""
        blocks = [unpack(held.packed, TRANSFER) for held in batch]
        shard = batches.shards(batch, blocks)
        transfers = concatenated(blocks, TRANSFER)
        order = event_order(transfers)
        transfers, shard = transfers.take(order), shard[order]
        for start in range(0, len(transfers), _BLOCK_ROWS):
            part = slice(start, start + _BLOCK_ROWS)
            yield from self._sides(self._known(transfers[part], shard[part]))

    def _known(self, transfers: Rows, shard: Shards) -> Rows:
        """Add payments to the ledger; return them as LEG rows with what was known of their payers."""
        legs = np.empty(len(transfers), LEG)
        put(legs, "transfer", transfers)
        legs["value"] = value = self._policy.value(transfers)
        facts = payer_facts(transfers, value)
        put(legs, "payer", self._kept.observe(PAYERS, shard, facts, np.arange(len(facts))))
        return legs

    def _sides(self, legs: Rows) -> Iterator[Block]:
        sides: dict[int, list[Rows]] = {}
        for account in ("debtor_account", "creditor_account"):
            for number, part in by_shard(legs, shard_of(legs["transfer"][account], self._shards)):
                part["credit"] = account == "creditor_account"
                sides.setdefault(number, []).append(part)
        for number in sorted(sides):
            yield number, pack(*sides[number])


class AccountLedgerFn(beam.DoFn):  # type: ignore[misc]
    """Add legs to their accounts' ledger, score and decide them.

    Outputs: alerts and alarms as records to send; on `traces` where tainted money went, as records; on
    `warnings` what to tell whom, by shard of party; on `decisions` blocks for the decision log.
    """

    HEAD = ReadModifyWriteStateSpec("head", coders.BytesCoder())
    LOG = BagStateSpec("log", coders.BytesCoder())
    OTHER_LOG = BagStateSpec("other_log", coders.BytesCoder())
    TAINT_LOG = BagStateSpec("taint_log", coders.BytesCoder())
    OTHER_TAINT_LOG = BagStateSpec("other_taint_log", coders.BytesCoder())

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
        self._kept = Kept()
        self._taint_logs: dict[int, Logs] = {}
        self._brakes: dict[int, Brake | None] = {}
        self._under_way: Iterator[Any] = iter(())

    def process(  # noqa: PLR0917 - Beam hands over every state by itself
        self,
        block: Block,
        head: Any = beam.DoFn.StateParam(HEAD),
        log: Any = beam.DoFn.StateParam(LOG),
        other_log: Any = beam.DoFn.StateParam(OTHER_LOG),
        taint_log: Any = beam.DoFn.StateParam(TAINT_LOG),
        other_taint_log: Any = beam.DoFn.StateParam(OTHER_TAINT_LOG),
        received: Any = beam.DoFn.TimestampParam,
    ) -> Iterator[Any]:
        """Keep one shard's block."""
        self._kept.add(block, received, head, (log, other_log))
        self._taint_logs[block[0]] = taint_log, other_taint_log
        if self._kept.full():
            yield from self._decided_meanwhile()

    def finish_bundle(self) -> Iterator[Any]:
        """Add and decide the rest."""
        yield from self._decided_meanwhile()
        yield from self._under_way
        for shard, brake in self._brakes.items():
            if brake is not None:
                self._kept.heads[shard].value("brake").write(brake.stored())
        self._kept.save()
        LATENCY_GAUGES.set()

    def _decided_meanwhile(self) -> Iterator[Any]:
        """Add what is kept to the ledger; the legs of a batch are decided while the next is added."""
        for batch in self._kept.batches():
            begun = self._begun(batch)
            yield from self._under_way
            self._under_way = _timed(begun, min(held.received_us for held in batch))

    def _begun(self, batch: list[Held]) -> Iterator[Any]:
        """Add blocks of one type of rows; the outputs, as an iterator that waits for decisions."""
        if holds(batch[0].packed, LEG):
            return self._seen(batch)
        traces: list[OutRecord] = []
        for shard, packed, _ in batch:
            if holds(packed, MOVE):
                traces += self._tracer.heard(shard, unpack(packed, MOVE), *self._taint(shard))
            else:
                self._kept.added(ACCOUNTS, shard, unpack(packed, ledger.ENFORCEMENT))
        return (pvalue.TaggedOutput("traces", record) for record in traces)

    def _seen(self, batch: list[Held]) -> Iterator[Any]:
        legs, shard = _debits_first(batch)
        transfer, value, payer = legs["transfer"], legs["value"], legs["payer"]
        facts = account_facts(transfer, value, legs["credit"])
        account = self._kept.observe(ACCOUNTS, shard, facts, event_order(transfer, legs["credit"]))
        debits = int(np.count_nonzero(~legs["credit"]))
        TELEMETRY.count("observed", len(legs) - debits)
        fresh = self._fresh(transfer)
        sides = []
        for credit, part in ((False, slice(debits)), (True, slice(debits, None))):
            seen, at = Legs(transfer[part], value[part], payer[part], account[part]), shard[part]
            if not fresh[part].all():
                seen, at = seen.rows(fresh[part]), at[fresh[part]]
            sides.append(_Side(seen, enforced_minor(seen, credit), list(runs(at))))
        debited, credited = sides
        deciding = [self._deciding(debited, credit=False), self._deciding(credited, credit=True)]
        traces = [
            record
            for number, part in debited.runs
            for record in self._tracer.seen(
                number, debited.legs.transfer[part], debited.kept_minor[part] > 0, *self._taint(number)
            )
        ]
        return _outputs(traces, deciding, self._shards)

    def _deciding(self, side: _Side, *, credit: bool) -> Future[Decided]:
        brakes = []
        for shard, part in side.runs:
            if shard not in self._brakes:
                self._brakes[shard] = self._decider.brake(
                    shard, self._kept.heads[shard].value("brake").read()
                )
            if brake := self._brakes[shard]:
                brakes.append((part, brake))
        return _DECIDING.submit(
            self._decider.decide, self._models, side.legs, credit, side.kept_minor, brakes
        )

    def _taint(self, shard: int) -> tuple[HeadValue, Logs]:
        return self._kept.heads[shard].value("taint_version"), self._taint_logs[shard]

    def _fresh(self, transfer: Rows) -> NDArray[np.bool_]:
        """Tell which payments were not decided before this start."""
        fresh = np.ones(len(transfer), np.bool_)
        for number, end in self._decided.items():
            fresh &= (transfer["partition"] != number) | (transfer["offset"] >= end)
        return fresh


def _outputs(traces: list[OutRecord], deciding: list[Future[Decided]], shards: int) -> Iterator[Any]:
    yield from (pvalue.TaggedOutput("traces", record) for record in traces)
    for alerts, warnings, logged in (each.result() for each in deciding):
        yield from alerts
        yield from (pvalue.TaggedOutput("warnings", asked) for asked in blocks(warnings, shards))
        if logged:
            yield pvalue.TaggedOutput("decisions", logged)


def _timed(outputs: Iterator[Any], received_us: int) -> Iterator[Any]:
    """Yield outputs as a `finish_bundle` may emit them."""
    for output in outputs:
        if isinstance(output, pvalue.TaggedOutput):
            yield pvalue.TaggedOutput(output.tag, windowed(output.value, received_us))
        else:
            yield windowed(output, received_us)


def _debits_first(batch: list[Held]) -> tuple[Rows, Shards]:
    """Return the legs of blocks that each hold their debits first, all debits first, and their shards."""
    blocks = [unpack(held.packed, LEG) for held in batch]
    if len(blocks) == 1:
        return blocks[0], batches.shards(batch, blocks)
    ends = [int(np.count_nonzero(~legs["credit"])) for legs in blocks]
    debits = [legs[:end] for legs, end in zip(blocks, ends, strict=True)]
    credits = [legs[end:] for legs, end in zip(blocks, ends, strict=True)]
    shard = np.concatenate([batches.shards(batch, debits), batches.shards(batch, credits)])
    return concatenated([*debits, *credits], LEG), shard
