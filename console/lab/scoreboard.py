"""What a run achieved on a world whose truth is known: money stopped, people warned, customers disturbed."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa

from models.learning.stress import STOPS_ASKED
from schemas.alert import Alert
from schemas.journal import JournalEntry, MeasureChanged
from schemas.measure import Measure
from schemas.warning import Warning


class Fact(NamedTuple):
    """The truth about one payment that is not ordinary."""

    scam: bool
    case_id: str
    amount_minor: int
    payer: str


@dataclass
class Scoreboard:
    """Alerts and warnings as they come, held against the truth.

    Money counts as stopped at the victim if the credit leg of his payment was held or stopped, and as caught
    at a mule if a later debit of the same case was, up to what the case still owes. Of a victim's payment
    that was only delayed `STOPS_ASKED` counts, since he may still send it, and of a mule's nothing.
    """

    payments: int
    facts: dict[str, Fact]
    alerts: dict[str, Alert] = field(default_factory=dict)
    warned: set[str] = field(default_factory=set)
    warnings: dict[str, Warning] = field(default_factory=dict)
    severities: Counter[int] = field(default_factory=Counter)
    measures: dict[str, Measure] = field(default_factory=dict)

    @classmethod
    def of(cls, payments: pa.Table, truth: pa.Table) -> "Scoreboard":
        """Return an empty board for a world."""
        columns = [truth[name].to_pylist() for name in ("txn_id", "scam", "laundering", "case_id")]
        columns += [payments[name].to_pylist() for name in ("amount_minor", "debtor")]
        facts = {
            txn_id: Fact(scam, case_id, amount, payer)
            for txn_id, scam, laundering, case_id, amount, payer in zip(*columns, strict=True)
            if scam or laundering
        }
        return cls(payments.num_rows, facts)

    def add_alerts(self, alerts: Iterable[Alert]) -> None:
        """Count alerts; a repeated one counts once."""
        self.alerts |= {alert.alert_id: alert for alert in alerts}

    def add_warnings(self, warnings: Iterable[Warning]) -> None:
        """Count warnings."""
        for warning in warnings:
            self.severities[warning.severity] += 1
            self.warned.add(warning.party_token)
            self.warnings[warning.txn_id] = warning

    @property
    def told(self) -> int:
        """How many warnings came."""
        return sum(self.severities.values())

    def add_measures(self, entries: Iterable[JournalEntry]) -> None:
        """Keep every measure as the newest entry leaves it."""
        for entry in entries:
            changed = (event.measure for event in entry.events if isinstance(event, MeasureChanged))
            self.measures |= {measure.measure_id: measure for measure in changed}

    def result(self) -> "Result":
        """Add up what is known now."""
        acted: dict[tuple[str, str], float] = {}
        for alert in self.alerts.values():
            kept = 1.0 if alert.outcome != "DELAY" else STOPS_ASKED if alert.leg == "CREDIT" else 0.0
            acted[alert.txn_id, alert.leg] = max(kept, acted.get((alert.txn_id, alert.leg), 0.0))
        owed: defaultdict[str, int] = defaultdict(int)
        scam_minor = stopped_minor = scams = stopped = 0
        for txn_id, fact in self.facts.items():
            if fact.scam:
                scams, scam_minor = scams + 1, scam_minor + fact.amount_minor
                kept_minor = round(fact.amount_minor * acted.get((txn_id, "CREDIT"), 0.0))
                stopped, stopped_minor = stopped + ((txn_id, "CREDIT") in acted), stopped_minor + kept_minor
                owed[fact.case_id] += fact.amount_minor - kept_minor
        caught: defaultdict[str, int] = defaultdict(int)
        for txn_id, fact in self.facts.items():
            if not fact.scam and acted.get((txn_id, "DEBIT")):
                caught[fact.case_id] += fact.amount_minor
        caught_minor = sum(min(amount, owed[case]) for case, amount in caught.items())
        innocent = {txn_id for txn_id, _ in acted} - self.facts.keys()
        victims = {fact.payer for fact in self.facts.values() if fact.scam}
        return Result(
            payments=self.payments,
            scams=scams,
            scam_minor=scam_minor,
            stopped=stopped,
            stopped_minor=stopped_minor,
            caught_minor=caught_minor,
            victims=len(victims),
            victims_warned=len(victims & self.warned),
            innocent_held=len(innocent),
            others_warned=len(self.warned - victims),
        )


class Result(NamedTuple):
    """The sums of a scoreboard; money in minor units."""

    payments: int
    scams: int
    scam_minor: int
    stopped: int
    stopped_minor: int
    caught_minor: int
    victims: int
    victims_warned: int
    innocent_held: int
    others_warned: int
