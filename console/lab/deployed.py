"""What warnings did in a deployment, by what its topics say of warnings, tries, answers, payments, labels.

A payment counts as a scam if a label, an investigation's or the victim's, says so; one of whom nothing was
found counts as genuine, so over-caution is at most as told while labels are still to come.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np

from console.lab import talking
from console.lab.brokers import topic_records
from console.lab.dissuading import Lived, Paid
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.reading.bounds import captured_bounds, chunks_within
from pipelines.policy import Policy
from pipelines.streams.clock import now_us, of_files
from pipelines.streams.payments import decode
from schemas import topics
from schemas.contact import ContactEntry, Heard, Planned, Suppressed
from schemas.feedback import Feedback
from schemas.rows.tokens import token_text, token_words
from schemas.units import DAY_US, HOUR_US
from schemas.warning import Warning

#: States that say that a try left, and that something came to the party.
_LEFT = ("SENT", "DELIVERED", "READ", "ANSWERED")
_CAME = ("DELIVERED", "READ", "ANSWERED")

T = TypeVar("T")

_ENTRY = msgspec.json.Decoder(ContactEntry).decode
_WARNING = msgspec.json.Decoder(Warning).decode
_FEEDBACK = msgspec.json.Decoder(Feedback).decode


class Told(NamedTuple):
    """One warning and what the party's ladder says became of it."""

    warning_id: str
    party: str
    severity: int
    fraud_class: str
    txn_id: str
    issued_us: int
    held_out: bool = False
    channels: tuple[str, ...] = ()
    first_us: int | None = None
    delivered: bool = False
    verdict: str = ""
    answered_by: str = ""


class Labels(NamedTuple):
    """Payments found to be scams, and the kind of scam of those an investigation named."""

    scams: frozenset[str]
    kinds: Mapping[str, str]


def measured(
    kafka: KafkaSettings, rules: Policy, costs: Mapping[str, int], since_us: int = 0
) -> talking.Figures:
    """Count what the warnings issued since then did.

    Raises:
        BrokerError: a broker or one of the topics is not there.

    """
    issued = {each.warning_id: each for each in topic_records(kafka, topics.WARNINGS, _WARNING)}
    told = [each for each in told_of(_entries(kafka), issued) if each.issued_us >= since_us]
    labels = labels_of(topic_records(kafka, topics.FEEDBACK, _FEEDBACK))
    paid = _payments(kafka, rules, {each.party for each in told})
    found = talking.figures(lives(told, paid, labels, costs))
    named = [each for each in issued.values() if each.issued_at_us >= since_us]
    return found._replace(named=talking.named_rightly(named, labels.kinds))


def told_of(entries: Sequence[ContactEntry], issued: Mapping[str, Warning]) -> list[Told]:
    """Return the warnings that ladders began or that were held out, in order of time."""
    begun: dict[str, Told] = {}
    events: dict[str, list[Planned | Heard]] = {}
    for entry in entries:
        for ladder in entry.party.ladders:
            begun.setdefault(
                ladder.warning_id,
                Told(ladder.warning_id, entry.party_token, ladder.severity, ladder.fraud_class, ladder.txn_id,
                    ladder.begun_us,
                ),
            )  # fmt: skip
        for event in entry.events:
            if isinstance(event, Planned) and event.attempt.purpose == "WARN":
                events.setdefault(event.attempt.warning_id, []).append(event)
            elif isinstance(event, Heard):
                events.setdefault(event.warning_id, []).append(event)
            elif isinstance(event, Suppressed) and event.reason == "HELD_OUT":
                known = issued.get(event.warning_id)
                named = (known.fraud_class, known.txn_id) if known else ("UNKNOWN", "")
                silent = Told(
                    event.warning_id, entry.party_token, event.severity, *named, event.at_us, held_out=True
                )
                begun.setdefault(event.warning_id, silent)
    found = [_after(each, events.get(name, ())) for name, each in begun.items()]
    return sorted(found, key=lambda each: (each.issued_us, each.warning_id))


def _after(told: Told, events: Sequence[Planned | Heard]) -> Told:
    """Return a warning with what its tries came to; the last answer that counted within a day holds."""
    heard = [each.outcome for each in events if isinstance(each, Heard)]
    counted = [each.outcome for each in events if isinstance(each, Heard) and each.counted]
    answers = [
        each for each in counted if each.verdict != "UNKNOWN" and each.at_us <= told.issued_us + DAY_US
    ]
    stopped = [each for each in answers if each.verdict == "DISSUADED"]
    last = next(iter(reversed(stopped or answers)), None)
    return told._replace(
        channels=tuple(each.attempt.channel for each in events if isinstance(each, Planned)),
        first_us=min((each.at_us for each in heard if each.state in _LEFT), default=None),
        delivered=any(each.state in _CAME for each in heard),
        verdict=last.verdict if last else "",
        answered_by=last.channel if last else "",
    )


def labels_of(feedback: Sequence[Feedback]) -> Labels:
    """Return what was found: of a payment the newest label, else the newest finding that says anything."""
    newest: dict[str, tuple[bool, int, Feedback]] = {}
    for each in feedback:
        rank = (each.kind == "LABEL", each.known_at_us)
        known = newest.get(each.txn_id)
        if each.verdict != "UNKNOWN" and (known is None or rank >= known[:2]):
            newest[each.txn_id] = (*rank, each)
    scams = {txn_id: each for txn_id, (_, _, each) in newest.items() if each.verdict == "SCAM"}
    kinds = {txn_id: each.fraud_class for txn_id, each in scams.items() if each.fraud_class}
    return Labels(frozenset(scams), kinds)


def lives(
    told: Sequence[Told], paid: Mapping[str, Sequence[tuple[str, Paid]]], labels: Labels,
    costs: Mapping[str, int],
) -> list[Lived]:  # fmt: skip
    """Return what became of each warning; money of a payment that its own warning stopped is not lost."""
    stopped = {each.txn_id for each in told if each.txn_id and each.verdict == "DISSUADED"}
    found = []
    for each in told:
        own = paid.get(each.party, ())
        scams = [
            (txn_id, one) for txn_id, one in own
            if txn_id in labels.scams and one.at_us >= each.issued_us - HOUR_US
        ]  # fmt: skip
        after = [one for txn_id, one in scams if txn_id not in stopped and one.at_us > each.issued_us]
        mine = [one.amount_minor for txn_id, one in scams if txn_id == each.txn_id]
        found.append(
            Lived(
                severity=each.severity,
                channel=each.answered_by or (each.channels[-1] if each.channels else ""),
                fraud_class=each.fraud_class,
                held_out=each.held_out,
                victim=bool(scams),
                delivered=each.delivered,
                verdict=each.verdict,
                issued_us=each.issued_us,
                first_us=each.first_us,
                cost_minor=sum(costs.get(channel, 0) for channel in each.channels),
                averted_minor=sum(mine) if each.verdict == "DISSUADED" else 0,
                lost_7d_minor=_within(after, each.issued_us + 7 * DAY_US),
                lost_30d_minor=_within(after, each.issued_us + 30 * DAY_US),
            )
        )
    return found


def _within(paid: Sequence[Paid], until_us: int) -> int:
    return sum(each.amount_minor for each in paid if each.at_us < until_us)


def _entries(kafka: KafkaSettings) -> list[ContactEntry]:
    """Return the journal in order of its versions, each once."""
    newest = {
        (each.party_token, each.version): each for each in topic_records(kafka, topics.CONTACTS, _ENTRY)
    }
    return [newest[key] for key in sorted(newest)]


def _payments(
    kafka: KafkaSettings, rules: Policy, parties: Collection[str]
) -> dict[str, list[tuple[str, Paid]]]:
    """Return the payments of some parties with their ids, in order of time."""
    found: dict[str, list[tuple[str, Paid]]] = {}
    if not parties:
        return found
    known = token_words(sorted(parties))
    for at_us, party, txn_id, amount in sorted(_rows(kafka, rules, known)):
        found.setdefault(party, []).append((txn_id, Paid(at_us, amount, scam=False)))
    return found


def _rows(kafka: KafkaSettings, rules: Policy, known: np.ndarray) -> Iterator[tuple[int, str, str, int]]:
    for chunk in chunks_within(kafka, captured_bounds(kafka, [topics.PAYMENTS])):
        rows, _, _ = decode(chunk, rules, of_files(len(chunk.values), rules.clock, now_us()), as_sent=True)
        for row in rows[np.isin(rows["debtor"][:, 1], known[:, 1])]:
            txn_id = bytes(row["txn_id"]).rstrip(b"\0").decode()
            yield int(row["at_us"]), token_text(row["debtor"]), txn_id, int(row["amount_minor"])
