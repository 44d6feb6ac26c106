"""Second verification of who uses a line, before it is cut (anchors 6.3; China, law of 2022, art. 11).

Until it is passed the line receives and calls for help; passed it is free again, with the proof kept; not
passed in time it is suspended, and still can be passed.
"""

from measures.kinds.line_suspend import change_subscriber, language_of, line_fault
from measures.kinds.stop import origin
from measures.law import notices
from measures.law.jurisdiction import Regime
from measures.law.rules import ReverifyRule
from measures.money.release import Effect, Release, release_fault
from measures.refusal import Refusal, first_fault
from measures.state.account import Account
from measures.state.machine import Machine, UnitOfWork, become, end
from schemas.commands import AskVerification, ChangeSubscriber, Reverify
from schemas.ids import derived_id
from schemas.measure import Clock, ClockKind, Measure, MeasureState
from schemas.order import Actor, MeasureKind, Order, order_key
from schemas.reply import Why

S = MeasureState
KIND = MeasureKind.RE_VERIFY


def execute(order: Order, account: Account, regime: Regime, now: int) -> Measure | Refusal:
    """Have the user of a line verified again by order of an authority."""
    rule = regime.rule(ReverifyRule)
    if rule is None:
        return Refusal(why=Why.NO_LEGAL_BASIS, detail=f"{regime.id} verifies no users of lines again")
    if fault := line_fault(order, account, KIND):
        return fault
    return become(
        _begun(account, regime, rule, now, order_key(order)),
        S.APPLIED,
        **origin(order),
    )


def _begun(account: Account, regime: Regime, rule: ReverifyRule, now: int, cause: str) -> Measure:
    due = regime.calendar.add(now, rule.term)
    return Measure(
        measure_id=derived_id("measure", cause, account.account_token),
        kind=KIND,
        state=S.APPLIED,
        account_token=account.account_token,
        jurisdiction=regime.law.id,
        regime=regime.id,
        rule="re_verify",
        scope=rule.scope,
        rank=account.ranks + 1,
        functions=rule.functions,
        exempt=rule.exempt,
        executed_at_us=now,
        clocks=(Clock(due_us=due, kind=ClockKind.DEADLINE),),
        notice=notices.notice(regime.law, "LINE_CHECK", rule, language_of(account)),
    )


def _ask(work: UnitOfWork, command: AskVerification) -> Refusal | None:
    """Ask for it by the operator's own decision; of what the subscriber before did nothing follows."""
    rule, facts = work.regime.rule(ReverifyRule), work.account.facts
    measure_id = derived_id("measure", command.decision_id, work.account.account_token)
    if measure_id in work.account.measures:
        return None
    since = facts.subscriber_since_us if facts else None
    fault = first_fault(
        (
            rule is None or Actor.BANK not in rule.actors,
            Why.NO_LEGAL_BASIS,
            f"{work.regime.id} lets no operator ask for it",
        ),
        (command.evidence_at_us > work.now, Why.FUTURE_ORDER, "evidence_at_us is later than now"),
        (
            since is not None and since > command.evidence_at_us,
            Why.CONDITION_UNMET,
            "another subscriber has the number since",
        ),
        (
            any(each.kind is KIND for each in work.account.live()),
            Why.LIMIT_REACHED,
            "it is asked for already",
        ),
    )
    if fault or rule is None:
        return fault
    return work.impose(_begun(work.account, work.regime, rule, work.now, command.decision_id))


def _passed(work: UnitOfWork, command: Reverify) -> Refusal | None:
    """Free a line whose user was verified; the proof stays with the measure."""
    for measure in work.account.live():
        if measure.kind is not KIND:
            continue
        if not command.proof.strip():
            return Refusal(why=Why.REASON_MISSING, detail="a second verification names its proof")
        why = f"IDENTITY_VERIFIED: {command.proof.strip()}"
        ended = end(measure, S.RESTORED, why, by=command.by, regime=work.regime, now=work.now)
        if fault := release_fault(work, Effect.CURE, Release(measure, ended, command.by, why)):
            return fault
        work.put(ended, "REVERIFY")
    return None


def _recycled(work: UnitOfWork, command: ChangeSubscriber) -> Refusal | None:
    return change_subscriber(work, command, KIND)


def _unverified(work: UnitOfWork, measure: Measure) -> None:
    """Suspend a line whose user was not verified in time."""
    rule = work.regime.rule(ReverifyRule)
    functions = rule.unverified if rule else measure.functions
    basis = rule or (measure.notice.legal_basis if measure.notice else "")
    notice = notices.notice(work.law, "LINE_UNVERIFIED", basis, language_of(work.account))
    work.put(become(measure, S.SUSPENDED, functions=functions, clocks=(), notice=notice), "TIMER")


MACHINE = Machine(
    kind=KIND,
    rule=ReverifyRule,
    transitions={
        None: frozenset({S.APPLIED}),
        S.APPLIED: frozenset({S.APPLIED, S.SUSPENDED, S.RESTORED, S.EXPIRED, S.LIFTED}),
        S.SUSPENDED: frozenset({S.SUSPENDED, S.RESTORED, S.EXPIRED, S.LIFTED}),
    },
    expires_as=S.EXPIRED,
    lifted_as=S.LIFTED,
    execute=execute,
    commands={AskVerification: _ask, Reverify: _passed, ChangeSubscriber: _recycled},
    clocks={ClockKind.DEADLINE: _unverified},
)
