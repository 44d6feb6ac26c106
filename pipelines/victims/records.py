"""What the victims job and its channels send: entries, outcomes, refused messages."""

from pipelines.hot.records import record, refused_record
from pipelines.kafka.sink import OutRecord
from pipelines.received import RawMessage
from schemas import topics
from schemas.contact import ContactEntry, ContactOutcome
from schemas.dead_letter import ErrorCode
from schemas.ids import derived_id


def contact_record(entry: ContactEntry, value: bytes) -> OutRecord:
    """Return an entry and its bytes for topic `contacts`, keyed by its party."""
    return record(
        topics.CONTACTS, entry.party_token, value, entry.jurisdiction,
        event_id=entry.entry_id, event_type="fp.warning.contact.v1",
        subject=f"party:{entry.party_token}", time_us=entry.at_us,
    )  # fmt: skip


def outcome_record(outcome: ContactOutcome, jurisdiction: str) -> OutRecord:
    """Return an outcome for topic `warning_outcomes`, keyed by its party."""
    return record(
        topics.WARNING_OUTCOMES, outcome.party_token, outcome, jurisdiction,
        event_id=derived_id("outcome", outcome.key, outcome.state, outcome.at_us),
        event_type="fp.warning.outcome.v1", subject=f"party:{outcome.party_token}", time_us=outcome.at_us,
    )  # fmt: skip


def letter_record(source: RawMessage, code: ErrorCode, message: str, law: str) -> OutRecord:
    """Return a refused message for topic `dead_letters`."""
    return refused_record(source.letter("victims", code, message), law)
