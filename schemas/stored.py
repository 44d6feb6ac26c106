"""The published contracts: `python -m schemas.stored` writes schemas/json from the records."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from msgspec import Struct

from schemas.action import Action
from schemas.alarm import Alarm
from schemas.alert import Alert
from schemas.asyncapi import FILE, document
from schemas.block import BlockEntry
from schemas.casework import CaseworkMessage
from schemas.clue import Clue
from schemas.commands import AccountMessage
from schemas.contact import ContactEntry, OutcomeMessage
from schemas.contract import json_schema
from schemas.dead_letter import DeadLetter
from schemas.feedback import Feedback
from schemas.indicator import NumberIndicator
from schemas.journal import JournalEntry
from schemas.measure import Refund
from schemas.order import Order
from schemas.payment import Payment
from schemas.rectification import Rectification
from schemas.reply import Reply
from schemas.report import Report, ReportCase, Reporter, ReportOutcome, Revocation
from schemas.ring import Ring
from schemas.subject import ListedSubject, ListVersions, Suspicion
from schemas.trace import Trace
from schemas.warning import Warning

FOLDER = Path(__file__).parent / "json"

#: Contract of one record each: name and version -> record.
RECORDS: Mapping[str, type[Struct]] = {
    "payment.v1": Payment,
    "alert.v1": Alert,
    "warning.v1": Warning,
    "trace.v1": Trace,
    "dead_letter.v1": DeadLetter,
    "feedback.v1": Feedback,
    "alarm.v1": Alarm,
    "block.v1": BlockEntry,
    "clue.v1": Clue,
    "indicator.v1": NumberIndicator,
    "report_case.v1": ReportCase,
    "report_outcome.v1": ReportOutcome,
    "reporter.v1": Reporter,
    "suspicion.v1": Suspicion,
    "list_versions.v1": ListVersions,
    "rectification.v1": Rectification,
    "ring.v1": Ring,
}

#: What engines read and write: name and version -> the records a message may be.
LEGAL: Mapping[str, tuple[type[Struct], ...]] = {
    "order.v1": (Order, Reply),
    "account.v1": (AccountMessage,),
    "measure.v1": (JournalEntry, Refund),
    "action.v1": (Action,),
    "contact.v1": (ContactEntry,),
    "warning_outcome.v1": get_args(OutcomeMessage),
}

#: What the casework job reads: name and version -> the records a message may be.
CASEWORK: Mapping[str, tuple[type[Struct], ...]] = {
    "report.v1": (Report, Revocation),
    "listed_subject.v1": (ListedSubject,),
    "casework.v1": get_args(CaseworkMessage),
}


def schemas() -> dict[str, dict[str, Any]]:
    """Return every JSON Schema of this release by its name."""
    single = {name: (record,) for name, record in RECORDS.items()}
    return {name: json_schema(name, *records) for name, records in {**single, **LEGAL, **CASEWORK}.items()}


def stored(name: str) -> dict[str, Any]:
    """Return a schema as it stands in schemas/json."""
    read: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return read


if __name__ == "__main__":
    for file, what in (
        {f"{name}.json": each for name, each in schemas().items()} | {FILE: document()}
    ).items():
        text = json.dumps(what, indent=2, ensure_ascii=False) + "\n"
        (FOLDER / file).write_text(text, encoding="utf-8")
