"""The two stateful stages of the hot path: what the payer does, then what the accounts see.

Both legs of a payment leave `PayerLedgerFn` together, so they reach the account shards in one order.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam import coders, pvalue
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec
from numpy.typing import NDArray

from models import ledger
from models.features import Legs
from models.history import account_facts, payer_facts
from pipelines import shard_state
from pipelines.decide import Decider
from pipelines.policy import Policy
from pipelines.shard_state import Kind
from pipelines.shards import Block, Rows, by_shard, pack, shard_of, unpack, windowed
from schemas.transfers import TRANSFER

#: A leg on its way to its account: the payment, what was known of its payer, and which leg it is.
LEG = np.dtype(
    [("transfer", TRANSFER), ("payer", ledger.PARTY_VIEW), ("value", "f8"), ("credit", "?")], align=True
)

PAYERS = Kind("payers", ledger.PARTY_ROW, ledger.PARTY_FACT, ledger.observe_parties)
ACCOUNTS = Kind("accounts", ledger.ACCOUNT_ROW, ledger.ACCOUNT_FACT, ledger.observe_accounts)


class PayerLedgerFn(beam.DoFn):  # type: ignore[misc]
    """Add payments to their payers' ledger; per bundle one block of legs for every shard of accounts."""

    VERSION = ReadModifyWriteStateSpec("version", coders.BytesCoder())
    LOG = BagStateSpec("log", coders.BytesCoder())

    def __init__(self, policy: Policy, shards: int) -> None:
        self._policy = policy
        self._shards = shards

    def start_bundle(self) -> None:
        """Start without legs."""
        self._blocks: list[Rows] = []

    def process(
        self,
        block: Block,
        version: Any = beam.DoFn.StateParam(VERSION),
        log: Any = beam.DoFn.StateParam(LOG),
    ) -> None:
        """Add one shard's payments."""
        shard, packed = block
        transfers = _in_event_time(unpack(packed, TRANSFER))
        value = self._policy.value(transfers)
        legs = np.empty((len(transfers), 2), LEG)
        legs["transfer"] = transfers[:, None]
        legs["payer"] = shard_state.observe(PAYERS, shard, payer_facts(transfers, value), version, log)[
            :, None
        ]
        legs["value"] = value[:, None]
        legs["credit"] = [False, True]
        self._blocks.append(legs.ravel())

    def finish_bundle(self) -> Iterator[Any]:
        """Emit the bundle's legs by the shard of their accounts."""
        legs = np.concatenate([np.empty(0, LEG), *self._blocks])
        transfer = legs["transfer"]
        account = np.where(legs["credit"][:, None], transfer["creditor_account"], transfer["debtor_account"])
        for shard, part in by_shard(legs, shard_of(account, self._shards)):
            yield windowed((shard, pack(part)), int(part["transfer"]["received_us"].min()))


class AccountLedgerFn(beam.DoFn):  # type: ignore[misc]
    """Add legs to their accounts' ledger, score and decide them.

    Outputs: alerts as records to send; on `warnings` what to tell whom (party token, JSON); on `decisions`
    blocks for the decision log.
    """

    VERSION = ReadModifyWriteStateSpec("version", coders.BytesCoder())
    LOG = BagStateSpec("log", coders.BytesCoder())

    def __init__(self, decider: Decider, decided: Mapping[int, int]) -> None:
        self._decider = decider
        self._decided = decided

    def setup(self) -> None:
        """Load the model bundle, once per process, and refuse one that does not fit the policy."""
        self._decider.thresholds()

    def process(
        self,
        block: Block,
        version: Any = beam.DoFn.StateParam(VERSION),
        log: Any = beam.DoFn.StateParam(LOG),
    ) -> Iterator[Any]:
        """Add one shard's legs and decide them."""
        shard, packed = block
        legs = unpack(packed, LEG)
        legs = legs[_event_order(legs["transfer"], legs["credit"])]
        facts = account_facts(legs["transfer"], legs["value"], legs["credit"])
        account = shard_state.observe(ACCOUNTS, shard, facts, version, log)
        fresh = self._fresh(legs["transfer"])
        for credit in (False, True):
            one = (legs["credit"] == credit) & fresh
            seen = Legs(legs["transfer"][one], legs["value"][one], legs["payer"][one], account[one])
            decided = self._decider.decide(seen, credit)
            yield from decided.alerts
            yield from (pvalue.TaggedOutput("warnings", asked) for asked in decided.warnings)
            if decided.log:
                yield pvalue.TaggedOutput("decisions", decided.log)

    def _fresh(self, transfers: Rows) -> NDArray[np.bool_]:
        """Tell which payments were not decided before this start."""
        fresh = np.ones(len(transfers), np.bool_)
        for partition, offset in self._decided.items():
            fresh &= (transfers["partition"] != partition) | (transfers["offset"] >= offset)
        return fresh


def _event_order(transfers: Rows, *minor: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.lexsort((*minor, transfers["offset"], transfers["partition"], transfers["at_us"]))


def _in_event_time(transfers: Rows) -> Rows:
    ordered: Rows = transfers[_event_order(transfers)]
    return ordered
