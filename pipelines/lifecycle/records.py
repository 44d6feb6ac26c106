"""What the lifecycle job sends: journal entries, refund rounds and refused messages as records."""

from pipelines.hot.records import dead_letter_record, record
from pipelines.kafka.sink import OutRecord
from pipelines.telemetry import TELEMETRY
from schemas import topics
from schemas.dead_letter import ErrorCode, dead_letter
from schemas.journal import JournalEntry, RefundChanged
from schemas.order import Record


class Source(Record, order=True, frozen=True, kw_only=True):
    """Where a message was read, when it was received, and its bytes; in order of receipt."""

    at_us: int
    topic: str
    partition: int
    offset: int
    value: bytes


def journal_record(entry: JournalEntry, value: bytes) -> OutRecord:
    """Return an entry and its bytes for topic `measures`, keyed by its account."""
    return record(
        topics.MEASURES, entry.account_token, value, entry.jurisdiction,
        event_id=entry.entry_id, event_type="fp.measure.entry.v1",
        subject=f"acct:{entry.account_token}", time_us=entry.at_us,
    )  # fmt: skip


def refund_record(event: RefundChanged) -> OutRecord:
    """Return a refund round as it is after an event, for topic `refunds`, keyed by its case family."""
    refund = event.refund
    return record(
        topics.REFUNDS, refund.case_family, refund, refund.jurisdiction,
        event_id=event.event_id, event_type="fp.refund.round.v1",
        subject=f"case:{refund.case_family}", time_us=event.at_us,
    )  # fmt: skip


def letter_record(source: Source, code: ErrorCode, message: str, law: str) -> OutRecord:
    """Return a refused message for topic `dead_letters`."""
    letter = dead_letter(
        source.topic,
        source.partition,
        source.offset,
        timestamp_us=source.at_us,
        stage="lifecycle",
        error_code=code,
        message=message,
        value=source.value,
    )
    TELEMETRY.refused(letter)
    return dead_letter_record(letter, law)
