"""Objections of a holder (domain.md 1.8): tiers with due times, escalation, deemed lift."""

import msgspec

from measures.kinds import freeze
from measures.money.release import Effect, Release, release_fault
from measures.refusal import Refusal
from measures.state.machine import UnitOfWork, end
from schemas.commands import AnswerAppeal, FileAppeal
from schemas.ids import derived_id
from schemas.measure import Appeal, AppealState, Measure, MeasureState
from schemas.order import Scope
from schemas.reply import Why

A = AppealState

#: Step -> states it may be taken in.
STEPS = {
    "ACKNOWLEDGE": frozenset({A.FILED}),
    "REQUEST_EVIDENCE": frozenset({A.ACKNOWLEDGED, A.RECEIVED}),
    "RECEIVE_EVIDENCE": frozenset({A.EVIDENCE_REQUESTED}),
    "DECIDE": frozenset({A.FILED, A.ACKNOWLEDGED, A.EVIDENCE_REQUESTED, A.RECEIVED}),
}


def file(work: UnitOfWork, command: FileAppeal) -> Refusal | None:
    """Open an appeal against a running measure."""
    measure = work.account.measures.get(command.measure_id)
    appeal_id = derived_id("appeal", command.measure_id, command.filing_no)
    if appeal_id in work.account.appeals:
        return None
    if measure is None or not measure.live or measure.notice is None:
        return Refusal(why=Why.WRONG_STATE, detail="nothing runs that could be appealed")
    rule = work.regime.appeal
    if not any(tier.may(measure.kind, measure.actor) for tier in rule.tiers):
        whose = f"only who ordered it may lift it: {measure.authority_id}, {measure.order_no}"
        return Refusal(why=Why.NOT_COMPETENT, detail=whose)
    term = rule.acknowledge or rule.tiers[0].decide
    appeal = Appeal(
        appeal_id=appeal_id,
        measure_id=command.measure_id,
        state=A.FILED,
        tier=0,
        tier_name=rule.tiers[0].name,
        filed_at_us=work.now,
        due_us=work.regime.calendar.add(work.now, term),
        reasons=command.reasons,
    )
    work.put_appeal(appeal, "FILED")
    return None


def answer(work: UnitOfWork, command: AnswerAppeal) -> Refusal | None:
    """Take one step of the tier that owes an answer."""
    appeal = work.account.appeals.get(command.appeal_id)
    if appeal is None or appeal.state not in STEPS[command.step]:
        return Refusal(why=Why.WRONG_STATE, detail=appeal.state if appeal else "no such appeal")
    if command.step == "DECIDE":
        return _decide(work, appeal, command)
    state = {"ACKNOWLEDGE": A.ACKNOWLEDGED, "REQUEST_EVIDENCE": A.EVIDENCE_REQUESTED}.get(
        command.step, A.RECEIVED
    )
    due = appeal.due_us
    if command.step == "ACKNOWLEDGE":
        due = work.regime.calendar.add(appeal.filed_at_us, work.regime.appeal.tiers[appeal.tier].decide)
    work.put_appeal(msgspec.structs.replace(appeal, state=state, due_us=due), command.step)
    return None


def overdue(work: UnitOfWork, appeal: Appeal) -> None:
    """Pass an unanswered appeal to the next tier; after the last one the law may lift the measure."""
    if escalate(work, appeal, "OVERDUE"):
        return
    measure = work.account.measures[appeal.measure_id]
    silent = msgspec.structs.replace(appeal, due_us=None)
    if work.regime.appeal.deemed_lift:
        silent = msgspec.structs.replace(silent, state=A.DECIDED, outcome="DEEMED_LIFT")
        work.put_appeal(silent, "OVERDUE")
        work.put(_lifted(work, measure, "DEEMED_LIFT", ()), "APPEAL")
        work.settle("APPEAL")
    else:
        work.put_appeal(silent, "OVERDUE")
        work.alert("APPEAL_OVERDUE", appeal.appeal_id, appeal.tier_name)


def escalate(work: UnitOfWork, appeal: Appeal, cause: str) -> bool:
    """Move an appeal up to the next tier that may lift the measure; False when there is none."""
    tiers, measure = work.regime.appeal.tiers, work.account.measures[appeal.measure_id]
    above = range(appeal.tier + 1, len(tiers))
    tier = next((tier for tier in above if tiers[tier].may(measure.kind, measure.actor)), None)
    if tier is None:
        return False
    due = work.regime.calendar.add(work.now, tiers[tier].decide)
    moved = msgspec.structs.replace(
        appeal, state=A.ACKNOWLEDGED, tier=tier, tier_name=tiers[tier].name, due_us=due
    )
    work.put_appeal(moved, cause)
    return True


def _decide(work: UnitOfWork, appeal: Appeal, command: AnswerAppeal) -> Refusal | None:
    measure = work.account.measures[appeal.measure_id]
    if not command.outcome or not command.reasons.strip() or not command.by:
        return Refusal(why=Why.REASON_MISSING, detail="a decision names its outcome, reasons and people")
    if command.outcome == "REJECTED":
        closed = _decided(appeal, command)
        work.put_appeal(msgspec.structs.replace(closed, state=A.CLOSED), "DECIDE")
        return None
    changed = _changed(work, measure, command)
    after = measure if isinstance(changed, Refusal) else changed
    release = Release(measure, after, command.by, command.reasons)
    if fault := release_fault(work, Effect.APPEAL, release):
        return fault
    if not work.regime.appeal.tiers[appeal.tier].may(measure.kind, measure.actor):
        if not escalate(work, appeal, f"{command.outcome} beyond the tier's power"):
            work.alert("APPEAL_BEYOND_POWER", appeal.appeal_id, appeal.tier_name)
        return None
    if isinstance(changed, Refusal):
        return changed
    work.put_appeal(_decided(appeal, command), "DECIDE")
    work.put(changed, "APPEAL")
    work.settle("APPEAL")
    left = work.account.appeals[appeal.appeal_id]
    if left.state is not A.CLOSED:
        work.put_appeal(msgspec.structs.replace(left, state=A.CLOSED), "EXECUTED")
    return None


def _changed(work: UnitOfWork, measure: Measure, command: AnswerAppeal) -> Measure | Refusal:
    if command.outcome == "UPHELD":
        return _lifted(work, measure, command.reasons, command.by)
    if measure.scope not in (Scope.AMOUNT, Scope.ALL_OUTFLOW):
        return Refusal(why=Why.WRONG_STATE, detail="only a measure over a sum can be lifted in part")
    return freeze.reduce(measure, command.reduced_to_minor or 0)


def _lifted(work: UnitOfWork, measure: Measure, why: str, by: tuple[str, ...]) -> Measure:
    return end(measure, MeasureState.LIFTED, f"APPEAL: {why}", by=by, regime=work.regime, now=work.now)


def _decided(appeal: Appeal, command: AnswerAppeal) -> Appeal:
    return msgspec.structs.replace(
        appeal,
        state=A.DECIDED,
        due_us=None,
        outcome=command.outcome,
        reasons=command.reasons,
        decided_by=command.by,
    )
