"""Recalls kept in files: the case beside the messages that are sent and that came back."""

import time
from pathlib import Path
from typing import get_type_hints

import msgspec

from measures.iso20022 import CancellationStatus, Original, RecallReason, RejectReason, ReturnReason
from measures.recalls import case as recalls
from measures.recalls.case import RecallCase
from schemas import strict_json
from schemas.errors import ConfigError
from schemas.strict_text import read_bytes

#: The original payment as a JSON file gives it: the fields of `Original`, by name.
_Payment = msgspec.defstruct(
    "_Payment",
    [
        (name, of, Original._field_defaults[name]) if name in Original._field_defaults else (name, of)
        for name, of in get_type_hints(Original).items()
    ],
    frozen=True,
    forbid_unknown_fields=True,
)


def ask(payment: Path, case_file: Path, out: Path, *, reason: str, case_id: str, note: str) -> str:
    """Write the camt.056 and open its case; returns the case's state.

    Raises:
        ConfigError: a file cannot be read, is not what it should be, or a case would be overwritten.
        SchemaError: a value cannot be carried by the message.

    """
    if case_file.exists():
        raise ConfigError(f"{case_file} holds a case already; name another file")
    try:
        given = msgspec.json.decode(strict_json.read(payment), type=_Payment)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{payment} is no payment: {error}") from error
    code: RecallReason = reason  # type: ignore[assignment]
    original = Original(**msgspec.structs.asdict(given))
    kept, message = recalls.ask(original, reason=code, case_id=case_id, created_us=_now_us(), note=note)
    out.write_bytes(message)
    _keep(case_file, kept)
    return kept.state


def take_in(message: Path, case_file: Path) -> RecallCase:
    """Take the other side's answer or return into a case; raises as `ask`."""
    try:
        case = msgspec.json.decode(strict_json.read(case_file), type=RecallCase)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{case_file} is no case: {error}; `stopline recall ask` writes one") from error
    after = recalls.take_in(case, read_bytes(message))
    _keep(case_file, after)
    return after


def answer(asked: Path, out: Path, *, verdict: str, reason: str, note: str) -> None:
    """Write the camt.029 to another institution's camt.056; raises as `ask`."""
    code: CancellationStatus = verdict  # type: ignore[assignment]
    why: RejectReason | None = reason or None  # type: ignore[assignment]
    message = recalls.answer(read_bytes(asked), verdict=code, reason=why, created_us=_now_us(), note=note)
    out.write_bytes(message)


def give_back(asked: Path, out: Path, *, returned_minor: int, reason: str, timezone: str) -> None:
    """Write the pacs.004 that brings money back; raises as `ask`."""
    code: ReturnReason = reason  # type: ignore[assignment]
    out.write_bytes(
        recalls.give_back(
            read_bytes(asked),
            returned_minor=returned_minor,
            reason=code,
            created_us=_now_us(),
            timezone=timezone,
        )
    )


def _keep(path: Path, case: RecallCase) -> None:
    """Write a case whole or not at all."""
    fresh = path.with_suffix(f"{path.suffix}.new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(case)))
    fresh.replace(path)


def _now_us() -> int:
    return time.time_ns() // 1000
