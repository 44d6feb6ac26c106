"""A report's case: taken, asked of recipients, answered or escalated, closed, told back."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from msgspec.structs import replace

from measures.aggregate import Aggregate, Applied, Followed, Office, Publish, Refuse, Send, moved
from measures.blocking.forms import form, region_of
from measures.cases.asking import (
    BLOCKABLE,
    BLOCKLIST,
    DESK,
    MACHINES,
    REGISTRY,
    Ask,
    action,
    first_wave,
    next_wave,
    undoing,
)
from measures.law.rules import LineSuspendRule, ReverifyRule
from schemas import topics
from schemas.block import Source
from schemas.casework import (
    Confirm,
    CountOutcome,
    DoAction,
    OpenCase,
    OrderReplied,
    SayOfNumber,
    TakeBack,
    Withdraw,
)
from schemas.contract import is_token
from schemas.errors import ConfigError
from schemas.ids import derived_id
from schemas.indicator import SaidKind, SaidOfNumber
from schemas.names import folded
from schemas.report import (
    Action,
    Answer,
    Entity,
    Finding,
    Report,
    ReportCase,
    ReportOutcome,
    Revocation,
)
from schemas.units import HOUR_US

#: Whose reports are findings: who sees many calls or payments, and not one.
_FINDERS = ("OPERATOR", "BANK", "PLATFORM", "POLICE", "FOREIGN")

#: What is asked of operators about lines, and the services that are then not active any more.
OF_LINES, OUTGOING = ("SUSPEND_LINE", "RE_VERIFY"), ("voiceSmsOut", "dataService")

#: States in which nothing is owed any more but a finding.
_TOLD = ("ACTED", "DISMISSED", "REVOKED", "CLOSED")


def entity_key(entity: Entity, jurisdiction: str) -> str:
    """Name what an entity is about, in one form whatever its spelling.

    Raises:
        ValueError: the value is nothing of its kind.

    """
    kind: Any = entity.kind
    if kind in BLOCKABLE and entity.role != "VICTIM":
        return _block_key(kind, entity.value, region_of(jurisdiction))
    if not is_token(entity.value):
        raise ValueError(f"{entity.role} {kind} is named by a token, never in clear")
    return derived_id("subject", kind, entity.value)


@lru_cache(10_000)
def _block_key(kind: Any, value: str, region: str) -> str:
    return derived_id("block", kind, form(kind, value, region))


def apply(case: ReportCase | None, key: str, command: Any, at_us: int, office: Office) -> Applied:
    """Apply a command to the case of report `key`."""
    if isinstance(command, OpenCase):
        return _open(case, command, at_us, office)
    if case is None:
        return Applied(
            None, () if isinstance(command, OrderReplied) else (Refuse("there is no such report"),)
        )
    return _TAKES[type(command)](case, command, at_us, office)


def due(case: ReportCase) -> int | None:
    """Return when somebody's clock runs out next, or the case closes unanswered."""
    clocks = [_owed(each) for each in case.actions if _owed(each)]
    if case.state not in ("CLOSED", "REVOKED"):
        clocks.append(case.received_us + case.report.ttl_h * HOUR_US)
    return min(clocks, default=None)


def tick(case: ReportCase, at_us: int, office: Office) -> Applied:
    """Escalate to a person whatever was owed at `at_us`, or close the case without a finding."""
    late = [each for each in case.actions if _owed(each) == at_us]
    if late:
        asked = [replace(each, escalated_us=at_us) if each in late else each for each in case.actions]
        for each in late:
            look = replace(
                action(case.report, each.entity, Ask("LOOK", DESK), at_us),
                action_id=derived_id("action", each.action_id, "escalated"),
                reason=f"{each.recipient} has not {'acted' if each.acked_us else 'answered'}: {each.kind}",
            )
            asked.append(look)
        return _after(case, moved(case, actions=tuple(asked)), at_us)
    return _after(
        case, moved(case, state="CLOSED", verdict="UNKNOWN", closed_us=at_us, why="nobody found"), at_us
    )


def standing(case: ReportCase, at_us: int) -> tuple[Followed, ...]:
    """Return what follows from a case as it is: what is not answered is asked, what is closed is told."""
    undone = case.state == "REVOKED" or case.verdict == "REJECTED"
    asked = _sends(case, [each for each in case.actions if not each.done_us])
    if not case.closed_us:
        return (*asked, *_said_of_numbers(case))
    named = {"report_id": case.key, "reporter": case.report.reporter}
    command = Withdraw(**named, rejected=case.verdict == "REJECTED") if undone else Confirm(**named)
    told = _parts(case, command) if undone or case.verdict == "CONFIRMED" else ()
    return (*asked, *told, _counted(case))


def _counted(case: ReportCase) -> Send:
    told = CountOutcome(report_id=case.key, verdict=case.verdict, revoked=case.state == "REVOKED")
    return Send("reporter", folded(case.report.reporter), told)


def _owed(each: Action) -> int:
    """When an action's next clock runs out; 0 if nothing is owed, or a person has been told already."""
    if each.done_us or each.escalated_us or each.recipient == DESK:
        return 0
    return each.act_due_us if each.acked_us else min(each.ack_due_us, each.act_due_us)


def _open(case: ReportCase | None, command: OpenCase, at_us: int, office: Office) -> Applied:
    """Take a report; the same again asks once more what has no answer, another of its id is refused."""
    report = command.report
    if case is not None:
        if case.report != report:
            return Applied(case, (Refuse("the report id stands for another report"),))
        return Applied(case, standing(case, at_us))
    fresh = ReportCase(
        report=report,
        authority=command.authority,
        quality=command.quality,
        state="FANNED_OUT",
        received_us=at_us,
        version=1,
    )
    if faults := _unreadable(fresh):
        return Applied(None, (Refuse(f"an entity is nothing of its kind: {faults}"),))
    if command.discredited:
        look = action(report, 0, Ask("LOOK", DESK), at_us)
        fresh = replace(
            fresh, state="IN_REVIEW", actions=(look,), why="most reports of this reporter were wrong"
        )
        return Applied(fresh)
    asked, said = first_wave(report, at_us), _said_of_numbers(fresh)
    if not asked:
        return _after(
            None,
            replace(fresh, state="DISMISSED", why="it names nobody of whom anything can be asked"),
            at_us,
        )
    fresh = replace(fresh, actions=asked)
    return Applied(fresh, (*_sends(fresh, asked), *said))


def _unreadable(case: ReportCase) -> str:
    for each in case.report.entities:
        try:
            entity_key(each, case.report.jurisdiction)
        except ValueError as error:
            return str(error)
    return ""


def _sends(case: ReportCase, actions: Any) -> tuple[Followed, ...]:
    """Hand actions for parts of the job to them; everybody else reads the case."""
    report = case.report
    source = Source(
        reporter=report.reporter, authority=case.authority, decision=report.case_no if case.authority else "",
        report_id=report.report_id, action="BLOCK",
    )  # fmt: skip
    found: list[Followed] = []
    for each in actions:
        if each.recipient in MACHINES:
            entity = report.entities[each.entity]
            do = DoAction(
                report_id=report.report_id, action=each, entity=entity, source=source,
                priority=report.priority, jurisdiction=report.jurisdiction, fraud_class=report.fraud_class,
                origin=report.origin,                 legal_basis=report.legal_basis,
            )  # fmt: skip
            kind = "block" if each.recipient == BLOCKLIST else "suspicion"
            found.append(Send(kind, entity_key(entity, report.jurisdiction), do))
    return tuple(found)


def _answered(case: ReportCase, answer: Answer, at_us: int, office: Office) -> Applied:
    """Take an answer of the recipient that was asked; the first result counts."""
    asked = next((each for each in case.actions if each.action_id == answer.action_id), None)
    if asked is None or asked.recipient != answer.recipient:
        return Applied(case, (Refuse("nothing like that was asked of this recipient"),))
    if answer.result == "REFUSED" and not answer.reason.strip():
        return Applied(case, (Refuse("who refuses names a reason"),))
    if asked.done_us or (not answer.result and asked.acked_us):
        return Applied(case)
    if answer.result == "ACTED" and asked.kind in OF_LINES and (active := still_in_service(answer.proof)):
        return Applied(case, (Refuse(f"the proof says that {active} of the line is active still"),))
    done = replace(asked, acked_us=asked.acked_us or at_us, known=answer.known or asked.known)
    if answer.result:
        done = replace(done, done_us=at_us, result=answer.result, reason=answer.reason, proof=answer.proof)
    first = _verifies_first(office, case.report.jurisdiction, at_us)
    acts = answer.result == "ACTED"
    more = next_wave(case.report, asked, answer.effect, at_us, verify_first=first) if acts else ()
    known = {each.action_id for each in case.actions}
    asked_now = [each for each in more if each.action_id not in known and case.state == "FANNED_OUT"]
    actions = tuple(done if each is asked else each for each in case.actions) + tuple(asked_now)
    acted = answer.result == "ACTED" and not case.first_action_us
    after = moved(case, actions=actions, first_action_us=at_us if acted else case.first_action_us)
    return _after(case, after, at_us)


def _verifies_first(office: Office, country: str, at_us: int) -> bool:
    """Whether the law has the user of a line verified again before it is cut."""
    try:
        regime = office.laws.of(country).on(at_us)
    except ConfigError:
        return False
    return regime.rule(ReverifyRule) is not None and regime.rule(LineSuspendRule) is None


def _replied(case: ReportCase, told: OrderReplied, at_us: int, office: Office) -> Applied:
    """Take the answer of the institution that an action was ordered of; of other orders it says nothing."""
    asked = next((each for each in case.actions if each.action_id == told.action_id), None)
    if asked is None or asked.done_us:
        return Applied(case)
    said = Answer(
        report_id=case.key, action_id=told.action_id, recipient=asked.recipient, result=told.result,
        reason=told.reason, proof=told.proof,
    )  # fmt: skip
    return _answered(case, said, at_us, office)


def still_in_service(proof: str) -> str:
    """Say which service of a line is still active by its subscription status (CAMARA), where a proof has it.

    >>> still_in_service('{"voiceSmsIn": "SUSPENDED", "voiceSmsOut": "ACTIVE"}')
    'voiceSmsOut'
    """
    try:
        status = msgspec.json.decode(proof)
    except msgspec.MsgspecError:
        return ""
    stated = status if isinstance(status, dict) else {}
    return next((name for name in OUTGOING if str(stated.get(name, "")).upper() == "ACTIVE"), "")


def _found(case: ReportCase, finding: Finding, at_us: int, office: Office) -> Applied:
    """Close a case; one that was wrong is undone, everywhere."""
    if not finding.reason.strip():
        return Applied(case, (Refuse("who judges names a reason"),))
    if case.state in ("CLOSED", "REVOKED"):
        same = case.verdict == finding.verdict
        return Applied(case, () if same else (Refuse("the case is closed with another finding"),))
    actions, sends = case.actions, _parts(case, Confirm(report_id=case.key, reporter=case.report.reporter))
    if finding.verdict == "REJECTED":
        actions = (*actions, *undoing(case.report, actions, at_us))
        undo = Withdraw(report_id=case.key, reporter=case.report.reporter, rejected=True)
        sends = _parts(case, undo)
    why = f"{finding.by}: {finding.reason}"[:1000]
    after = moved(case, state="CLOSED", verdict=finding.verdict, closed_us=at_us, actions=actions, why=why)
    return _after(case, after, at_us, sends)


def _taken_back(case: ReportCase, command: TakeBack, at_us: int, office: Office) -> Applied:
    """Undo what a report alone brought about; only its own reporter takes it back.

    Of a report that a person confirmed only the registry's word goes: people undo what others did on it.
    """
    revoked: Revocation = command.revocation
    if folded(revoked.reporter) != folded(case.report.reporter) or (case.authority and not command.authority):
        return Applied(case, (Refuse("only who reported takes a report back"),))
    if case.state == "REVOKED" or case.verdict == "REJECTED":
        return Applied(case)
    undo = Withdraw(report_id=case.key, reporter=case.report.reporter)
    confirmed = case.verdict == "CONFIRMED"
    actions = case.actions if confirmed else (*case.actions, *undoing(case.report, case.actions, at_us))
    after = moved(case, state="REVOKED", closed_us=at_us, actions=actions, why=revoked.reason)
    return _after(case, after, at_us, _parts(case, undo, _REGISTRY if confirmed else _PARTS))


#: Parts of the job -> the aggregates that act for them.
_PARTS: Mapping[str, str] = {BLOCKLIST: "block", REGISTRY: "suspicion"}
_REGISTRY: Mapping[str, str] = {REGISTRY: "suspicion"}


def _parts(case: ReportCase, command: Any, kinds: Mapping[str, str] = _PARTS) -> tuple[Followed, ...]:
    """Tell the parts of the job that were asked."""
    places = dict.fromkeys((each.entity, each.recipient) for each in case.actions if each.recipient in kinds)
    asked = (
        Send(kinds[recipient], entity_key(case.report.entities[place], case.report.jurisdiction), command)
        for place, recipient in places
    )
    return (*asked, *(each._replace(command=command) for each in _said_of_numbers(case)))


def number_tokens(report: Report) -> dict[str, None]:
    """Return the tokens of the suspects' numbers that a report names, in its order.

    A line is named by its token; a number in clear has it as the fact `token`, which the job adds where it
    knows the secret.
    """
    named = (
        each.value if each.kind == "SIM" else each.facts.get("token", "")
        for each in report.entities
        if each.kind in ("SIM", "NUMBER") and each.role != "VICTIM"
    )
    return dict.fromkeys(token for token in named if is_token(token))


def _said_of_numbers(case: ReportCase) -> tuple[Send, ...]:
    """Tell the numbers that a report names what it says of them; of a doubted reporter nothing."""
    if case.state == "IN_REVIEW":
        return ()
    report = case.report
    kind: SaidKind = "AUTHORITY" if case.authority else "FINDING" if report.origin in _FINDERS else "REPORT"
    said = SaidOfNumber(
        kind=kind, reporter=report.reporter, at_us=case.received_us, report_id=report.report_id
    )
    return tuple(
        Send(
            "number",
            derived_id("subject", "SIM", token),
            SayOfNumber(number_token=token, said=said, origin=report.origin),
        )
        for token in number_tokens(report)
    )


def _after(was: ReportCase | None, case: ReportCase, at_us: int, sends: tuple[Followed, ...] = ()) -> Applied:
    """Notice the last answer, tell the reporter of a new state, count what was closed in its record."""
    if case.state == "FANNED_OUT" and case.actions and all(each.done_us for each in case.actions):
        case = replace(case, state="ACTED", all_actions_us=at_us)
    followed = list(sends)
    if case.state in _TOLD and (was is None or (case.state, case.verdict) != (was.state, was.verdict)):
        followed.append(_outcome(case, at_us))
        if case.state in ("CLOSED", "REVOKED"):
            followed.append(_counted(case))
    return Applied(case, tuple(followed))


def _outcome(case: ReportCase, at_us: int) -> Publish:
    results = [each.result for each in case.actions]
    told = ReportOutcome(
        report_id=case.key,
        reporter=case.report.reporter,
        state=case.state,
        verdict=case.verdict,
        asked=len(results),
        acted=results.count("ACTED"),
        refused=results.count("REFUSED"),
        at_us=at_us,
        version=case.version,
    )
    named = derived_id("outcome", case.key, case.version)
    return Publish(topics.REPORT_OUTCOMES, case.report.reporter, told, "fp.clue.outcome.v1", named)


_TAKES: Mapping[type, Callable[[ReportCase, Any, int, Office], Applied]] = {
    Answer: _answered,
    Finding: _found,
    TakeBack: _taken_back,
    OrderReplied: _replied,
}

REPORT = Aggregate(
    kind="report",
    topic=topics.REPORT_ACTIONS,
    state=ReportCase,
    apply=apply,
    due=due,
    tick=tick,
    standing=standing,
)
