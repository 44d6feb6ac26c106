"""What is told of a leg that is held: the measure, its legal ground and the reasons."""

from functools import lru_cache
from typing import Literal, NamedTuple

import msgspec

from measures.law.jurisdiction import Regime
from measures.law.notices import STOPPED, Texts, Told, draft, local_time, money
from measures.law.rules import FreezeRule, HoldRule, StopRule
from models.ledgers.enforcement import NOTHING_LEAVES
from models.scoring import reasons
from pipelines.institution import Sides
from pipelines.policy import OUTCOMES, STOP, Decision, Policy, Registered
from schemas.alert import AccountSide, Alert, Leg, Reason
from schemas.ids import derived_id
from schemas.iso20022.values import is_uetr
from schemas.measure import Notice
from schemas.rows.transfers import Paid

MINUTE_US = 60_000_000

#: Where sum and end go in a draft: controls that no text holds (`schemas.contract.TEXT_PATTERN`) and JSON
#: writes as they are.
_AMOUNT, _UNTIL = "\x80", "\x81"

_OPEN = _AMOUNT.encode()

_ENCODE = msgspec.json.Encoder().encode


class EncodedAlert(Alert, frozen=True, kw_only=True):
    """An alert whose notices are JSON already; written out it is an `Alert`."""

    notice: msgspec.Raw  # type: ignore[assignment]
    notices: msgspec.Raw  # type: ignore[assignment]


class Asked(NamedTuple):
    """What grounds depend on besides the law of the minute: the leg, whose accounts are here, the decision.

    `enforced` is what measures in force keep on the account: nothing, an amount, or all of it.
    """

    leg: Leg
    kept: Sides
    outcome: int
    registered: Registered
    enforced: Literal["", "AMOUNT", "ALL"]


class Notices(NamedTuple):
    """The rule acted on, and what is told: in the policy's language, and all; JSON around the sum."""

    measure_rule: str
    own: list[bytes]
    all: list[bytes]


class Ground(NamedTuple):
    """What lets the institution act: the country file's rule under its name, and the reason to give.

    `party` is who is told: the payer of the payment, or the holder of the account that is acted on.
    """

    name: str
    rule: StopRule | FreezeRule | HoldRule
    reason_code: str
    party: Literal["HOLDER", "PAYER"]


def _grounds(law: Regime, at_us: int, asked: Asked) -> list[Ground]:
    """Return what lets the institution act, the gravest first: on the account, and on the payment itself.

    It holds the payer's payment where it keeps that account, and what arrived where it keeps the payee's.
    """
    leg, kept = asked.leg, asked.kept
    if not (kept.debtor or (leg == "CREDIT" and kept.creditor)):
        return []
    if asked.enforced == "ALL" and (stop := law.rule(StopRule)) is not None:
        return [Ground("stop", stop, "MEASURE_IN_FORCE", "HOLDER")]
    if asked.enforced and (freeze := law.rule(FreezeRule)) is not None:
        return [Ground("freeze", freeze, "MEASURE_IN_FORCE", "HOLDER")]
    if leg == "DEBIT" or not kept.debtor:
        return _on_account(law, at_us, asked)
    if asked.outcome == STOP and kept.creditor:
        on_account = _on_account(law, at_us, asked)
        return on_account and on_account + _on_payment(law, at_us, asked)
    return _on_payment(law, at_us, asked)


#: Why a hold is made, by what asks for it: told to the holder of the account, and to who pays it.
_TOLD_HOLDER = {"": "PAYEE_SUSPECT", "LISTED": "LISTED", "SUSPECTED": "ACCOUNT_SUSPECTED"}
_TOLD_PAYER = {"": "SCAM_SUSPECTED", "LISTED": "PAYEE_LISTED", "SUSPECTED": "PAYEE_SUSPECTED"}


def _on_account(law: Regime, at_us: int, asked: Asked) -> list[Ground]:
    found = law.hold_at("payee_hold", at_us)
    return [Ground(*found, _TOLD_HOLDER[asked.registered], "HOLDER")] if found else []


def _on_payment(law: Regime, at_us: int, asked: Asked) -> list[Ground]:
    found = law.hold_at("payer_delay", at_us)
    return [Ground(*found, _TOLD_PAYER[asked.registered], "PAYER")] if found else []


@lru_cache(maxsize=256)
def _drafts(
    law: Regime, name: str, reason_code: str, party: Literal["HOLDER", "PAYER"]
) -> tuple[Notice, ...]:
    """Write the notice of a rule in every language of the country, its sum and its end left open."""
    rule = {"stop": law.rule(StopRule), "freeze": law.rule(FreezeRule)}.get(name) or law.rule(HoldRule, name)
    if rule is None:
        raise ValueError(f"{law.id} has no rule {name!r}")
    hold = isinstance(rule, HoldRule)
    told, texts = Told(scope=rule.scope) if hold else STOPPED, Texts(_AMOUNT, _UNTIL if hold else "")
    made = (
        draft(
            law.law, reason_code, rule if hold else law.law.words[language].of_measure, language, told,
            texts=texts,
        )
        for language in law.law.languages
    )  # fmt: skip
    return tuple(msgspec.structs.replace(notice, party=party) for notice in made)


def _notices(law: Regime, ground: Ground, at_us: int) -> list[Notice]:
    """Say it in every language of the country, the sum left open; a hold ends its term after the payment."""
    until = ""
    if isinstance(ground.rule, HoldRule):
        until = local_time(law.law, law.calendar.add(at_us, ground.rule.term))
    return [
        msgspec.structs.replace(open_, reason=open_.reason.replace(_UNTIL, until))
        for open_ in _drafts(law, ground.name, ground.reason_code, ground.party)
    ]


@lru_cache(maxsize=1024)
def _told(law: Regime, language: str, minute: int, asked: Asked) -> Notices | None:
    """Say on what ground payments of a minute are held, None without one.

    Laws begin at midnights, rules stand in for each other by the minute, and terms are whole minutes.
    """
    at_us = minute * MINUTE_US
    grounds = _grounds(law, at_us, asked)
    if not grounds:
        return None
    notices = [notice for ground in grounds for notice in _notices(law, ground, at_us)]
    own = next(notice for notice in notices if notice.language == language)
    return Notices(grounds[0].name, _ENCODE(own).split(_OPEN), _ENCODE(notices).split(_OPEN))


def _enforced(kept_minor: int) -> Literal["", "AMOUNT", "ALL"]:
    if not kept_minor:
        return ""
    return "ALL" if kept_minor == NOTHING_LEAVES else "AMOUNT"


def _in_force(policy: Policy, decision: Decision) -> Reason:
    """Return the reason of a debit against a measure: every debit is forbidden, or an amount is kept."""
    text = "MEASURE_IN_FORCE" if decision.enforced_minor == NOTHING_LEAVES else "AMOUNT_KEPT"
    return reasons.always(policy.words.reasons, text, policy.language)


def alert(policy: Policy, model: str, leg: Leg, paid: Paid, decision: Decision) -> EncodedAlert | None:
    """Make the alert about one leg; None where the law of the day gives no ground to act on our accounts."""
    kept = policy.institution.sides(paid.debtor_agent, paid.creditor_agent)
    asked = Asked(leg, kept, decision.outcome, decision.registered, _enforced(decision.enforced_minor))
    told = _told(policy.law.on(paid.at_us), policy.language, paid.at_us // MINUTE_US, asked)
    if told is None:
        return None
    amount = _ENCODE(money(paid.amount_minor, paid.currency))[1:-1]
    enforced = (_in_force(policy, decision),) if decision.enforced_minor else ()
    account, counterparty = paid.creditor_account, paid.debtor_account
    side: AccountSide = "DEBTOR" if leg == "DEBIT" or not kept.creditor else "CREDITOR"
    if side == "DEBTOR":
        account, counterparty = counterparty, account
    return EncodedAlert(
        alert_id=derived_id("alert", paid.txn_id, leg, policy.stamp),
        jurisdiction=policy.law.id,
        leg=leg,
        outcome=OUTCOMES[decision.outcome],  # type: ignore[arg-type]
        measure_rule=told.measure_rule,
        txn_id=paid.txn_id,
        account_token=account,
        counterparty_token=counterparty,
        party_token=paid.debtor,
        amount_minor=paid.amount_minor,
        currency=paid.currency,
        at_us=paid.at_us,
        score=decision.score,
        reasons=(*enforced, *decision.reasons),
        notice=msgspec.Raw(amount.join(told.own)),
        notices=msgspec.Raw(amount.join(told.all)),
        policy=policy.stamp,
        model=model,
        partition=paid.partition,
        offset=paid.offset,
        received_us=paid.received_us,
        account_side=side,
        debtor_agent=paid.debtor_agent,
        creditor_agent=paid.creditor_agent,
        uetr=paid.txn_id if is_uetr(paid.txn_id) else "",
        lists=f"{paid.lists:08x}" if paid.lists else "",
        traceparent=paid.traceparent,
    )
