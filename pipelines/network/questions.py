"""What operators are asked of a line, and how answers are read: CAMARA's releases, and calls in progress.

CAMARA has no question whether somebody is in a call (the "Scam Signal" of GSMA is not public); ours is
`call-in-progress/v1`, which an adapter at the operator or in the bank answers.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec

from models.ledgers import clues
from schemas.units import MINUTE_US, SECOND_US

Topic = Literal["CALL", "FORWARDING", "SIM_SWAP", "DEVICE_SWAP"]

#: A time may lie so far ahead of this machine's clock; one that is older than this is no time of a line.
_AHEAD_US, _EARLIEST_US = 5 * MINUTE_US, 946_684_800_000_000


class Answer(NamedTuple):
    """What an operator says of a line: `since_us` is when it began or happened, 0 if it is not so."""

    kind: int
    since_us: int = 0


class Question(NamedTuple):
    """Where it is asked, below the operator's address, and what an answer at a time says."""

    path: str
    read: Callable[[bytes, int], Answer]


class _InCall(msgspec.Struct):
    inCall: bool
    since: str | None = None
    counterpartyKnown: bool = False


class _Forwarded(msgspec.Struct):
    active: bool


class _SimChange(msgspec.Struct):
    latestSimChange: str | None


class _DeviceChange(msgspec.Struct):
    latestDeviceChange: str | None


def _in_call(body: bytes, now_us: int) -> Answer:
    found = msgspec.json.decode(body, type=_InCall)
    strange = found.inCall and not found.counterpartyKnown
    since_us = _micros(found.since, now_us) if found.since else now_us
    return Answer(clues.CALL, since_us if strange else 0)


def _forwarded(body: bytes, now_us: int) -> Answer:
    found = msgspec.json.decode(body, type=_Forwarded)
    return Answer(clues.FORWARDING, now_us if found.active else 0)


def _changed(kind: int, record: Any, field: str) -> Callable[[bytes, int], Answer]:
    def read(body: bytes, now_us: int) -> Answer:
        stated = getattr(msgspec.json.decode(body, type=record), field)
        return Answer(kind, _micros(stated, now_us) if stated else 0)

    return read


#: By the name of the clue.
QUESTIONS: Mapping[Topic, Question] = {
    "CALL": Question("call-in-progress/v1/retrieve", _in_call),
    "FORWARDING": Question("call-forwarding-signal/v0.4/unconditional-call-forwardings", _forwarded),
    "SIM_SWAP": Question(
        "sim-swap/v2/retrieve-date", _changed(clues.SIM_SWAP, _SimChange, "latestSimChange")
    ),
    "DEVICE_SWAP": Question(
        "device-swap/v1/retrieve-date", _changed(clues.DEVICE_SWAP, _DeviceChange, "latestDeviceChange")
    ),
}


def _micros(text: str, now_us: int) -> int:
    """Read an RFC 3339 time that can be true.

    Raises:
        ValueError: it is none.

    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without an offset")
    us = round(at.timestamp() * SECOND_US)
    if not _EARLIEST_US <= us <= now_us + _AHEAD_US:
        raise ValueError("a time that cannot be")
    return us
