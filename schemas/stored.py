"""The published contracts: `python -m schemas.stored` writes schemas/json from the records."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from schemas import commands, contract, measure, order
from schemas.alarm import Alarm
from schemas.alert import Alert
from schemas.dead_letter import DeadLetter
from schemas.feedback import Feedback
from schemas.payment import Payment
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
}


def schemas() -> dict[str, dict[str, Any]]:
    """Return every JSON Schema of this release by its name."""
    single = {name: contract.json_schema(record, name) for name, record in RECORDS.items()}
    several = {"order.v1": order, "account.v1": commands, "measure.v1": measure}
    return {**single, **{name: module.json_schema() for name, module in several.items()}}


def stored(name: str) -> dict[str, Any]:
    """Return a schema as it stands in schemas/json."""
    read: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return read


if __name__ == "__main__":
    for name, schema in schemas().items():
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")
