"""What is told of a leg that is held: the measure, its legal ground and the reasons."""

from typing import NamedTuple

from measures.law.jurisdiction import Regime
from measures.law.rules import FreezeRule, HoldRule, StopRule
from models.ledgers.ledger import NOTHING_LEAVES
from models.scoring import reasons
from pipelines.policy import OUTCOMES, STOP, Policy, Verdict
from schemas.alert import Alert, Leg
from schemas.ids import derived_id
from schemas.rows.transfers import Paid


class Ground(NamedTuple):
    """What lets the institution act: the country file's rule, the reason to give, the legal basis."""

    rule: str
    reason_code: str
    basis: str


def _ground(law: Regime, leg: Leg, verdict: Verdict) -> Ground | None:
    stop, freeze = law.rule(StopRule), law.rule(FreezeRule)
    if verdict.enforced_minor == NOTHING_LEAVES and stop is not None:
        return Ground("stop", "STOP_ORDERED", stop.basis)
    if verdict.enforced_minor and freeze is not None:
        return Ground("freeze", "FREEZE_ORDERED", freeze.basis)
    about_account = leg == "DEBIT" or verdict.outcome == STOP
    rule = "payee_hold" if about_account else "payer_delay"
    reason = "PAYEE_SUSPECT" if about_account else "SCAM_SUSPECTED"
    hold = law.rule(HoldRule, rule)
    return Ground(rule, reason, hold.basis) if hold else None


def alert(policy: Policy, model: str, leg: Leg, paid: Paid, verdict: Verdict) -> Alert | None:
    """Make the alert about one leg; None where the law of the day gives no ground to act."""
    ground = _ground(policy.law.on(paid.at_us), leg, verdict)
    if ground is None:
        return None
    enforced = [reasons.measure_in_force(policy.language)] if verdict.enforced_minor else []
    account, counterparty = paid.creditor_account, paid.debtor_account
    if leg == "DEBIT":
        account, counterparty = counterparty, account
    return Alert(
        alert_id=derived_id("alert", paid.txn_id, leg, policy.stamp),
        jurisdiction=policy.law.id,
        leg=leg,
        outcome=OUTCOMES[verdict.outcome],  # type: ignore[arg-type]
        measure_rule=ground.rule,
        txn_id=paid.txn_id,
        account_token=account,
        counterparty_token=counterparty,
        party_token=paid.debtor,
        amount_minor=paid.amount_minor,
        currency=paid.currency,
        at_us=paid.at_us,
        score=verdict.score,
        reasons=(*enforced, *verdict.reasons),
        notice=policy.law.notice(ground.reason_code, ground.basis, policy.language),
        policy=policy.stamp,
        model=model,
        partition=paid.partition,
        offset=paid.offset,
        received_us=paid.received_us,
    )
