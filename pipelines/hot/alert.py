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
from pipelines.policy import OUTCOMES, STOP, Decision, Policy
from schemas.alert import AccountSide, Alert, Leg, Reason
from schemas.ids import derived_id
from schemas.iso20022.values import is_uetr
from schemas.measure import Notice
from schemas.rows.transfers import Paid

MINUTE_US = 60_000_000

#: Where sum and end go in a draft.
_AMOUNT, _UNTIL = "\x01", "\x02"


class Ground(NamedTuple):
    """What lets the institution act: the country file's rule under its name, and the reason to give.

    `party` is who is told: the payer of the payment, or the holder of the account that is acted on.
    """

    name: str
    rule: StopRule | FreezeRule | HoldRule
    reason_code: str
    party: Literal["HOLDER", "PAYER"]


def _grounds(law: Regime, leg: Leg, paid: Paid, decision: Decision, kept: Sides) -> list[Ground]:
    """Return what lets the institution act, the gravest first: on the account, and on the payment itself.

    It holds the payer's payment where it keeps that account, and what arrived where it keeps the payee's.
    """
    if not (kept.debtor or (leg == "CREDIT" and kept.creditor)):
        return []
    if decision.enforced_minor == NOTHING_LEAVES and (stop := law.rule(StopRule)) is not None:
        return [Ground("stop", stop, "MEASURE_IN_FORCE", "HOLDER")]
    if decision.enforced_minor and (freeze := law.rule(FreezeRule)) is not None:
        return [Ground("freeze", freeze, "MEASURE_IN_FORCE", "HOLDER")]
    if leg == "DEBIT" or not kept.debtor:
        return _on_account(law, paid, decision)
    if decision.outcome == STOP and kept.creditor:
        on_account = _on_account(law, paid, decision)
        return on_account and on_account + _on_payment(law, paid, decision)
    return _on_payment(law, paid, decision)


#: Why a hold is made, by what asks for it: told to the holder of the account, and to who pays it.
_TOLD_HOLDER = {"": "PAYEE_SUSPECT", "LISTED": "LISTED", "SUSPECTED": "ACCOUNT_SUSPECTED"}
_TOLD_PAYER = {"": "SCAM_SUSPECTED", "LISTED": "PAYEE_LISTED", "SUSPECTED": "PAYEE_SUSPECTED"}


def _on_account(law: Regime, paid: Paid, decision: Decision) -> list[Ground]:
    found = law.hold_at("payee_hold", paid.at_us)
    return [Ground(*found, _TOLD_HOLDER[decision.registered], "HOLDER")] if found else []


def _on_payment(law: Regime, paid: Paid, decision: Decision) -> list[Ground]:
    found = law.hold_at("payer_delay", paid.at_us)
    return [Ground(*found, _TOLD_PAYER[decision.registered], "PAYER")] if found else []


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


@lru_cache(maxsize=4096)
def _minute(law: Regime, minute: int) -> str:
    """Write a minute as local date and time; alerts of one minute end in one minute."""
    return local_time(law.law, minute * MINUTE_US)


def _notices(law: Regime, ground: Ground, paid: Paid) -> list[Notice]:
    """Say it in every language of the country; a hold ends its term after the payment was received."""
    amount, until = money(paid.amount_minor, paid.currency), ""
    if isinstance(ground.rule, HoldRule):
        until = _minute(law, law.calendar.add(paid.at_us, ground.rule.term) // MINUTE_US)
    return [
        msgspec.structs.replace(open_, reason=open_.reason.replace(_AMOUNT, amount).replace(_UNTIL, until))
        for open_ in _drafts(law, ground.name, ground.reason_code, ground.party)
    ]


def _in_force(policy: Policy, decision: Decision) -> Reason:
    """Return the reason of a debit against a measure: every debit is forbidden, or an amount is kept."""
    text = "MEASURE_IN_FORCE" if decision.enforced_minor == NOTHING_LEAVES else "AMOUNT_KEPT"
    return reasons.always(policy.words.reasons, text, policy.language)


def alert(policy: Policy, model: str, leg: Leg, paid: Paid, decision: Decision) -> Alert | None:
    """Make the alert about one leg; None where the law of the day gives no ground to act on our accounts."""
    kept = policy.institution.sides(paid.debtor_agent, paid.creditor_agent)
    law = policy.law.on(paid.at_us)
    grounds = _grounds(law, leg, paid, decision, kept)
    if not grounds:
        return None
    notices = [notice for ground in grounds for notice in _notices(law, ground, paid)]
    enforced = [_in_force(policy, decision)] if decision.enforced_minor else []
    account, counterparty = paid.creditor_account, paid.debtor_account
    side: AccountSide = "DEBTOR" if leg == "DEBIT" or not kept.creditor else "CREDITOR"
    if side == "DEBTOR":
        account, counterparty = counterparty, account
    return Alert(
        alert_id=derived_id("alert", paid.txn_id, leg, policy.stamp),
        jurisdiction=policy.law.id,
        leg=leg,
        outcome=OUTCOMES[decision.outcome],  # type: ignore[arg-type]
        measure_rule=grounds[0].name,
        txn_id=paid.txn_id,
        account_token=account,
        counterparty_token=counterparty,
        party_token=paid.debtor,
        amount_minor=paid.amount_minor,
        currency=paid.currency,
        at_us=paid.at_us,
        score=decision.score,
        reasons=(*enforced, *decision.reasons),
        notice=next(notice for notice in notices if notice.language == policy.language),
        notices=tuple(notices),
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
