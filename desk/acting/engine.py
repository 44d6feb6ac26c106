"""Actions that the legal engine carries out: tried on the account as it is, by the engine's own rules."""

import re
from collections.abc import Callable, Mapping

import msgspec

from desk.acting.plan import Asked, Change, Plan, RefusedError
from measures.engine.intake import AccountState, Arrival, apply
from measures.law.country_file import Laws
from schemas.action import ActionKind, Effect
from schemas.commands import AccountMessage, AnswerAppeal, EndHold, InstitutionCommand, PlaceHold, Restrict
from schemas.contract import explained
from schemas.currencies import digits_of
from schemas.journal import AppealChanged, JournalEvent, MeasureChanged
from schemas.reply import Why
from schemas.strict_text import is_number
from schemas.topics import ACCOUNTS


def _hold(asked: Asked) -> InstitutionCommand:
    terms = asked.terms
    return PlaceHold(
        decision_id=asked.action_id,
        rule=terms.get("rule", ""),
        reason_code=asked.reason_code,
        amount_minor=minor(terms.get("amount", ""), terms.get("currency", "")),
        txn_id=terms.get("txn_id", ""),
        case_family=terms.get("case_family", ""),
        received_at_us=_received(terms.get("received_us", "")),
    )


def _release(asked: Asked) -> InstitutionCommand:
    return EndHold(measure_id=asked.subject, outcome="CONFIRM", reason=_said(asked), by=asked.people)


def _appeal(asked: Asked) -> InstitutionCommand:
    reduced = asked.terms.get("reduced", "")
    return AnswerAppeal(
        appeal_id=asked.subject,
        step=asked.terms.get("step", "DECIDE"),  # type: ignore[arg-type]
        outcome=asked.terms.get("outcome", ""),  # type: ignore[arg-type]
        reduced_to_minor=minor(reduced, asked.terms.get("currency", "")) if reduced else None,
        reasons=_said(asked),
        by=asked.people,
    )


def _restrict(asked: Asked) -> InstitutionCommand:
    return Restrict(
        decision_id=asked.action_id, rule=asked.terms.get("rule", ""), reason_code=asked.reason_code
    )


#: Thousands as they are parted, as in 1,234,567, and 12,34,567 in India.
_GROUPED = re.compile(r"[0-9]{1,3}([, ][0-9]{2,3})*[, ][0-9]{3}")
_SEPARATORS = re.compile("[, ]")

#: Action -> the command it sends.
COMMANDS: Mapping[ActionKind, Callable[[Asked], InstitutionCommand]] = {
    "HOLD": _hold,
    "RELEASE": _release,
    "APPEAL": _appeal,
    "RESTRICT": _restrict,
}


#: Action on something that a person chooses -> what is said where there is nothing to choose.
_LACKING: Mapping[ActionKind, str] = {
    "RELEASE": "nothing is held on this account",
    "APPEAL": "no appeal of this account is open",
}


def plan(asked: Asked, kept: AccountState | None, laws: Laws) -> Plan:
    """Say what a command would do to an account.

    Raises:
        RefusedError: the engine refuses it, in the engine's words.

    """
    command = _checked(asked)
    arrival = Arrival(
        account_token=asked.account,
        jurisdiction=asked.jurisdiction,
        command=msgspec.structs.replace(command, at_us=asked.at_us),
    )
    entry = apply(kept, arrival, laws).entry
    refused = entry.refused if entry else None
    alone = len(asked.people) == 1
    if refused is Why.TWO_PEOPLE_NEEDED and alone:
        foreseen = plan(asked._replace(people=(*asked.people, "second")), kept, laws)
        return foreseen._replace(second=True, effects=())
    if refused is not None or entry is None:
        raise RefusedError(str(refused or "NOTHING_CHANGES"), entry.detail if entry else "")
    changed = [event for event in entry.events if isinstance(event, MeasureChanged)]
    measures = [event.measure for event in changed]
    message = AccountMessage(account_token=asked.account, jurisdiction=asked.jurisdiction, command=command)
    value = msgspec.json.encode(message)
    return Plan(
        effects=(Effect(topic=ACCOUNTS, key=asked.account.encode(), value=value),),
        changes=tuple(_whole([found for event in entry.events if (found := _change(event))])),
        tells=tuple(dict.fromkeys(each.notice for each in measures if each.live and each.notice)),
        amount_minor=max((each.limit_minor for each in measures), default=0),
        currency=next((each.currency for each in measures if each.currency), ""),
    )


def _checked(asked: Asked) -> InstitutionCommand:
    """Make the command and read it as the engine will, so that nothing is sent that cannot be read."""
    if asked.kind in _LACKING and not asked.subject:
        raise RefusedError(str(Why.PARENT_NOT_FOUND), _LACKING[asked.kind])
    command = COMMANDS[asked.kind](asked)
    try:
        found: InstitutionCommand = msgspec.json.decode(msgspec.json.encode(command), type=InstitutionCommand)
    except msgspec.MsgspecError as error:
        raise RefusedError("MALFORMED", explained(error)) from error
    return found


def _whole(changes: list[Change]) -> list[Change]:
    """Tell of each thing what it was first and what it becomes last."""
    found: dict[tuple[str, str], Change] = {}
    for each in changes:
        first = found.get((each.what, each.subject), each)
        found[each.what, each.subject] = each._replace(before=first.before)
    return list(found.values())


def _change(event: JournalEvent) -> Change | None:
    if isinstance(event, MeasureChanged):
        m = event.measure
        return Change(
            f"MEASURE.{m.kind}",
            m.measure_id,
            event.was or "",
            m.state,
            m.held_minor or m.limit_minor,
            m.currency,
        )
    if isinstance(event, AppealChanged):
        return Change("APPEAL", event.appeal.appeal_id, event.was or "", event.appeal.state)
    return None


def _said(asked: Asked) -> str:
    return f"{asked.reason_code}: {asked.reason}" if asked.reason else asked.reason_code


def _received(text: str) -> int | None:
    if text.strip() and not (is_number(text) and len(text) <= 16):
        raise RefusedError("MALFORMED", f"{text[:40]!r} is no time in microseconds")
    return int(text or 0) or None


def minor(text: str, currency: str) -> int:
    """Read an amount as a person writes it as minor units; empty is 0.

    A comma parts thousands: where it may be meant as a decimal sign, the amount is refused.

    Raises:
        RefusedError: it is none, or has more digits than its currency.

    >>> minor("1,234.5", "CNY"), minor("5000", "JPY"), minor("", "CNY")
    (123450, 5000, 0)
    >>> minor("1,00,000", "INR"), minor("12 000", "EUR")
    (10000000, 1200000)

    """
    grouped, _, part = text.strip().partition(".")
    whole = _SEPARATORS.sub("", grouped) if _GROUPED.fullmatch(grouped) else grouped
    digits = digits_of(currency) or 0
    if not text.strip():
        return 0
    if currency and digits_of(currency) is None:
        raise RefusedError(
            "MALFORMED", f"{currency[:40]!r} is no currency; write the three letters of ISO 4217"
        )
    if not is_number(whole) or (part and not is_number(part)) or len(part) > digits or len(whole) > 15:
        raise RefusedError("MALFORMED", f"{text[:40]!r} is no amount of {currency or 'an unknown currency'}")
    return int(whole + part.ljust(digits, "0"))
