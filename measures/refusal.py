"""A refusal: why something asked of the engine had no effect. It is an answer, not an exception."""

from schemas.order import Record
from schemas.reply import Why


class Refusal(Record, frozen=True, kw_only=True):
    """Why a command had no effect."""

    why: Why
    detail: str = ""


def first_fault(*checks: tuple[bool, Why, str]) -> Refusal | None:
    """Refuse for the first check that is true; None when none is."""
    for wrong, why, detail in checks:
        if wrong:
            return Refusal(why=why, detail=detail)
    return None
