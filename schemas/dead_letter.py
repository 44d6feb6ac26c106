"""Dead letters: messages that could not be used, with their bytes, place, reason and next step."""

import hashlib
import re
from typing import Any, Literal

import msgspec

from schemas.contract import Event, explained
from schemas.errors import unquoted
from schemas.forms import MENDS, mend_of_form
from schemas.ids import derived_id

ErrorCode = Literal[
    "NOT_JSON",
    "NOT_XML",
    "NO_TOKEN_KEY",
    "INVALID",
    "UNKNOWN_CURRENCY",
    "PAST",
    "FUTURE",
    "TOO_LARGE",
    "UNSIGNED",
    "UNSEALED",
    "NO_LAW",
    "CONFLICT",
    "FAULT",
    "KILLED",
]

#: A letter holds at most so much of a message; base64 of more would not fit into a message itself.
VALUE_BYTES_MAX = 1 << 19

#: Letters of what is wrong, at most.
MESSAGE_MAX = 1000

#: The next step for each kind of refusal.
HINTS: dict[str, str] = {
    "NOT_JSON": "The value is not JSON; check the producer's serializer, then send the message again.",
    "NOT_XML": "The value is no XML that is read; check the producer: well-formed, without a document type.",
    "NO_TOKEN_KEY": "Start the job with --token_keys FILE (stopline tokens keygen FILE), then send it again.",
    "INVALID": "The value breaks its contract (docs/schemas.md) where it says; fix it and send it again.",
    "UNKNOWN_CURRENCY": "The policy has no rate for this currency; add it to `currencies` and send it again.",
    "PAST": "The event is too old; check unit (microseconds) and clock of its producer, send it again. "
    "Recorded ones go with `stopline send --now`.",
    "FUTURE": "The event lies ahead; check unit (microseconds) and clock of its producer, send it again.",
    "UNSIGNED": "The signature or its key does not hold; ask the authority over a channel you know.",
    "UNSEALED": "The job key did not seal it; look who may write here. Old ones: stopline lifecycle seal.",
    "NO_LAW": "No country file covers this message; correct its jurisdiction or add a file (--law-dir).",
    "CONFLICT": "Not taken as things stand, for the reason given; correct it, or ask its sender.",
    "FAULT": "The job failed on this message and changed nothing for it; report it with the message.",
    "KILLED": "Three processes died over it, and a fourth alone with it; report it with the message.",
    "TOO_LARGE": "The value is larger than any such message may be; check the producer, then send it again.",
}


class DeadLetter(Event, frozen=True, kw_only=True):
    """One refused message; version 1. Message key on Kafka: the source topic.

    Attributes:
        dead_letter_id: derived from the place, so a repeated read names the same letter.
        topic: where it was read, with `partition` and `offset`.
        partition: see `topic`.
        offset: see `topic`.
        timestamp_us: the message's Kafka timestamp, microseconds UTC.
        stage: which step refused it.
        error_code: closed list, `HINTS` has the next step for each.
        message: what is wrong and in which field; never a value of a field.
        hint: the next step.
        value: the original bytes (base64 in JSON), the first `VALUE_BYTES_MAX` of them, or fewer where the
            topic of dead letters takes no more.
        value_bytes: how many there are in the message; where it is more, the whole stands at its place.
        value_sha256: of the whole message, hexadecimal.

    """

    dead_letter_id: str
    topic: str
    partition: int
    offset: int
    timestamp_us: int
    stage: str
    error_code: ErrorCode
    message: str
    hint: str
    value: bytes
    value_bytes: int
    value_sha256: str = ""


def dead_letter(
    topic: str,
    partition: int,
    offset: int,
    *,
    timestamp_us: int,
    stage: str,
    error_code: ErrorCode,
    message: str,
    value: bytes,
) -> DeadLetter:
    """Make the dead letter of one message, without what `message` quotes; what is no JSON is called so."""
    error_code = "NOT_JSON" if error_code == "INVALID" and _NO_JSON.search(message) else error_code
    return DeadLetter(
        dead_letter_id=derived_id("dead", topic, partition, offset),
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp_us=timestamp_us,
        stage=stage,
        error_code=error_code,
        message=_cut(unquoted(message)),
        hint=_hint(error_code, message, value),
        value=value[:VALUE_BYTES_MAX],
        value_bytes=len(value),
        value_sha256=hashlib.sha256(value).hexdigest(),
    )


#: What is said of a value that is no JSON, and of one that is no object of it, whichever job says it.
_NO_JSON = re.compile(
    r"^(?:[A-Z_]+: )?(?:JSON is malformed|Input data was truncated|'utf-8' codec|Invalid UTF-8)"
)
_NO_OBJECT = re.compile(r"^(?:[A-Z_]+: )?Expected `object`, got `\w+`")


def _hint(code: ErrorCode, message: str, value: bytes) -> str:
    no_object = code == "NOT_JSON" or (code == "INVALID" and _NO_OBJECT.search(message) is not None)
    mend = mend_of_form(value) if no_object else ""
    return _of_form(mend) if mend else HINTS[code]


def _of_form(mend: str) -> str:
    return f"{mend[0].upper()}{mend[1:]}; then send the message again."


#: The next step for a value that is no JSON object, as it looks.
FORM_HINTS = tuple(map(_of_form, MENDS))


def unreadable_as(error: Exception, of: Any = None) -> tuple[ErrorCode, str]:
    """Return the code of a message that reading raised one of `contract.UNREADABLE` for, and what is wrong.

    What is wrong quotes nothing of the message; `of` is the type that was read, if one is known.

    >>> unreadable_as(RecursionError("maximum recursion depth exceeded"))
    ('NOT_JSON', 'maximum recursion depth exceeded')
    """
    said = unquoted(explained(error, of))
    if isinstance(error, OverflowError):
        return "TOO_LARGE", said
    return "INVALID" if isinstance(error, msgspec.ValidationError) else "NOT_JSON", said


def _cut(said: str) -> str:
    return said if len(said) <= MESSAGE_MAX else said[: MESSAGE_MAX - 1] + "…"


def shortened(letter: bytes, over: int) -> bytes | None:
    """Return an encoded letter at least `over` bytes shorter, its value cut, for a topic that takes no more.

    None if that is more than the value takes.
    """
    whole = _DECODER.decode(letter)
    kept = len(whole.value) - (over + 3) // 4 * 3 - 3
    if kept < 0:
        return None
    return msgspec.json.encode(msgspec.structs.replace(whole, value=whole.value[:kept]))


_DECODER = msgspec.json.Decoder(DeadLetter)
