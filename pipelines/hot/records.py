"""Alerts, warnings, alarms, traces and dead letters as records to send."""

import msgspec

from pipelines.kafka.sink import OutRecord
from pipelines.telemetry import TELEMETRY
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
    return record(
        topics.ALERTS, alert.account_token, alert, alert.jurisdiction,
        event_id=alert.alert_id, event_type=f"fp.alert.{alert.outcome.lower()}.v1",
        subject=f"acct:{alert.account_token}", time_us=alert.at_us, traceparent=alert.traceparent,
    )  # fmt: skip


def alarm_record(alarm: Alarm) -> OutRecord:
    """Return an alarm for topic `alarms`, keyed by its kind."""
    return record(
        topics.ALARMS, alarm.kind, alarm, alarm.jurisdiction,
        event_id=alarm.alarm_id, event_type="fp.alarm.v1",
        subject=f"shard:{alarm.shard}", time_us=alarm.at_us,
    )  # fmt: skip


def warning_record(warning: Warning) -> OutRecord:
    """Return a warning for topic `warnings`, keyed by the warned party."""
    return record(
        topics.WARNINGS, warning.party_token, warning, warning.jurisdiction,
        event_id=warning.warning_id, event_type="fp.warning.issued.v1",
        subject=f"party:{warning.party_token}", time_us=warning.issued_at_us,
        traceparent=warning.traceparent,
    )  # fmt: skip


def trace_record(trace: Trace) -> OutRecord:
    """Return a trace for topic `traces`, keyed by the account the money reached."""
    return record(
        topics.TRACES, trace.creditor_account, trace, trace.jurisdiction,
        event_id=trace.trace_id, event_type="fp.trace.hop.v1",
        subject=f"acct:{trace.creditor_account}", time_us=trace.at_us,
    )  # fmt: skip


def refused_record(letter: DeadLetter, jurisdiction: str) -> OutRecord:
    """Count a refused message and return its letter for `dead_letters`, keyed by the topic it came from."""
    TELEMETRY.refused(letter)
    return record(
        topics.DEAD_LETTERS, letter.topic, letter, jurisdiction,
        event_id=letter.dead_letter_id, event_type="fp.deadletter.v1",
        subject=f"{letter.topic}/{letter.partition}@{letter.offset}", time_us=letter.timestamp_us,
    )  # fmt: skip


def record(
    topic: str,
    key: str,
    value: msgspec.Struct | bytes,
    jurisdiction: str,
    *,
    event_id: str,
    event_type: str,
    subject: str,
    time_us: int,
    traceparent: str = "",
) -> OutRecord:
    """Return a message with its CloudEvents headers, and the trace context it belongs to, if any."""
    head = headers(
        event_id=event_id,
        event_type=event_type,
        source=f"urn:fp:{jurisdiction}:stopline",
        subject=subject,
        time_us=time_us,
        traceparent=traceparent,
    )
    return OutRecord(
        topic, key.encode(), value if isinstance(value, bytes) else _ENCODE(value), head, time_us
    )
