"""Objections of a holder (domain.md 1.8): tiers with due times, escalation, deemed lift."""

import msgspec

from measures.authority.people import release_fault, weight
from measures.engine.unit_of_work import Desk
from measures.kinds import freeze
from measures.state.machine import Refusal, end
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


def file(desk: Desk, command: FileAppeal) -> Refusal | None:
    """Open an appeal against a running measure."""
    measure = desk.account.measures.get(command.measure_id)
    appeal_id = derived_id("appeal", command.measure_id, command.filing_no)
    if appeal_id in desk.account.appeals:
        return None
    if measure is None or not measure.live or measure.notice is None:
        return Refusal(why=Why.WRONG_STATE, detail="nothing runs that could be appealed")
    rule = desk.regime.appeal
    term = rule.acknowledge or rule.tiers[0].decide
    appeal = Appeal(
        appeal_id=appeal_id,
        measure_id=command.measure_id,
        state=A.FILED,
        tier=0,
        tier_name=rule.tiers[0].name,
        filed_at_us=desk.now,
        due_us=desk.regime.calendar.add(desk.now, term),
        reasons=command.reasons,
    )
    desk.put_appeal(appeal, "FILED")
    return None


def answer(desk: Desk, command: AnswerAppeal) -> Refusal | None:
    """Take one step of the tier that owes an answer."""
    appeal = desk.account.appeals.get(command.appeal_id)
    if appeal is None or appeal.state not in STEPS[command.step]:
        return Refusal(why=Why.WRONG_STATE, detail=appeal.state if appeal else "no such appeal")
    if command.step == "DECIDE":
        return _decide(desk, appeal, command)
    state = {"ACKNOWLEDGE": A.ACKNOWLEDGED, "REQUEST_EVIDENCE": A.EVIDENCE_REQUESTED}.get(
        command.step, A.RECEIVED
    )
    due = appeal.due_us
    if command.step == "ACKNOWLEDGE":
        due = desk.regime.calendar.add(appeal.filed_at_us, desk.regime.appeal.tiers[appeal.tier].decide)
    desk.put_appeal(msgspec.structs.replace(appeal, state=state, due_us=due), command.step)
    return None


def overdue(desk: Desk, appeal: Appeal) -> None:
    """Pass an unanswered appeal to the next tier; after the last one the law may lift the measure."""
    if escalate(desk, appeal, "OVERDUE"):
        return
    measure = desk.account.measures[appeal.measure_id]
    silent = msgspec.structs.replace(appeal, due_us=None)
    if desk.regime.appeal.deemed_lift:
        silent = msgspec.structs.replace(silent, state=A.DECIDED, outcome="DEEMED_LIFT")
        desk.put_appeal(silent, "OVERDUE")
        desk.put(_lifted(desk, measure, "DEEMED_LIFT", ()), "APPEAL")
        desk.settle("APPEAL")
    else:
        desk.put_appeal(silent, "OVERDUE")
        desk.alert("APPEAL_OVERDUE", appeal.appeal_id, appeal.tier_name)


def escalate(desk: Desk, appeal: Appeal, cause: str) -> bool:
    """Move an appeal one tier up; False when there is none."""
    tiers = desk.regime.appeal.tiers
    tier = appeal.tier + 1
    if tier >= len(tiers):
        return False
    due = desk.regime.calendar.add(desk.now, tiers[tier].decide)
    moved = msgspec.structs.replace(
        appeal, state=A.ACKNOWLEDGED, tier=tier, tier_name=tiers[tier].name, due_us=due
    )
    desk.put_appeal(moved, cause)
    return True


def _decide(desk: Desk, appeal: Appeal, command: AnswerAppeal) -> Refusal | None:
    measure = desk.account.measures[appeal.measure_id]
    if not command.outcome or not command.reasons.strip() or not command.by:
        return Refusal(why=Why.REASON_MISSING, detail="a decision names its outcome, reasons and people")
    if command.outcome == "REJECTED":
        closed = _decided(appeal, command)
        desk.put_appeal(msgspec.structs.replace(closed, state=A.CLOSED), "DECIDE")
        return None
    concerned = weight(measure, desk.account.balance_minor)
    if fault := release_fault(command.by, command.reasons, concerned, desk.regime):
        return fault
    if measure.kind not in desk.regime.appeal.tiers[appeal.tier].may_lift:
        if not escalate(desk, appeal, f"{command.outcome} beyond the tier's power"):
            desk.alert("APPEAL_BEYOND_POWER", appeal.appeal_id, appeal.tier_name)
        return None
    changed = _changed(desk, measure, command)
    if isinstance(changed, Refusal):
        return changed
    desk.put_appeal(_decided(appeal, command), "DECIDE")
    desk.put(changed, "APPEAL")
    desk.settle("APPEAL")
    left = desk.account.appeals[appeal.appeal_id]
    if left.state is not A.CLOSED:
        desk.put_appeal(msgspec.structs.replace(left, state=A.CLOSED), "EXECUTED")
    return None


def _changed(desk: Desk, measure: Measure, command: AnswerAppeal) -> Measure | Refusal:
    if command.outcome == "UPHELD":
        return _lifted(desk, measure, command.reasons, command.by)
    if measure.scope not in (Scope.AMOUNT, Scope.ALL_OUTFLOW):
        return Refusal(why=Why.WRONG_STATE, detail="only a measure over a sum can be lifted in part")
    return freeze.reduce(measure, command.reduced_to_minor or 0)


def _lifted(desk: Desk, measure: Measure, why: str, by: tuple[str, ...]) -> Measure:
    return end(measure, MeasureState.LIFTED, f"APPEAL: {why}", by=by, regime=desk.regime, now=desk.now)


def _decided(appeal: Appeal, command: AnswerAppeal) -> Appeal:
    return msgspec.structs.replace(
        appeal,
        state=A.DECIDED,
        due_us=None,
        outcome=command.outcome,
        reasons=command.reasons,
        decided_by=command.by,
    )
