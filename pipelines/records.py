"""Alerts, warnings, alarms, traces and dead letters as records to send."""

import msgspec

from pipelines.kafka.sink import OutRecord
from schemas import topics
from schemas.alarm import Alarm
from schemas.alert import Alert
from schemas.dead_letter import DeadLetter
from schemas.envelope import headers
from schemas.trace import Trace
from schemas.warning import Warning

_ENCODE = msgspec.json.Encoder().encode


def alert_record(alert: Alert) -> OutRecord:
    """Return an alert for topic `alerts`, keyed by the account it is about."""
    head = headers(
        event_id=alert.alert_id,
        event_type=f"fp.alert.{alert.outcome.lower()}.v1",
        source=_source(alert.jurisdiction),
        subject=f"acct:{alert.account_token}",
        time_us=alert.at_us,
    )
    return OutRecord(topics.ALERTS, alert.account_token.encode(), _ENCODE(alert), head, alert.at_us)


def alarm_record(alarm: Alarm) -> OutRecord:
    """Return an alarm for topic `alarms`, keyed by its kind."""
    head = headers(
        event_id=alarm.alarm_id,
        event_type="fp.alarm.v1",
        source=_source(alarm.jurisdiction),
        subject=f"shard:{alarm.shard}",
        time_us=alarm.at_us,
    )
    return OutRecord(topics.ALARMS, alarm.kind.encode(), _ENCODE(alarm), head, alarm.at_us)


def warning_record(warning: Warning) -> OutRecord:
    """Return a warning for topic `warnings`, keyed by the warned party."""
    head = headers(
        event_id=warning.warning_id,
        event_type="fp.warning.issued.v1",
        source=_source(warning.jurisdiction),
        subject=f"party:{warning.party_token}",
        time_us=warning.issued_at_us,
    )
    key = warning.party_token.encode()
    return OutRecord(topics.WARNINGS, key, _ENCODE(warning), head, warning.issued_at_us)


def trace_record(trace: Trace) -> OutRecord:
    """Return a trace for topic `traces`, keyed by the account the money reached."""
    head = headers(
        event_id=trace.trace_id,
        event_type="fp.trace.hop.v1",
        source=_source(trace.jurisdiction),
        subject=f"acct:{trace.creditor_account}",
        time_us=trace.at_us,
    )
    return OutRecord(topics.TRACES, trace.creditor_account.encode(), _ENCODE(trace), head, trace.at_us)


def dead_letter_record(letter: DeadLetter, jurisdiction: str) -> OutRecord:
    """Return a dead letter for topic `dead_letters`, keyed by the topic it came from."""
    head = headers(
        event_id=letter.dead_letter_id,
        event_type="fp.deadletter.v1",
        source=_source(jurisdiction),
        subject=f"{letter.topic}/{letter.partition}@{letter.offset}",
        time_us=letter.timestamp_us,
    )
    return OutRecord(topics.DEAD_LETTERS, letter.topic.encode(), _ENCODE(letter), head, letter.timestamp_us)


def _source(jurisdiction: str) -> str:
    return f"urn:fp:{jurisdiction}:stopline"
