"""What the hot path needs of the journal: is a debit of this account forbidden, up to what, until when.

One journal entry states at most one enforcement, and it speaks for all measures of the account together,
so a consumer keeps the latest per account (by version) and counts nothing.
"""

from typing import NamedTuple

import msgspec

from schemas.journal import EnforcementChanged, JournalEntry, JournalEvent

_DECODER = msgspec.json.Decoder(JournalEntry)


class Enforcement(NamedTuple):
    """What one account's measures forbid.

    A debit is against it if `limit_minor` is None (nothing may leave) or if it would leave less than
    `limit_minor` (integer minor units) on the account. It begins at `from_us` and ends by itself at
    `until_us` (microseconds UTC, None: no end); an earlier end comes as a new statement. `version` orders the
    statements of an account.
    """

    account_token: str
    in_force: bool
    limit_minor: int | None
    from_us: int
    until_us: int | None
    version: int


def enforcement(event: JournalEvent) -> Enforcement | None:
    """Give what a journal event says about debits of its account; None if it says nothing."""
    if not isinstance(event, EnforcementChanged):
        return None
    limit = None if event.receive_only else event.limit_minor
    in_force = limit is None or limit > 0
    return Enforcement(event.account_token, in_force, limit, event.at_us, event.until_us, event.version)


def read_enforcement(value: bytes) -> Enforcement | None:
    """Read it from a message of topic `measures`; None if the entry states none.

    Raises msgspec.DecodeError or msgspec.ValidationError if the message is no journal entry.
    """
    found = [enforcement(event) for event in _DECODER.decode(value).events]
    return next((each for each in reversed(found) if each is not None), None)


def violates(stated: Enforcement, amount_minor: int, balance_minor: int, at_us: int) -> bool:
    """Whether a debit at `at_us`, from `balance_minor` before it, goes against what is in force."""
    if (
        not stated.in_force
        or at_us < stated.from_us
        or (stated.until_us is not None and at_us >= stated.until_us)
    ):
        return False
    return stated.limit_minor is None or balance_minor - amount_minor < stated.limit_minor
