"""What a person is told of a measure: what is held, how much, until when, by whose order, how to object."""

from collections.abc import Collection
from datetime import timedelta
from typing import NamedTuple

import msgspec

from measures.law.jurisdiction import Jurisdiction
from measures.law.rule_base import Rule
from measures.law.words import Decider
from schemas.currencies import decimal, digits_of
from schemas.measure import ClockKind, Measure, MeasureState, Notice
from schemas.order import Actor, Scope


class Told(NamedTuple):
    """The facts of a measure that its notice names; unknown is None or empty.

    `ends` is False where nobody has set an end, None where it is not known here. `due_us` is by when its
    holder has to act. `by_measure`: a measure in force stops a payment, and its own notice says the rest.
    """

    scope: Scope | None = None
    amount_minor: int = 0
    currency: str = ""
    until_us: int | None = None
    ends: bool | None = None
    by_authority: bool = False
    authority_id: str = ""
    order_no: str = ""
    functions: Collection[str] = ()
    in_effect: bool = True
    due_us: int | None = None
    by_measure: bool = False


class Texts(NamedTuple):
    """A sum and an end as they are written; no end is empty."""

    amount: str
    until: str


#: A payment that a measure in force stops: what is known here is that there is one, not whose.
STOPPED = Told(scope=Scope.TRANSACTION, by_measure=True)

#: A notice that says why, and names no facts.
NOTHING = Told()


def told_of(measure: Measure) -> Told:
    """Give the facts of a measure as they stand."""
    by_authority = bool(measure.authority_id) and measure.actor is not Actor.BANK
    return Told(
        scope=measure.scope,
        amount_minor=measure.remaining_minor,
        currency=measure.currency,
        until_us=measure.expires_at_us,
        ends=measure.expires_at_us is not None,
        by_authority=by_authority,
        authority_id=measure.authority_id,
        order_no=measure.order_no,
        functions=measure.functions,
        in_effect=measure.state not in (MeasureState.WAITING, MeasureState.PENDING),
        due_us=next((clock.due_us for clock in measure.clocks if clock.kind is ClockKind.DEADLINE), None),
    )


def notice(
    law: Jurisdiction, reason_code: str, rule: Rule | str, language: str, told: Told = NOTHING
) -> Notice:
    """Say it in a language of the country, else in its first one; a plain text as `rule` is its basis."""
    return draft(law, reason_code, rule, language, told, texts=_texts(law, told))


def draft(
    law: Jurisdiction, reason_code: str, rule: Rule | str, language: str, told: Told, *, texts: Texts
) -> Notice:
    """Say it with texts for the sum and the end, such as marks that are filled in later."""
    language = language if language in law.languages else law.languages[0]
    words = law.words[language]
    basis = rule if isinstance(rule, str) else rule.basis_in(language)
    own_term = isinstance(rule, Rule) and rule.own_term
    return Notice(
        reason_code=reason_code,
        reason=_reason(law, reason_code, language, told, texts),
        legal_basis=f"{basis} ({words.own_term})" if own_term else basis,
        remedy_channel=_remedy(law, language, told),
        documents_needed=law.documents.get(language, words.documents),
        language=language,
        own_term=own_term,
        machine_made=words.machine_made,
    )


def restated(law: Jurisdiction, measure: Measure) -> Measure:
    """Bring the notice of a running measure up to date with the measure."""
    said = measure.notice
    if said is None or not measure.live:
        return measure
    told = told_of(measure)
    fresh = msgspec.structs.replace(
        said,
        reason=_reason(law, said.reason_code, said.language, told, _texts(law, told)),
        remedy_channel=_remedy(law, said.language, told),
    )
    return measure if fresh == said else msgspec.structs.replace(measure, notice=fresh)


def money(amount_minor: int, currency: str) -> str:
    """Write an amount for people.

    >>> money(123456789, "CNY"), money(5000, "KRW")
    ('1,234,567.89 CNY', '5,000 KRW')
    """
    whole, _, part = decimal(amount_minor, digits_of(currency) or 0).partition(".")
    return f"{int(whole):,}{'.' if part else ''}{part} {currency}".strip()


def local_time(law: Jurisdiction, at_us: int) -> str:
    """Write an instant as local date and time; midnight is the end of the day before it."""
    local = law.calendar.local(at_us)
    if (local.hour, local.minute, local.second) == (0, 0, 0):
        return f"{(local - timedelta(days=1)).date().isoformat()} 24:00"
    return local.isoformat(" ", "minutes")[:16]


def _texts(law: Jurisdiction, told: Told) -> Texts:
    until = "" if told.until_us is None else local_time(law, told.until_us)
    return Texts(money(told.amount_minor, told.currency), until)


def _reason(law: Jurisdiction, reason_code: str, language: str, told: Told, texts: Texts) -> str:
    words = law.words[language]
    reason = str(law.reasons.get(reason_code, {}).get(language) or words.reasons[reason_code])
    reason = reason.format(due="–" if told.due_us is None else local_time(law, told.due_us))
    if told.scope is None:
        return reason
    until = by = ""
    if texts.until:
        until = words.until.format(until=texts.until)
    elif told.ends is False:
        until = words.no_end
    if told.by_measure:
        by = ""
    elif told.by_authority:
        by = _of_authority(law, language, told, words.ordered) if told.order_no else ""
        if phone := law.phone_of(told.authority_id):
            by += words.phone.format(phone=phone)
    else:
        by = words.own
    names = (law.function_in(name, language) for name in sorted(told.functions))
    held = words.held.get(told.scope, "")
    if not told.in_effect:
        held = words.pending if told.scope is Scope.FUNCTIONS else words.waiting
    held = held.format(amount=texts.amount, functions=", ".join(names))
    return " ".join(words.layout.format(reason=reason, held=held, until=until, by=by).split(" ")).strip()


def _remedy(law: Jurisdiction, language: str, told: Told) -> str:
    decider: Decider = "AUTHORITY" if told.by_authority else "INSTITUTION"
    if told.by_measure:
        decider = "MEASURE"
    text = str(law.remedy.get(decider, {}).get(language) or law.words[language].remedy[decider])
    return _of_authority(law, language, told, text)


def _of_authority(law: Jurisdiction, language: str, told: Told, text: str) -> str:
    name = law.authority_in(told.authority_id, language) or law.words[language].authority
    return text.format(authority=name, number=told.order_no or "–")
