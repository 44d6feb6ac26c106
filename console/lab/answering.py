"""What an institution says to an order that was sent: its reply, or why it is no order."""

import time
from collections.abc import Callable, Iterator

import msgspec

from console.lab.passing import coming
from pipelines.kafka.port import KafkaSettings
from schemas import topics
from schemas.currencies import decimal, digits_of
from schemas.dead_letter import DeadLetter
from schemas.errors import BrokerError, ConfigError
from schemas.journal import JournalEntry
from schemas.order import Order
from schemas.reply import Reply

#: Topic -> how a record of it is read that may answer an order.
_ANSWERS: dict[str, Callable[[bytes], JournalEntry | DeadLetter]] = {
    topics.MEASURES: msgspec.json.Decoder(JournalEntry).decode,
    topics.DEAD_LETTERS: msgspec.json.Decoder(DeadLetter).decode,
}

#: Topics and values that came, ("", b"") while none does.
Answers = Iterator[tuple[str, bytes]]


def listening(kafka: KafkaSettings) -> Answers:
    """Stand at the end of both topics, before there is an order.

    Raises:
        ConfigError: there is no such topic.

    """
    answers = coming(kafka, _ANSWERS)
    next(answers)
    return answers


def answer(answers: Answers, order: Order, message: bytes, wait_s: float) -> str:
    """Return in one line what came of an order.

    Raises:
        ConfigError: it was put aside as none.
        BrokerError: nobody answered in time.

    """
    deadline = time.monotonic() + wait_s
    for topic, value in answers:
        if time.monotonic() > deadline:
            break
        if not topic:
            continue
        try:
            record = _ANSWERS[topic](value)
        except msgspec.MsgspecError:
            continue  # somebody else's
        if isinstance(record, DeadLetter):
            if record.value == message:
                raise ConfigError(
                    f"the order was put aside: {record.error_code}: {record.message}; {record.hint}"
                )
            continue
        for reply in record.replies if isinstance(record, JournalEntry) else ():
            if (reply.authority_id, reply.in_reply_to) == (order.authority_id, order.message_serial):
                return said(reply)
    raise BrokerError(
        f"order {order.order_no} was sent and nobody answered within {wait_s:g} s; is the job running "
        "(`stopline lifecycle run`), on the same brokers?"
    )


def said(reply: Reply) -> str:
    """Say a reply in one line."""
    parts = [reply.code.value]
    if reply.why is not None:
        parts.append(reply.why.value)
    if reply.detail:
        parts.append(reply.detail)
    if reply.state:
        parts.append(f"measure {reply.measure_id} is {reply.state}")
    digits = digits_of(reply.currency) or 0
    for what, minor in (("applied", reply.applied_minor), ("held", reply.held_minor)):
        if minor is not None:
            parts.append(f"{what} {decimal(minor, digits)} {reply.currency}".rstrip())
    if reply.expires_at_us is not None:
        parts.append(f"until {_time(reply.expires_at_us)}")
    return ", ".join(parts)


def _time(at_us: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at_us / 1e6))
