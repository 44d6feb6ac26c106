"""The table of the projections, one line a topic; a topic that is not on the broker waits until it is."""

from desk import cases, sight
from desk.projections import actions, aggregates, alerts, journal
from desk.projections import facts as plain
from desk.projections.facts import facts
from desk.projections.projection import Projection
from schemas import topics
from schemas.alarm import Alarm
from schemas.contact import ContactEntry
from schemas.dead_letter import DeadLetter
from schemas.feedback import Feedback
from schemas.measure import Refund
from schemas.trace import Trace
from schemas.warning import Warning

PROJECTIONS: tuple[Projection, ...] = (
    alerts.PROJECTION,
    journal.PROJECTION,
    actions.PROJECTION,
    facts(topics.WARNINGS, Warning, name="warning_id", at="issued_at_us", party="party_token", txn="txn_id"),
    facts(
        topics.TRACES, Trace, name="trace_id", at="at_us", account="creditor_account", other="debtor_account",
        txn="txn_id", family="case_family",
    ),
    facts(topics.REFUNDS, Refund, name="refund_id", kind="state", family="case_family"),
    facts(
        topics.FEEDBACK, Feedback, name="feedback_id", kind="verdict", at="known_at_us", party="debtor",
        txn="txn_id", family="case_family_id",
    ),
    facts(topics.ALARMS, Alarm, name="alarm_id", kind="kind", at="at_us", txn="txn_id"),
    facts(
        topics.DEAD_LETTERS, DeadLetter, name="dead_letter_id", kind="error_code", at="timestamp_us",
        family="topic",
    ),
    facts(topics.CONTACTS, ContactEntry, name="entry_id", at="at_us", party="party_token", version="version"),
    *(aggregates.newest(topic) for topic in aggregates.KEPT),
)  # fmt: skip

TABLES = (
    plain.TABLES, aggregates.TABLES, cases.TABLES, sight.TABLES,
    *(each.tables for each in PROJECTIONS if each.tables),
)  # fmt: skip
