"""A refused message sent again, as it was or mended: to its topic and partition, so that order is kept."""

import msgspec

from desk.acting.plan import Asked, Change, Plan, RefusedError
from schemas.action import Effect
from schemas.contract import UNREADABLE
from schemas.dead_letter import DeadLetter

#: A mended message is at most so long, characters.
MENDED_MAX = 100_000


def plan(asked: Asked, letter: DeadLetter | None) -> Plan:
    """Say what is sent where.

    Raises:
        RefusedError: there is no such letter, or it holds only the beginning of its message.

    """
    if letter is None:
        raise RefusedError("NO_SUCH_LETTER", asked.subject)
    mended = asked.terms.get("value", "")
    if len(letter.value) < letter.value_bytes and not mended:
        raise RefusedError("CUT", "the letter holds only the beginning; use stopline dead-letters send-again")
    if len(mended) > MENDED_MAX:
        raise RefusedError("TOO_LARGE", f"at most {MENDED_MAX:,} characters")
    value = mended.encode() if mended else letter.value
    effect = Effect(topic=letter.topic, key=key_of(value), value=value, partition=letter.partition)
    place = f"{letter.topic}/{letter.partition}@{letter.offset}"
    return Plan((effect,), (Change("LETTER", letter.dead_letter_id, place, "MENDED" if mended else "SENT"),))


def key_of(value: bytes) -> bytes:
    """Return the key a message would have: the account it names, if it can be read that far.

    >>> key_of(b'{"debtor_account": "a"}'), key_of(b"no json")
    (b'a', b'')
    """
    try:
        found = msgspec.json.decode(value, type=dict[str, object])
    except UNREADABLE:
        return b""
    named = (found.get(name) for name in ("debtor_account", "account_token", "party"))
    return next((each.encode() for each in named if isinstance(each, str)), b"")
