"""The casework job's aggregates, and how a message finds the one it is for.

A stage is a step of the job: what an aggregate sends to a later stage goes on in the graph, what it sends to
its own or an earlier one goes through Kafka, because graphs have no cycles.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec.structs import replace

from measures.aggregate import Aggregate, Send
from measures.authority.signing import AuthorityKey, KeyRing, open_payload
from measures.blocking.entry import BLOCK
from measures.blocking.forms import form, region_of
from measures.cases.campaigns import without_text
from measures.cases.report import REPORT
from measures.cases.reporter import REPORTER
from measures.numbers.graded import NUMBER
from measures.refusal import Refusal, first_fault
from measures.registry import suspicion
from measures.registry.listed import LISTED
from measures.registry.rectification import INSTITUTION
from measures.registry.suspicion import SUSPICION
from measures.registry.versions import VERSIONS
from schemas import casework
from schemas.casework import CaseworkMessage, TakeBack, TakeReport
from schemas.contract import UNREADABLE, explained
from schemas.ids import derived_id
from schemas.journal import JournalEntry, MeasureChanged
from schemas.measure import MeasureState
from schemas.names import folded
from schemas.order import Actor, MeasureKind
from schemas.reply import Reply, ReplyCode, Why
from schemas.report import Answer, Entity, Finding, Report, Revocation
from schemas.units import DAY_US

#: What is signed on topics `reports` and `casework`.
TYPE = "stopline-casework+jws"

#: Largest message of the two topics.
BYTES_MAX = 1 << 18

#: No report tells of anything before 2000.
_OLDEST_US = 946_684_800_000_000

#: The stages, first to last, each with its aggregates.
STAGES: tuple[tuple[Aggregate, ...], ...] = (
    (REPORTER,),
    (REPORT, VERSIONS),
    (BLOCK, SUSPICION, LISTED, NUMBER),
    (INSTITUTION,),
)

AGGREGATES: Mapping[str, Aggregate] = {each.kind: each for stage in STAGES for each in stage}

#: Kind of an aggregate -> its stage.
STAGE_OF: Mapping[str, int] = {each.kind: number for number, stage in enumerate(STAGES) for each in stage}

_REPORTS = msgspec.json.Decoder(Report | Revocation)
_CASEWORK = msgspec.json.Decoder(CaseworkMessage)
_JOURNAL = msgspec.json.Decoder(JournalEntry).decode

#: Kinds of measures of lines, and what of an entry of the journal is looked for at all.
_OF_LINES = (MeasureKind.LINE_SUSPEND, MeasureKind.RE_VERIFY)
_TOLD = (b'"order_no":"action_', b'"IDENTITY_VERIFIED', b'"RECYCLED"')


def read_report(
    message: bytes, ring: KeyRing, at_us: int, tokens: Callable[[str, str], str] | None = None
) -> list[Send] | Refusal:
    """Read a message of topic `reports`; who signs it is the reporter it is believed to be of.

    `tokens` makes tokens of telephone numbers, as producers make them; without it a number has none.
    """
    opened = _opened(message, ring, at_us, _REPORTS)
    if isinstance(opened, Refusal):
        return opened
    said, key = opened
    of = getattr(said, "jurisdiction", key.jurisdiction if key else "")
    if key and (said.reporter, of) != (key.authority_id, key.jurisdiction):
        return Refusal(why=Why.BAD_SIGNATURE, detail="signed with the key of another reporter or country")
    if isinstance(said, Revocation):
        back = TakeBack(revocation=said, authority=_public(key) is not None)
        return [Send("report", said.report_id, back)]
    if fault := _fault(said, at_us):
        return fault
    named = replace(said, entities=tuple(_named(each, said.jurisdiction, tokens) for each in said.entities))
    taken = TakeReport(report=without_text(named), authority=_public(key) is not None)
    return [Send("reporter", folded(said.reporter), taken)]


def _fault(said: msgspec.Struct, now_us: int) -> Refusal | None:
    """Say which time of a message cannot be, as one in another unit is not, or what it names is not there."""
    unit = "times are microseconds since 1970, UTC"
    faults = [
        (at > now_us + DAY_US, Why.FUTURE_ORDER, f"{name} is later than now; {unit}")
        if at > now_us
        else (at < _OLDEST_US, Why.MALFORMED, f"{name} is before 2000; {unit}")
        for name, at in _times(said)
    ]
    if isinstance(said, Report):
        there = len(said.entities)
        faults += [
            (0 < each.last_seen_us < each.first_seen_us, Why.MALFORMED,
             f"entities[{place}].last_seen_us is before its first_seen_us")
            for place, each in enumerate(said.entities)
        ]  # fmt: skip
        faults += [
            (max(each.from_entity, each.to_entity) >= there, Why.MALFORMED,
             f"edges[{place}] names an entity that is not there; there are {there}, counted from 0")
            for place, each in enumerate(said.edges)
        ]  # fmt: skip
    return first_fault(*faults)


@cache
def _asked(of: type[msgspec.Struct]) -> frozenset[str]:
    """Return the fields that have to be there; of others 0 says that nobody knows."""
    return frozenset(each.name for each in msgspec.structs.fields(of) if each.required)


def _times(said: Any, path: str = "") -> Iterator[tuple[str, int]]:
    """Yield every time that a message states, by the name of its place."""
    if isinstance(said, tuple):
        for place, each in enumerate(said):
            yield from _times(each, f"{path.rstrip('.')}[{place}].")
    elif isinstance(said, msgspec.Struct):
        for name in said.__struct_fields__:
            value = getattr(said, name)
            if name.endswith("_us"):
                if value or name in _asked(type(said)):
                    yield f"{path}{name}", value
            else:
                yield from _times(value, f"{path}{name}.")


def _named(entity: Entity, jurisdiction: str, tokens: Callable[[str, str], str] | None) -> Entity:
    """Return an entity, a number in clear with its token beside it; what is no number stays as it is."""
    if tokens is None or entity.kind != "NUMBER" or entity.role == "VICTIM":
        return entity
    try:
        number = form("NUMBER", entity.value, region_of(jurisdiction))
    except ValueError:
        return entity
    return replace(entity, facts={**entity.facts, "token": tokens("PHONE", number)})


def read_journal(value: bytes) -> list[Send]:
    """Read what an entry of topic `measures` says to reports and the registry.

    The answer to an order made of a report's action goes to the report, whose id is the order's case; a line
    whose user was verified again, or that has another subscriber, is suspected no more.

    Raises:
        msgspec.MsgspecError: it is no entry.

    """
    if not any(mark in value for mark in _TOLD):
        return []
    entry = _JOURNAL(value)
    told = [
        Send("report", reply.case_no, casework.OrderReplied(action_id=reply.order_no, **_became(reply)))
        for reply in entry.replies
        if reply.case_no and reply.order_no.startswith("action_")
    ]
    of_line = suspicion.key_of("SIM", entry.account_token)
    for event in entry.events:
        if not isinstance(event, MeasureChanged) or event.measure.kind not in _OF_LINES:
            continue
        measure = event.measure
        if measure.state is MeasureState.RESTORED:
            verified = casework.Verified(measure_id=measure.measure_id, by=measure.ended_by)
            told.append(Send("suspicion", of_line, verified))
        elif measure.ended_why == "RECYCLED":
            recycled = casework.Recycled(subject_id=of_line, since_us=event.at_us)
            told += [Send(kind, of_line, recycled) for kind in ("suspicion", "listing", "number")]
    return told


def _became(reply: Reply) -> dict[str, Any]:
    code = reply.original_code if reply.code is ReplyCode.DUPLICATE else reply.code
    if code is ReplyCode.OK:
        return {"result": "ACTED", "proof": f"{reply.measure_id} {reply.state}"}
    if reply.why in (Why.NO_SUCH_ACCOUNT, Why.ACCOUNT_CLOSED):
        return {"result": "NOT_FOUND", "reason": f"{reply.why}: {reply.detail}"[:1000]}
    if code is ReplyCode.PENDING_PARENT:
        return {"result": ""}
    return {"result": "REFUSED", "reason": f"{reply.why}: {reply.detail}"[:1000]}


def read_casework(message: bytes, ring: KeyRing, at_us: int) -> list[Send] | Refusal:
    """Read a message of topic `casework`; what only an authority may say counts only where it is signed."""
    opened = _opened(message, ring, at_us, _CASEWORK)
    if isinstance(opened, Refusal):
        return opened
    said, key = opened
    if fault := _fault(said, at_us):
        return fault
    try:
        return ROUTES[type(said)](said, key)
    except ValueError as error:
        return Refusal(why=Why.MALFORMED, detail=str(error))


def _opened(
    message: bytes, ring: KeyRing, at_us: int, decoder: Any
) -> tuple[Any, AuthorityKey | None] | Refusal:
    key = None
    if len(message) > BYTES_MAX:
        return Refusal(why=Why.TOO_LARGE, detail=f"longer than {BYTES_MAX:,} bytes")
    if message.startswith(b"ey"):
        signed = open_payload(message, ring, at_us, TYPE)
        if isinstance(signed, Refusal):
            return signed
        message, key = signed
    try:
        return decoder.decode(message), key
    except UNREADABLE as error:
        return Refusal(why=Why.MALFORMED, detail=explained(error, decoder.type))


def _block(said: casework.AskBlock, key: AuthorityKey | None) -> list[Send]:
    source = _believed(said.source, key, said.jurisdiction)
    entry = derived_id("block", said.kind, form(said.kind, said.value, said.region))
    return [Send("block", entry, replace(said, source=source))]


def _lift(said: casework.LiftBlock | casework.AnswerObjection, key: AuthorityKey | None) -> list[Send]:
    """Say which authority signed that a block goes; unsigned, or signed by a bank, it is none."""
    signed = _public(key)
    told = replace(
        said,
        authority_id=signed.authority_id if signed else "",
        authority_country=signed.jurisdiction if signed else "",
    )
    return [Send("block", said.entry_id, told)]


def _suspect(said: casework.SuspectSubject, key: AuthorityKey | None) -> list[Send]:
    told = replace(said, source=_believed(said.source, key, said.jurisdiction))
    return [Send("suspicion", suspicion.key_of(said.kind, said.token), told)]


def _propose(said: casework.ProposeListing, key: AuthorityKey | None) -> list[Send]:
    return [Send("suspicion", suspicion.key_of(said.kind, said.token), said)]


def _list(said: casework.ListSubject, key: AuthorityKey | None) -> list[Send]:
    signed = _public(key)
    if signed is None or signed.jurisdiction != said.jurisdiction:
        raise ValueError("only an authority of the country lists a subject; sign it with its key")
    entering = casework.EnterListing(said=said, authority_id=signed.authority_id, actor=signed.actor)
    return [Send("listing", suspicion.key_of(said.kind, said.token), entering)]


def _believed(source: Any, key: AuthorityKey | None, country: str) -> Any:
    """Return a source as whoever signed it; unsigned nobody is an authority.

    Raises:
        ValueError: it is an authority of another country than that the message is of.

    """
    if key is None:
        return replace(source, authority=False)
    if country not in ("", key.jurisdiction):
        raise ValueError(f"said under the law of {country}, signed with a key of {key.jurisdiction}")
    return replace(source, authority=_public(key) is not None, reporter=key.authority_id)


def _public(key: AuthorityKey | None) -> AuthorityKey | None:
    """Return a key that is a public authority's; a bank signs who it is, and stays a private reporter."""
    return key if key is not None and key.actor is not Actor.BANK else None


def _to(kind: str, field: str) -> Callable[[Any, Any], list[Send]]:
    return lambda said, key: [Send(kind, getattr(said, field), said)]


#: Message -> the commands it is. Everything an institution may say, in one table.
ROUTES: Mapping[type, Callable[[Any, AuthorityKey | None], list[Send]]] = {
    Answer: _to("report", "report_id"),
    Finding: _to("report", "report_id"),
    casework.AskBlock: _block,
    **{
        each: _to("block", "entry_id")
        for each in (
            casework.ConfirmBlock, casework.ObjectToBlock, casework.SightBlocked, casework.AnswerTicket,
        )
    },
    casework.LiftBlock: _lift,
    casework.AnswerObjection: _lift,
    casework.SuspectSubject: _suspect,
    casework.JudgeSubject: _to("suspicion", "subject_id"),
    casework.CountSettlements: _to("suspicion", "subject_id"),
    casework.Recycled: lambda said, key: [
        Send(kind, said.subject_id, said) for kind in ("suspicion", "listing", "number")
    ],
    casework.ProposeListing: _propose,
    casework.ListSubject: _list,
    casework.ApplyListing: _to("list", "jurisdiction"),
    casework.StatePeers: _to("institution", "institution"),
    casework.Rectify: _to("institution", "institution"),
    casework.AppealListing: _to("listing", "subject_id"),
    casework.DecideListing: _to("listing", "subject_id"),
}  # fmt: skip
