"""Actions that the casework job carries out: tried on its aggregates as they are, by their own rules."""

from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from desk.acting.plan import Asked, Change, Plan, RefusedError
from measures.aggregate import Office, Refuse, Send, run
from measures.authority.signing import KeyRing
from measures.blocking.entry import effect
from measures.cases.asking import DESK
from measures.casework import AGGREGATES, read_casework
from measures.refusal import Refusal
from schemas.action import ActionKind, Effect
from schemas.block import Source
from schemas.casework import (
    AnswerObjection,
    AskBlock,
    CaseworkMessage,
    ConfirmBlock,
    DecideListing,
    JudgeSubject,
    LiftBlock,
    ListSubject,
    ProposeListing,
    Rectify,
    SuspectSubject,
)
from schemas.contract import explained
from schemas.reply import Why
from schemas.report import Answer, Finding
from schemas.strict_text import is_number
from schemas.subject import SubjectSource
from schemas.topics import CASEWORK

#: Commands that are looked at in a preview: what follows from what follows, and so on.
FOLLOWED_MAX = 100

#: Of an aggregate by kind and key: as the topics have it, None if it is not there yet.
StateOf = Callable[[str, str], Any]


def _block(asked: Asked) -> AskBlock:
    terms = asked.terms
    return AskBlock(
        kind=cast(Any, terms.get("kind", "")),
        value=terms.get("value", "").strip(),
        action=cast(Any, terms.get("action", "BLOCK")),
        source=Source(
            reporter=asked.institution, authority=False, decision="", by=asked.people, reason=_said(asked)
        ),
        reason_code=asked.reason_code,
        jurisdiction=asked.jurisdiction,
        days=int(terms.get("days") or 0) if is_number(terms.get("days") or "0") else -1,
    )


def _suspect(asked: Asked) -> SuspectSubject:
    terms = asked.terms
    return SuspectSubject(
        kind=cast(Any, terms.get("kind", "")),
        token=terms.get("token", "").strip(),
        source=SubjectSource(reporter=asked.institution, reason_code=asked.reason_code),
        tier=int(terms.get("tier") or 1) if is_number(terms.get("tier") or "1") else 0,
        institution=terms.get("institution", "").strip(),
    )


def _propose(asked: Asked) -> ProposeListing:
    terms = asked.terms
    return ProposeListing(
        kind=cast(Any, terms.get("kind", "")),
        token=terms.get("token", "").strip(),
        ground=terms.get("ground", ""),
        jurisdiction=asked.jurisdiction,
        institution=asked.institution,
        by=asked.people,
        reason=_said(asked),
    )


def _upheld(asked: Asked) -> bool:
    return asked.terms.get("outcome") == "UPHELD"


#: Action -> the message it sends.
MESSAGES: Mapping[ActionKind, Callable[[Asked], CaseworkMessage]] = {
    "BLOCK": _block,
    "ADMIT": lambda asked: ConfirmBlock(entry_id=asked.subject, by=asked.people, reason=_said(asked)),
    "UNBLOCK": lambda asked: LiftBlock(entry_id=asked.subject, by=asked.people, reason=_said(asked)),
    "OBJECTION": lambda asked: AnswerObjection(
        entry_id=asked.subject, objection_id=asked.terms.get("objection", ""),
        decided=bool(asked.terms.get("outcome")), upheld=_upheld(asked), by=asked.people, reason=_said(asked),
    ),
    "SUSPECT": _suspect,
    "PROPOSE": _propose,
    "JUDGE": lambda asked: JudgeSubject(
        subject_id=asked.subject, upheld=_upheld(asked), by=asked.people, reason=_said(asked)
    ),
    "LISTED_APPEAL": lambda asked: DecideListing(
        subject_id=asked.subject, upheld=_upheld(asked), by=asked.people, reason=_said(asked)
    ),
    "FINDING": lambda asked: Finding(
        report_id=asked.subject, verdict=cast(Any, asked.terms.get("verdict", "")), by=asked.people[-1],
        reason=_said(asked),
    ),
    "LOOK": lambda asked: Answer(
        report_id=asked.subject, action_id=asked.terms.get("asked", ""), recipient=DESK,
        result=cast(Any, asked.terms.get("result", "ACTED")), reason=_said(asked),
    ),
    "RECTIFY": lambda asked: Rectify(
        institution=asked.subject, track=cast(Any, asked.terms.get("track", "")),
        step=cast(Any, asked.terms.get("step", "")), by=asked.people,
        reference=asked.terms.get("reference", "")[:200],
    ),
}  # fmt: skip


def plan(asked: Asked, state_of: StateOf, office: Office) -> Plan:
    """Say what a message would do to the aggregates it reaches, and what would follow.

    Raises:
        RefusedError: it cannot be read, or an aggregate refuses it, in the aggregate's words.

    """
    value = msgspec.json.encode(MESSAGES[asked.kind](asked))
    sends = read_casework(value, KeyRing(()), asked.at_us)
    if isinstance(sends, Refusal):
        raise RefusedError(str(sends.why), sends.detail)
    try:
        changes = _changes(sends, state_of, office, asked.at_us)
    except RefusedError as error:
        if error.code != Why.TWO_PEOPLE_NEEDED or len(asked.people) > 1:
            raise
        foreseen = plan(asked._replace(people=(*asked.people, "second")), state_of, office)
        return foreseen._replace(second=True, effects=())
    if not changes:
        raise RefusedError("NOTHING_CHANGES", "")
    key = f"{sends[0].kind}/{sends[0].key}".encode()
    return Plan((Effect(topic=CASEWORK, key=key, value=value),), tuple(changes))


def plan_listing(asked: Asked) -> Plan:
    """Draft a listing: only an authority lists, by a message that it signs.

    Raises:
        RefusedError: a field cannot be read.

    """
    terms = asked.terms
    made = ListSubject(
        kind=cast(Any, terms.get("kind", "")), token=terms.get("token", "").strip(),
        ground=terms.get("ground", ""), decision_no=terms.get("decision", ""),
        jurisdiction=asked.jurisdiction,
        institutions=tuple(each for each in terms.get("institution", "").replace(",", " ").split() if each),
    )  # fmt: skip
    try:
        msgspec.json.decode(msgspec.json.encode(made), type=ListSubject)
    except msgspec.MsgspecError as error:
        raise RefusedError("MALFORMED", explained(error)) from error
    paper = msgspec.json.format(msgspec.json.encode(made), indent=2).decode()
    return Plan((), (Change("LISTING", made.token, "", "REQUESTED"),), paper=paper)


def _changes(sends: list[Send], state_of: StateOf, office: Office, at_us: int) -> list[Change]:
    """Run messages and what follows from them on the aggregates as they are known here."""
    states: dict[tuple[str, str], Any] = {}
    changes: list[Change] = []
    for place, send in enumerate(sends):
        name = send.kind, send.key
        if send.kind not in WORDS or place >= FOLLOWED_MAX:
            continue
        before = states[name] if name in states else state_of(*name)
        applied = run(AGGREGATES[send.kind], send.key, before, send.command, at_us=at_us, office=office)
        refused = next((each for each in applied.followed if isinstance(each, Refuse)), None)
        if refused and place == 0:
            raise _refusal(refused.detail)
        states[name] = applied.state
        told = _told(send.kind, before, applied.state)
        if place == 0 and not told and applied.state != before:
            word = WORDS[send.kind](applied.state)
            told = [Change(send.kind.upper(), send.key, word, word)]
        changes += told
        sends.extend(each for each in applied.followed if isinstance(each, Send))
    return changes


def _refusal(detail: str) -> RefusedError:
    """Read the code that a refusal of an aggregate begins with, if any."""
    code, _, words = detail.partition(": ")
    return RefusedError(code, words) if code in tuple(Why) else RefusedError("REFUSED", detail)


def _told(kind: str, before: Any, after: Any) -> list[Change]:
    """Say what is another; who is asked something by it, too."""
    if after is None or after == before:
        return []
    word = WORDS[kind]
    was, now = word(before) if before is not None else "", word(after)
    found = [Change(kind.upper(), after.key, was, now)] if was != now else []
    if kind == "report":
        known = {each.action_id for each in before.actions} if before else set()
        new = [each for each in after.actions if each.action_id not in known]
        found += [Change("ASKED", each.recipient, "", each.kind) for each in new]
    return found


def _finding(case: Any) -> str:
    return str(case.verdict or case.state)


def _track(known: Any) -> str:
    return str(known.notices[-1].state) if known.notices else "NONE"


#: Aggregate -> where it stands, in a word that pages know.
WORDS: Mapping[str, Callable[[Any], str]] = {
    "block": effect,
    "suspicion": lambda known: f"TIER_{known.tier}" if known.tier else known.state,
    "listing": lambda known: str(known.listing.state),
    "report": _finding,
    "institution": _track,
}


def _said(asked: Asked) -> str:
    return f"{asked.reason_code}: {asked.reason}" if asked.reason else asked.reason_code
