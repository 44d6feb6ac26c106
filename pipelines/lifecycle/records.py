"""What the lifecycle job sends: journal entries, refund rounds and refused messages as records."""

from pipelines.hot.records import record, refused_record
from pipelines.kafka.sink import OutRecord
from pipelines.received import RawMessage
from schemas import topics
from schemas.dead_letter import ErrorCode
from schemas.journal import JournalEntry, RefundChanged


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


def letter_record(source: RawMessage, code: ErrorCode, message: str, law: str) -> OutRecord:
    """Return a refused message for topic `dead_letters`."""
    return refused_record(source.letter("lifecycle", code, message), law)
