"""A blocking entry as it lives: asked for, confirmed, objected to, lifted, run out, taken down, seen."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from measures.aggregate import Aggregate, Applied, Followed, Office, Refuse, Send, moved
from measures.authority.people import deed_fault
from measures.blocking.admission import Request, admitted, allowed, appeal_due, confirmed, lifted
from measures.blocking.forms import region_of
from measures.law.jurisdiction import Regime
from measures.law.rules import Deed
from schemas import topics
from schemas.block import BlockEntry, Objection, Ticket
from schemas.casework import (
    AnswerObjection,
    AnswerTicket,
    AskBlock,
    Confirm,
    ConfirmBlock,
    DoAction,
    LiftBlock,
    ObjectToBlock,
    SightBlocked,
    Withdraw,
)
from schemas.errors import ConfigError
from schemas.reply import Why
from schemas.report import Answer
from schemas.units import DAY_US

#: Kinds of which somebody can be asked to take them down.
TAKEN_DOWN = ("DOMAIN", "URL", "APP_HASH")

#: Operators whose sightings one entry remembers.
OPERATORS_MAX = 64


def apply(entry: BlockEntry | None, key: str, command: Any, at_us: int, office: Office) -> Applied:
    """Apply a command to the entry `key`."""
    if isinstance(command, DoAction):
        return _asked_by_report(entry, command, at_us, office)
    if isinstance(command, AskBlock):
        return _asked(entry, command, at_us, office)
    if entry is None:
        return Applied(
            None, (Refuse("there is no such entry"),) if not isinstance(command, Withdraw | Confirm) else ()
        )
    return _TAKES[type(command)](entry, command, at_us, office)


def effect(entry: BlockEntry) -> str:
    """Return what an entry does now, in a word."""
    return entry.action if entry.state == "ACTIVE" else entry.state


def due(entry: BlockEntry) -> int | None:
    """Return when an entry runs out, an objection or a ticket is overdue."""
    clocks = [entry.valid_to_us] if entry.state != "LIFTED" else []
    if entry.state != "LIFTED" and entry.objection and _unheard(entry.objection):
        waiting = entry.objection
        clocks.append(waiting.decide_due_us if waiting.acked_us else waiting.ack_due_us)
    if entry.ticket and not entry.ticket.done_us and not entry.ticket.overdue:
        clocks.append(entry.ticket.due_us)
    return min(clocks, default=None)


def tick(entry: BlockEntry, at_us: int, office: Office) -> Applied:
    """Let an entry run out; say which objection and which ticket nobody answered in time."""
    changes: dict[str, Any] = {}
    objection, ticket = entry.objection, entry.ticket
    if entry.state != "LIFTED" and objection and _unheard(objection):
        limit = objection.decide_due_us if objection.acked_us else objection.ack_due_us
        if limit <= at_us:
            changes["objection"] = replace(objection, overdue_us=at_us)
    if ticket and not ticket.done_us and not ticket.overdue and ticket.due_us <= at_us:
        changes["ticket"] = replace(ticket, overdue=True)
    if entry.state != "LIFTED" and entry.valid_to_us <= at_us:
        changes |= {"state": "LIFTED", "blocked_us": 0}
    return Applied(moved(entry, **changes))


def _unheard(objection: Objection) -> bool:
    return not objection.decided_us and not objection.overdue_us


def _asked(entry: BlockEntry | None, asked: AskBlock, at_us: int, office: Office) -> Applied:
    source = replace(asked.source, action=asked.action)
    regime = _people(asked.jurisdiction, at_us, office)
    two = regime is not None and "ASK_BLOCK" in regime.people.two_people
    if (source.by or two) and (fault := deed_fault("ASK_BLOCK", source.by, source.reason, regime)):
        return Applied(entry, (Refuse(f"{fault.why}: {fault.detail}"),))
    request = Request(
        asked.kind, asked.value, asked.action, source, at_us, asked.reason_code, asked.legal_basis,
        asked.remedy_channel, asked.documents_needed, asked.days,
        asked.region or region_of(asked.jurisdiction), asked.jurisdiction,
    )  # fmt: skip
    try:
        after = _stopping(admitted(request, entry, office.guard), entry, at_us)
    except ValueError as error:
        return Applied(entry, (Refuse(str(error)),))
    return Applied(entry if entry and replace(after, version=entry.version) == entry else after)


def _asked_by_report(entry: BlockEntry | None, do: DoAction, at_us: int, office: Office) -> Applied:
    """List what a report names, and answer the report; a repetition changes nothing and is answered again."""
    kind: Any = do.entity.kind
    known = _known(entry)
    if entry is not None and any(each.report_id == do.report_id for each in entry.sources):
        return Applied(entry, (_answer(do, entry, known, effect(entry)),))
    request = Request(
        kind, do.entity.value, "BLOCK", do.source, at_us, "SCAM_REPORTED",
        do.legal_basis or "Terms of service", "The operator that blocks it",
        region=region_of(do.jurisdiction), jurisdiction=do.jurisdiction,
    )  # fmt: skip
    try:
        after = _stopping(admitted(request, entry, office.guard), entry, at_us)
    except ValueError as error:
        refused = Answer(
            report_id=do.report_id, action_id=do.action.action_id, recipient=do.action.recipient,
            result="REFUSED", reason=str(error),
        )  # fmt: skip
        return Applied(entry, (Send("report", do.report_id, refused),))
    if after.blocked_us and after.ticket is None and kind in TAKEN_DOWN:
        host = do.entity.institution or "all"
        after = replace(after, ticket=Ticket(to=f"platform:{host}", asked_us=at_us, due_us=at_us + DAY_US))
    brought = effect(after) if entry is None or effect(entry) != effect(after) else ""
    return Applied(after, (_answer(do, after, known, brought),))


def _known(entry: BlockEntry | None) -> str:
    if entry is None:
        return "not listed before"
    seen = sum(entry.sighted.values())
    return f"listed before as {effect(entry)} by {len(entry.sources)} sources, seen {seen} times since"


def _answer(do: DoAction, entry: BlockEntry, known: str, brought: str) -> Followed:
    """Answer a report; what it `brought` about, not what was there before, has others asked."""
    told = Answer(
        report_id=do.report_id,
        action_id=do.action.action_id,
        recipient=do.action.recipient,
        result="ACTED",
        proof=f"{entry.entry_id} version {entry.version}",
        known=known,
        effect=brought,
    )
    return Send("report", do.report_id, told)


def _stopping(entry: BlockEntry, was: BlockEntry | None, at_us: int) -> BlockEntry:
    """Return an entry with the time since when it stops, and what is remembered of it."""
    stops = entry.state == "ACTIVE" and entry.action == "BLOCK"
    kept = entry
    if was is not None:
        kept = replace(
            entry,
            sighted=was.sighted,
            ticket=was.ticket,
            objection=was.objection,
            wrongful_us=was.wrongful_us,
        )
    since = (was.blocked_us if was else 0) or at_us
    return replace(kept, blocked_us=since if stops else 0)


def _confirmed(entry: BlockEntry, command: ConfirmBlock, at_us: int, office: Office) -> Applied:
    if refused := _refused(entry, "CONFIRM_BLOCK", command, at_us, office):
        return Applied(entry, refused)
    return Applied(_stopping(confirmed(entry), entry, at_us))


def _lifted(entry: BlockEntry, command: LiftBlock, at_us: int, office: Office) -> Applied:
    if refused := _refused(entry, "LIFT_BLOCK", command, at_us, office):
        return Applied(entry, refused)
    after = _ended(entry, at_us, wrongly=True)
    return Applied(after if after is entry else _by(after, command))


def _by(entry: BlockEntry, command: LiftBlock | AnswerObjection) -> BlockEntry:
    return replace(entry, ended_by=command.by, ended_why=command.reason)


def _refused(
    entry: BlockEntry,
    deed: Deed,
    command: ConfirmBlock | LiftBlock | AnswerObjection,
    at_us: int,
    office: Office,
) -> tuple[Refuse, ...]:
    """Refuse what too few people decide; what an authority has blocked only an authority gives free."""
    fault = deed_fault(deed, command.by, command.reason, _people(entry.jurisdiction, at_us, office))
    if fault:
        return (Refuse(f"{fault.why}: {fault.detail}"),)
    signed = (
        isinstance(command, LiftBlock | AnswerObjection)
        and command.authority_id
        and (
            command.authority_country == (entry.jurisdiction or command.authority_country)
            or command.authority_id in {each.reporter for each in entry.sources if each.authority}
        )
    )
    if deed == "LIFT_BLOCK" and not signed and any(each.authority for each in entry.sources):
        return (
            Refuse(f"{Why.NOT_COMPETENT}: an authority had it blocked; only a signed word gives it free"),
        )
    return ()


def _people(country: str, at_us: int, office: Office) -> Regime | None:
    """Return the law of an entry's country; None where nobody said which, or there is no file of it."""
    try:
        return office.laws.of(country).on(at_us) if country else None
    except ConfigError:
        return None


def _ended(entry: BlockEntry, at_us: int, *, wrongly: bool) -> BlockEntry:
    stopped = at_us - entry.blocked_us if entry.blocked_us and wrongly else 0
    after = lifted(entry, at_us)
    return (
        replace(after, blocked_us=0, wrongful_us=entry.wrongful_us + stopped) if after is not entry else entry
    )


def _withdrawn(entry: BlockEntry, command: Withdraw, at_us: int, office: Office) -> Applied:
    """Take one report's word away: what the others carry stays, and what nobody says any more is lifted."""
    left = tuple(each for each in entry.sources if each.report_id != command.report_id)
    if left == entry.sources or entry.state == "LIFTED":
        return Applied(entry)
    if not left:
        return Applied(_ended(entry, at_us, wrongly=command.rejected))
    action = allowed(entry.action, left)
    after = moved(entry, sources=left, action=action)
    stopped = at_us - entry.blocked_us if entry.blocked_us and action != "BLOCK" and command.rejected else 0
    return Applied(replace(_stopping(after, entry, at_us), wrongful_us=entry.wrongful_us + stopped))


def _objected(entry: BlockEntry, command: ObjectToBlock, at_us: int, office: Office) -> Applied:
    """Open an objection; the entry stays until it is decided."""
    if entry.state == "LIFTED":
        return Applied(entry, (Refuse("the entry has no effect any more"),))
    open_ = entry.objection and not entry.objection.decided_us
    if entry.objection and (open_ or entry.objection.objection_id == command.objection_id):
        return Applied(entry)
    acknowledged, decided = appeal_due(at_us)
    objection = Objection(
        objection_id=command.objection_id, filed_us=at_us, ack_due_us=acknowledged, decide_due_us=decided
    )
    return Applied(moved(entry, objection=objection))


def _objection_answered(entry: BlockEntry, command: AnswerObjection, at_us: int, office: Office) -> Applied:
    """Acknowledge or decide; an upheld objection lifts the entry at that instant."""
    waiting = entry.objection
    if waiting is None or waiting.objection_id != command.objection_id:
        return Applied(entry, (Refuse("there is no such objection"),))
    if waiting.decided_us:
        return Applied(entry)
    if command.decided and not command.reason.strip():
        return Applied(entry, (Refuse("who decides names a reason"),))
    told = replace(waiting, acked_us=waiting.acked_us or at_us)
    if not command.decided:
        return Applied(moved(entry, objection=told))
    told = replace(
        told, decided_us=at_us, upheld=command.upheld, by=",".join(command.by)[:128], reason=command.reason
    )
    if command.upheld and (refused := _refused(entry, "LIFT_BLOCK", command, at_us, office)):
        return Applied(entry, refused)
    after = moved(entry, objection=told)
    return Applied(_by(_ended(after, at_us, wrongly=True), command) if command.upheld else after)


def _sighted(entry: BlockEntry, command: SightBlocked, at_us: int, office: Office) -> Applied:
    """Take over how often an operator has seen what is blocked."""
    if entry.state != "ACTIVE":
        return Applied(entry)
    if len(entry.sighted) >= OPERATORS_MAX and command.operator not in entry.sighted:
        return Applied(entry, (Refuse(f"{OPERATORS_MAX} operators have told of this entry already"),))
    counted = max(command.count, entry.sighted.get(command.operator, 0))
    seen = {**entry.sighted, command.operator: counted}
    return Applied(moved(entry, sighted=seen))


def _ticketed(entry: BlockEntry, command: AnswerTicket, at_us: int, office: Office) -> Applied:
    if entry.ticket is None:
        return Applied(entry, (Refuse("nobody was asked to take it down"),))
    field = {"DONE": "done_us", "GONE": "gone_us", "AGAIN": "again_us"}[command.state]
    when = min(command.at_us, at_us)
    changes = {field: when} | (
        {"done_us": when} if command.state == "GONE" and not entry.ticket.done_us else {}
    )
    return Applied(moved(entry, ticket=replace(entry.ticket, **changes)))


def _nothing(entry: BlockEntry, command: Any, at_us: int, office: Office) -> Applied:
    return Applied(entry)


_TAKES: Mapping[type, Callable[[BlockEntry, Any, int, Office], Applied]] = {
    ConfirmBlock: _confirmed,
    LiftBlock: _lifted,
    Withdraw: _withdrawn,
    Confirm: _nothing,
    ObjectToBlock: _objected,
    AnswerObjection: _objection_answered,
    SightBlocked: _sighted,
    AnswerTicket: _ticketed,
}

BLOCK = Aggregate(kind="block", topic=topics.BLOCKS, state=BlockEntry, apply=apply, due=due, tick=tick)
