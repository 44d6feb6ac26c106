"""The same features the usual way: an element per payment, json.loads, Beam state per key, scikit-learn.

It is given every cheap advantage: one packed state cell per key instead of one per figure, bytes between
stages, plain Python arithmetic (faster than numpy for one row), features and scores in batches, one OpenMP
thread, no reasons, warnings, dead letters or decision log to write, and our settings of the runner.
"""

import json
import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
import msgspec
import numpy as np
import skops.io
from apache_beam import coders, pvalue
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec
from apache_beam.transforms.util import BatchElements
from threadpoolctl import threadpool_limits

from models import features
from models.features import FloatArray, Legs
from models.ledgers import parties
from models.ledgers import suspicion as card
from models.ledgers.accounts import ACCOUNTS
from models.ledgers.accounts import BUCKETS as ACCOUNT_BUCKETS
from models.ledgers.decay import HORIZONS_S as HORIZONS
from models.ledgers.decay import PAID_BITS, PAID_TURNS
from models.ledgers.history import NEW_PAYEE_US, REMEMBERS_S, history
from models.scoring.bundle import MODELS, TRUSTED
from pipelines.hot import serving
from pipelines.in_process.runner import in_process
from pipelines.jobs.options import JobSettings
from pipelines.kafka.port import Chunk
from pipelines.kafka.reading.together import ReadChunks
from pipelines.kafka.sink import OutRecord, WriteRecords
from pipelines.policy import DELAY, Policy
from pipelines.telemetry import TELEMETRY
from schemas import topics
from schemas.payment import CHANNELS, PAYEE_CHECKS
from schemas.units import DAY_US
from tests.payments import transfers

#: Messages a pass of the runner reads from each partition: few, because a stage waits for the one before.
CHUNK_ROWS, BUNDLE_CHUNKS = 500, 2
BATCH_MAX = 1_000

HORIZONS_S = HORIZONS.tolist()
NAN = math.nan

SIGNALS = ("remote_control", "screen_share", "call_in_progress")

Payment = dict[str, Any]

_DIGITS = str.maketrans("abcdefghijklmnopqrstuvwxyz234567", "0123456789abcdefghijklmnopqrstuv")
_LOW = 2**64 - 1
_pack = msgspec.msgpack.Encoder().encode


class Party(msgspec.Struct, array_like=True):
    """What is kept of a paying party; see `models.ledgers.parties`."""

    first_us: int
    last_us: int
    count: list[float]
    value: list[float]
    largest: float
    newest_us: list[int | None]
    paid: bytes
    suspected: list[float]


class Account(msgspec.Struct, array_like=True):
    """What is kept of an account; see `models.ledgers.accounts`."""

    first_us: int
    last_us: int
    last_in_us: int | None
    last_out_us: int | None
    in_count: list[float]
    in_value: list[float]
    out_count: list[float]
    out_value: list[float]
    risky_value: list[float]
    largest_in: float
    payers_us: list[int | None]
    payees_us: list[int | None]
    risky_out_value: list[float]


PARTY_FIELDS = (
    "age_s", "gap_s", "count", "value", "largest", "payee_gap_s", "payees_1d", "payee_paid", "suspected",
)  # fmt: skip
ACCOUNT_FIELDS = (
    "age_s", "in_gap_s", "out_gap_s", "in_count", "in_value", "out_count", "out_value", "risky_value",
    "largest_in", "counterparty_gap_s", "payers_1d", "payers_7d", "payees_1d",
    "risky_out_value",
)  # fmt: skip
View = tuple[Any, ...]


class Paid(NamedTuple):
    """A leg with what was known before it: message, value, views as in `PARTY_FIELDS`, `ACCOUNT_FIELDS`."""

    message: bytes
    value: float
    payer: View
    account: View


_party = msgspec.msgpack.Decoder(Party).decode
_account = msgspec.msgpack.Decoder(Account).decode
_leg = msgspec.msgpack.Decoder(tuple[bool, bytes, float, list[Any]]).decode


def see_party(stored: bytes | None, payment: Payment, value: float) -> tuple[View, bytes]:
    """Add a payment to its payer's packed state; return what was known before and the new state."""
    row = _party(stored) if stored else None
    now_us, bucket = payment["accepted_at_us"], _low(payment["creditor_account"]) % parties.BUCKETS
    if row is None:
        row = Party(now_us, now_us, [0.0] * 4, [0.0] * 4, 0.0, [None] * parties.BUCKETS, b"", [0.0] * 3)
        ages = NAN, NAN
    else:
        ages = _seconds(now_us, row.first_us), _seconds(now_us, row.last_us)
    bits = _paid_bits(payment["creditor_account"])
    known = int.from_bytes(row.paid, "little")
    fade, late = _decay(now_us - row.last_us), _decay(row.last_us - now_us)
    count, total = _faded(row.count, fade), _faded(row.value, fade)
    suspected = _faded(row.suspected, fade[:3])
    view = (
        *ages, count, total, row.largest, _seconds(now_us, row.newest_us[bucket]),
        _distinct(row.newest_us, now_us - DAY_US), float(known & bits == bits),
        suspected,
    )  # fmt: skip
    row.paid = (known | bits).to_bytes(PAID_BITS // 8, "little")
    row.count = [a + w for a, w in zip(count, late, strict=True)]
    row.value = [a + w * value for a, w in zip(total, late, strict=True)]
    look = _suspicion(payment, value)
    row.suspected = [a + w * look for a, w in zip(suspected, late[:3], strict=True)]
    row.largest = max(row.largest, value)
    row.first_us, row.last_us = min(row.first_us, now_us), max(row.last_us, now_us)
    row.newest_us[bucket] = _later(row.newest_us[bucket], now_us)
    return view, _pack(row)


def see_account(
    stored: bytes | None, payment: Payment, value: float, credit: bool, *, new: bool
) -> tuple[View, bytes]:
    """Add a leg to its account's packed state; return what was known before and the new state."""
    row = _account(stored) if stored else None
    now_us = payment["accepted_at_us"]
    other = payment["debtor_account"] if credit else payment["creditor_account"]
    bucket = _low(other) % ACCOUNT_BUCKETS
    age_s = NAN
    if row is None:
        empty = [None] * ACCOUNT_BUCKETS
        row = Account(
            now_us, now_us, None, None, *([0.0] * 4 for _ in range(5)), 0.0, [*empty], [*empty], [0.0] * 4
        )
    else:
        age_s = _seconds(now_us, row.first_us)
    fade, late = _decay(now_us - row.last_us), _decay(row.last_us - now_us)
    sums = [
        _faded(sums, fade)
        for sums in (row.in_count, row.in_value, row.out_count, row.out_value, row.risky_value)
    ]
    risky_out = _faded(row.risky_out_value, fade)
    seen = row.payers_us if credit else row.payees_us
    view = (
        age_s, _seconds(now_us, row.last_in_us), _seconds(now_us, row.last_out_us), *sums, row.largest_in,
        _seconds(now_us, seen[bucket]), _distinct(row.payers_us, now_us - DAY_US),
        _distinct(row.payers_us, now_us - 7 * DAY_US), _distinct(row.payees_us, now_us - DAY_US),
        risky_out,
    )  # fmt: skip
    risky = value * _risky(payment, new)
    row.risky_out_value = [a + w * (not credit) * risky for a, w in zip(risky_out, late, strict=True)]
    added = (credit, credit * value, not credit, (not credit) * value, credit * risky)
    row.in_count, row.in_value, row.out_count, row.out_value, row.risky_value = (
        [a + w * by for a, w in zip(faded, late, strict=True)] for faded, by in zip(sums, added, strict=True)
    )
    row.first_us, row.last_us = min(row.first_us, now_us), max(row.last_us, now_us)
    seen[bucket] = _later(seen[bucket], now_us)
    if credit:
        row.last_in_us, row.largest_in = _later(row.last_in_us, now_us), max(row.largest_in, value)
    else:
        row.last_out_us = _later(row.last_out_us, now_us)
    return view, _pack(row)


def legs_of(paid: Sequence[Paid]) -> Legs:
    """Return a batch as arrays, so that features are computed by the functions of `models.features`."""
    messages, value, payers, accounts = zip(*paid, strict=True)
    return Legs(
        transfers(messages),
        np.array(value),
        _views(payers, PARTY_FIELDS, parties.PARTY_VIEW),
        _views(accounts, ACCOUNT_FIELDS, ACCOUNTS.view),
    )


#: Features of other streams than payments.
_OF_OTHERS = {"models.features.clues", "models.features.found", "models.features.registry"}


def difference(messages: Sequence[bytes], policy: Policy) -> float:
    """Return the largest relative difference between these features and ours on messages in event order."""
    rows = transfers(messages)
    value = policy.value(rows)
    ours = history(rows, value)
    parties: dict[str, bytes] = {}
    accounts: dict[str, bytes] = {}
    legs: dict[bool, list[Paid]] = {False: [], True: []}
    for message, worth in zip(messages, value.tolist(), strict=True):
        payment = json.loads(message)
        payer, parties[payment["debtor"]] = see_party(parties.get(payment["debtor"]), payment, worth)
        for credit, key in ((False, payment["debtor_account"]), (True, payment["creditor_account"])):
            view, accounts[key] = see_account(
                accounts.get(key), payment, worth, credit, new=_never_paid(payer)
            )
            legs[credit].append(Paid(message, worth, payer, view))
    pairs = [
        (features.matrix(names, legs_of(legs[credit])), features.matrix(names, expected))
        for credit, names, expected in (
            (False, _of_payments("debit"), ours.debit),
            (True, _of_payments("credit"), ours.credit),
        )
    ]
    return max(unlike(theirs, expected) for theirs, expected in pairs)


def _of_payments(leg: str) -> list[str]:
    """Return the features of a leg; the baseline reads neither telecom clues, feedback nor the registry."""
    of = {name: each.compute.__module__ for name, each in features.CATALOGUE.items()}
    return [name for name in features.versions(leg) if of[name] not in _OF_OTHERS]


class KeyByPayer(beam.DoFn):  # type: ignore[misc]
    def process(self, chunk: Chunk) -> Iterator[tuple[str, bytes]]:
        for message in chunk.values:
            payment = json.loads(message)
            if payment.get("status", "INITIATED") == "INITIATED":
                yield payment["debtor"], message


class PayerFn(beam.DoFn):  # type: ignore[misc]
    STATE = ReadModifyWriteStateSpec("state", coders.BytesCoder())

    def __init__(self, policy: Policy) -> None:
        self._rates = {currency.decode(): rate for currency, rate in policy.currencies.items()}

    def process(
        self, element: tuple[str, bytes], state: Any = beam.DoFn.StateParam(STATE)
    ) -> Iterator[tuple[str, bytes]]:
        payment = json.loads(element[1])
        value = payment["amount_minor"] * self._rates[payment["currency"]]
        view, stored = see_party(state.read(), payment, value)
        state.write(stored)
        yield payment["debtor_account"], _pack((False, element[1], value, view))
        yield payment["creditor_account"], _pack((True, element[1], value, view))


class AccountFn(beam.DoFn):  # type: ignore[misc]
    STATE = ReadModifyWriteStateSpec("state", coders.BytesCoder())

    def process(self, element: tuple[str, bytes], state: Any = beam.DoFn.StateParam(STATE)) -> Iterator[Any]:
        credit, message, value, payer = _leg(element[1])
        view, stored = see_account(state.read(), json.loads(message), value, credit, new=_never_paid(payer))
        state.write(stored)
        yield pvalue.TaggedOutput("credit" if credit else "debit", Paid(message, value, tuple(payer), view))


class ScoreFn(beam.DoFn):  # type: ignore[misc]
    def __init__(self, bundle: Path, leg: str, least: float) -> None:
        self._path, self._leg, self._least = bundle, leg, least

    def setup(self) -> None:
        threadpool_limits(1)
        self._model = skops.io.load(self._path / MODELS[self._leg], trusted=sorted(TRUSTED))
        self._features = json.loads((self._path / "features.json").read_text())[self._leg]

    def process(self, paid: Sequence[Paid]) -> Iterator[OutRecord]:
        legs = legs_of(paid)
        score = self._model.predict_proba(features.matrix(self._features, legs))[:, 1]
        if self._leg == "credit":
            TELEMETRY.count("decided", len(score))
        for place in np.flatnonzero(score >= self._least).tolist():
            TELEMETRY.count("alerts", 1)
            payment = json.loads(paid[place].message)
            alert = {"txn_id": payment["txn_id"], "leg": self._leg, "score": float(score[place])}
            key = payment["creditor_account"] if self._leg == "credit" else payment["debtor_account"]
            yield OutRecord(
                topics.ALERTS, key.encode(), msgspec.json.encode(alert), (), payment["accepted_at_us"]
            )


def run(arguments: tuple[str, ...]) -> None:
    """Run the baseline for ever."""
    options = PipelineOptions(list(arguments), streaming=True)
    settings = JobSettings.of(options)
    least = serving.check(settings.models, settings.policy).live.least
    with beam.Pipeline(runner=in_process(), options=options) as pipeline:
        read = ReadChunks(
            settings.kafka, topics.PAYMENTS, start=settings.first, chunk_rows=CHUNK_ROWS,
            max_bundle_chunks=BUNDLE_CHUNKS,
        )  # fmt: skip
        keyed = tuple[str, bytes]
        legs = (
            pipeline
            | "Read" >> read
            | "Key by payer" >> beam.ParDo(KeyByPayer()).with_output_types(keyed)
            | "Payers" >> beam.ParDo(PayerFn(settings.policy)).with_output_types(keyed)
            | "Accounts" >> beam.ParDo(AccountFn()).with_outputs("credit", "debit")
        )
        for leg, outcomes in least.items():
            name = leg.lower()
            _ = (
                legs[name]
                | f"Batch {name}" >> BatchElements(min_batch_size=1, max_batch_size=BATCH_MAX)
                | f"Score {name}" >> beam.ParDo(ScoreFn(settings.models, name, float(outcomes[DELAY - 1])))
                | f"Send {name}" >> WriteRecords(settings.kafka)
            )


def _low(token: str) -> int:
    return int(token.translate(_DIGITS), 32) >> 2 & _LOW


def _seconds(now_us: int, then_us: int | None) -> float:
    return NAN if then_us is None else max(now_us - then_us, 0) / 1e6


def _decay(elapsed_us: int) -> list[float]:
    if elapsed_us <= 0:
        return [1.0] * 4
    return [math.exp(-elapsed_us / 1e6 / horizon) for horizon in HORIZONS_S]


def _faded(sums: list[float], fade: list[float]) -> list[float]:
    return [a * b for a, b in zip(sums, fade, strict=True)]


def _later(a: int | None, b: int) -> int:
    return b if a is None else max(a, b)


def _distinct(newest_us: Iterable[int | None], since_us: int) -> float:
    seen = list(newest_us)
    active = sum(at is not None and at >= since_us for at in seen)
    return -len(seen) * math.log1p(-min(active, len(seen) - 0.5) / len(seen))


def _paid_bits(account: str) -> int:
    """Return the bits of a payee in the payer's memory, an int instead of words."""
    spread = (_low(account) * 0x9E3779B97F4A7C15) & _LOW
    return sum({1 << ((spread >> (34 + 10 * turn)) & (PAID_BITS - 1)) for turn in range(PAID_TURNS)})


def _never_paid(payer: Sequence[Any]) -> bool:
    return bool(not payer[-1] and payer[0] >= REMEMBERS_S)


def _risky(payment: Payment, never_paid: bool) -> bool:
    known = payment.get("payee_added_at_us", -1)
    new = payment["accepted_at_us"] - known < NEW_PAYEE_US if known >= 0 else never_paid
    return new or any(payment.get(signal, False) for signal in SIGNALS)


def _suspicion(payment: Payment, value: float) -> float:
    """Score a payment by itself, by the points of `models.ledgers.suspicion`."""
    minor, now_us = payment["amount_minor"], payment["accepted_at_us"]
    after = payment.get("balance_after_minor", -1)
    zeros = sum(minor % unit == 0 for unit in (1_000, 10_000, 100_000, 1_000_000))
    odds = (
        card.INTERCEPT
        + _points(math.log10(max(value, 1.0)), card.AMOUNT)
        + _points(zeros, card.ROUNDNESS)
        + _points(CHANNELS.index(payment.get("channel", "OTHER")), card.CHANNEL)
        + _points(minor / max(minor + after, 1) if after >= 0 else None, card.BALANCE_SHARE)
        + _points(_hours_since(payment, "payee_added_at_us", now_us), card.PAYEE_AGE_H)
        + _points(PAYEE_CHECKS.index(payment.get("payee_check", "UNAVAILABLE")), card.PAYEE_CHECK)
        + _points(age if (age := payment.get("new_device_age_h", -1)) >= 0 else None, card.NEW_DEVICE_H)
        + _points(_hours_since(payment, "limit_changed_at_us", now_us), card.LIMIT_RAISED_H)
    )
    for signal, points in zip(SIGNALS, (card.REMOTE, card.SCREEN, card.CALL), strict=True):
        odds += points[payment.get(signal, False)]
    return 1.0 / (1.0 + math.exp(-odds))


def _points(value: float | None, scale: card.Scale) -> float:
    return scale.unknown if value is None else scale.points[bisect_left(scale.edges, value)]


def _hours_since(payment: Payment, field: str, now_us: int) -> float | None:
    then_us = payment.get(field, -1)
    return (now_us - then_us) / card.HOUR_US if then_us >= 0 else None


def _views(views: Sequence[View], names: Sequence[str], row: np.dtype[np.void]) -> Any:
    out = np.zeros(len(views), row)
    for name, column in zip(names, zip(*views, strict=True), strict=True):
        out[name] = column
    return out


def unlike(a: FloatArray, b: FloatArray) -> float:
    """Return the largest relative difference; infinite where one holds a number and the other none."""
    if (np.isnan(a) != np.isnan(b)).any():
        return math.inf
    return float(np.nanmax(np.abs(a - b) / np.maximum(np.abs(b), 1.0), initial=0.0))
