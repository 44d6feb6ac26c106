"""The casework job in bad weather: reports, blocks, suspicions, listings, crashes within a message.

A worker reads the logs in order; what it sends to an earlier stage goes to a log of its own, read later. A
crash loses everything but the states already written, and what was not committed is read again. Where all
aggregates are in one memory, as in process, what is sent back is there too and is lost with it, and of the
states of a bundle any may be written when it dies.
"""

import random
from collections import Counter, deque
from typing import Any, NamedTuple

import msgspec
from joserfc.jwk import OKPKey

from measures import aggregate, casework
from measures.aggregate import Office, Publish, Refuse, Send
from measures.authority.signing import AuthorityKey, KeyRing, sign_payload
from measures.blocking.admission import Guard
from measures.cases.asking import DESK
from measures.casework import AGGREGATES, STAGES, TYPE
from measures.registry.listing import LIVE
from measures.registry.suspicion import LIFE_US
from measures.registry.versions import version_of
from schemas import casework as said
from schemas.block import Source
from schemas.order import Actor
from schemas.report import Answer, Entity, Finding, Report, Revocation
from schemas.subject import WINDOWS_DAYS, SubjectSource
from schemas.units import DAY_US, HOUR_US, MINUTE_US
from tests.tokens import token_of
from tests.vopr.oracle import ViolationError

INVARIANTS = {
    20: "nothing is blocked on one private word",
    21: "what is protected has no effect unseen",
    22: "whose clock runs out is escalated at that instant",
    23: "a hold of a suspicion has two sources or an authority, and a person within half an hour",
    24: "counters are those of the reports that stand",
    25: "what was taken back or rejected has no effect of its own, but for a block that a person confirmed",
    26: "a listing is removed only by those who removed it, and none comes of reports",
    27: "states written are states held, each a version further",
    28: "a report's machine actions are answered once everything was read",
    29: "people take a block back in twos",
}

#: A restart sends much again, so that crashes of a run have to end.
CRASHES_MAX = 8

START_US = 1_790_000_000_000_000
KEY = OKPKey.generate_key("Ed25519")
PUBLIC = OKPKey.import_key(KEY.as_dict(private=False))
RING = KeyRing([AuthorityKey("police-1", "key-1", Actor.POLICE, "CN", PUBLIC, 0, 2**62)])
OFFICE = Office(guard=Guard(domains=frozenset({"bank.example"})))
BANKS = ("bank-1", "bank-2", "bank-3")
_STAGE = {each.kind: number for number, stage in enumerate(STAGES) for each in stage}


class BrokenError(ViolationError):
    """An invariant of the casework job does not hold."""

    def __init__(self, number: int, text: str) -> None:
        says = INVARIANTS.get(number, "the job raised")
        Exception.__init__(self, f"invariant {number} ({says}): {text}")
        self.number = number


class CrashError(Exception):
    """The worker dies here."""


class OfficeReport(NamedTuple):
    """What a seed did; `violation` is None when all invariants held."""

    seed: int
    violation: ViolationError | None
    seen: Counter[str]


class Bureau:
    """One worker: its log with times of receipt, what is committed, states held and states written."""

    def __init__(self, dice: random.Random) -> None:
        self.dice, self.now = dice, START_US
        self.log: list[tuple[int, bytes | Send, str]] = []
        self.committed = 0
        self.held: dict[tuple[str, str], Any] = {}
        self.written: dict[tuple[str, str], Any] = {}
        self.seen: Counter[str] = Counter()
        self.in_memory = dice.random() < 0.5

    def say(self, message: Any, *, signed: bool = False) -> None:
        """Append a message, sometimes twice."""
        value = msgspec.json.encode(message)
        value = sign_payload(value, KEY, "key-1", TYPE) if signed else value
        topic = "reports" if isinstance(message, Report | Revocation) else "casework"
        for _ in range(2 if self.dice.random() < 0.1 else 1):
            self.log.append((self.now, value, topic))

    def read(self) -> None:
        """Read to the end of the log; dies now and then, between or within messages."""
        while self.committed < len(self.log):
            place, before = self.committed, dict(self.written)
            try:
                for place in range(self.committed, min(self.committed + 8, len(self.log))):
                    self._take(place)
                self.committed = place + 1
            except CrashError:
                self.seen["crash"] += 1
                if self.in_memory:
                    self._lose(before)
                self.held = dict(self.written)
                self.log += [
                    (self.now, Send(kind, key, said.Recall()), "internal") for kind, key in self.written
                ]

    def _lose(self, before: dict[tuple[str, str], Any]) -> None:
        """Lose some states of the bundle, and what waited in memory."""
        for named in [each for each, state in self.written.items() if before.get(each) is not state]:
            if self.dice.random() < 0.5:
                del self.written[named]
                self.written |= {named: before[named]} if named in before else {}
        self.log[self.committed :] = [
            each
            for each in self.log[self.committed :]
            if not isinstance(each[1], Send) or isinstance(each[1].command, said.Tick | said.Recall)
        ]

    def tick(self) -> None:
        """Wake every aggregate, as its timer would, some time after it was due."""
        for kind, key in list(self.held):
            self.log.append((self.now, Send(kind, key, said.Tick()), "internal"))
        self.read()

    def all(self, kind: str) -> list[Any]:
        return [state for (of, _), state in self.held.items() if of == kind]

    def _take(self, place: int) -> None:
        at_us, message, topic = self.log[place]
        if isinstance(message, Send):
            ahead = deque([message])
        else:
            read = (casework.read_report if topic == "reports" else casework.read_casework)(
                message, RING, at_us
            )
            ahead = deque(read if isinstance(read, list) else [])
            self.seen["refused"] += not isinstance(read, list)
        while ahead:
            self._apply(ahead, at_us)

    def _crash(self) -> None:
        if self.seen["crash"] < CRASHES_MAX and self.dice.random() < 0.01:
            raise CrashError

    def _apply(self, ahead: deque[Send], at_us: int) -> None:
        kind, key, command = ahead.popleft()
        before = self.held.get((kind, key))
        after = aggregate.run(AGGREGATES[kind], key, before, command, at_us=at_us, office=OFFICE)
        self._crash()
        if after.state is not None and after.state != before:
            if before is not None and after.state.version <= before.version:
                raise BrokenError(27, f"{kind} {key} changed without a version")
            self.written[kind, key] = self.held[kind, key] = after.state
            self.seen[kind] += 1
        for each in after.followed:
            if isinstance(each, Publish | Refuse):
                self.seen[type(each).__name__] += 1
            elif _STAGE[each.kind] > _STAGE[kind]:
                ahead.append(each)
            else:
                self.log.append((at_us, each, "internal"))
        self._crash()


def simulate_office(seed: int) -> OfficeReport:
    """Run one seed to its end or to the first violation."""
    dice = random.Random(seed)
    bureau = Bureau(dice)
    try:
        _play(bureau, dice)
        check(bureau)
    except ViolationError as violation:
        return OfficeReport(seed, violation, bureau.seen)
    except Exception as error:
        raised = BrokenError(0, f"{type(error).__name__}: {error}")
        raised.__cause__ = error
        return OfficeReport(seed, raised, bureau.seen)
    return OfficeReport(seed, None, bureau.seen)


def _play(bureau: Bureau, dice: random.Random) -> None:
    people = [("CITIZEN", f"citizen-{n}") for n in range(3)] + [("BANK", bank) for bank in BANKS]
    weapon = dice.random() < 0.3
    reported: list[Report] = []
    for number in range(dice.randint(5, 25)):
        bureau.now += int(1_000 * (40 * DAY_US / 1_000) ** dice.random())
        dice.choice([_report, _report, _report, _answer, _find, _block, _judge, _list])(
            bureau, dice, reported, number, people[:1] if weapon else people
        )
        if dice.random() < 0.7:
            bureau.read()
            check(bureau, settled=False)
        if dice.random() < 0.4:
            bureau.tick()
    bureau.tick()
    for case in bureau.all("report"):
        _undone(case, bureau)
    bureau.now += 500 * DAY_US
    bureau.tick()
    bureau.read()


def _report(bureau: Bureau, dice: random.Random, reported: list[Report], number: int, people: Any) -> None:
    origin, reporter = dice.choice(people)
    signed = len(people) > 1 and dice.random() < 0.2
    if dice.random() < 0.2 and reported:
        again = dice.choice(reported)
        bureau.say(
            again if dice.random() < 0.5 else Revocation(report_id=again.report_id, reporter=again.reporter)
        )
        return
    entities = tuple(dice.sample(ENTITIES, dice.randint(1, 3)))
    report = Report(
        report_id=f"r-{number}", origin="POLICE" if signed else origin,
        reporter="police-1" if signed else reporter,
        jurisdiction="CN", at_us=bureau.now, entities=entities, priority=dice.randint(1, 4), ttl_h=24 * 300,
    )  # fmt: skip
    reported.append(report)
    bureau.say(report, signed=signed)


ENTITIES = (
    Entity(kind="DOMAIN", value="evil.example", role="INFRA"),
    Entity(kind="DOMAIN", value="www.bank.example", role="INFRA"),
    Entity(kind="NUMBER", value="+8613800000000", role="INFRA", institution="operator-1"),
    Entity(kind="ACCOUNT", value=token_of("mule-1"), institution="bank-1"),
    Entity(kind="ACCOUNT", value=token_of("mule-2"), institution="bank-2"),
    Entity(kind="SIM", value=token_of("line-1"), institution="operator-1"),
    Entity(kind="ACCOUNT", value=token_of("victim-1"), institution="bank-3", role="VICTIM"),
)


def _answer(bureau: Bureau, dice: random.Random, *rest: Any) -> None:
    for case in bureau.all("report"):
        for each in case.actions:
            if dice.random() < 0.5:
                bureau.say(
                    Answer(
                        report_id=case.key, action_id=each.action_id, recipient=each.recipient,
                        result=dice.choice(["", "ACTED", "REFUSED", "NOT_FOUND"]),
                        reason=dice.choice(["", "closed"]),
                    )
                )  # fmt: skip


def _find(bureau: Bureau, dice: random.Random, *rest: Any) -> None:
    for case in bureau.all("report"):
        if dice.random() < 0.4:
            verdict: Any = dice.choice(["CONFIRMED", "REJECTED"])
            bureau.say(Finding(report_id=case.key, verdict=verdict, by="desk-1", reason="looked"))


def _block(bureau: Bureau, dice: random.Random, *rest: Any) -> None:
    for entry in bureau.all("block"):
        name, by = entry.entry_id, ("desk-1", "desk-2") if dice.random() < 0.7 else ("desk-1",)
        bureau.say(
            dice.choice(
                [
                    said.ObjectToBlock(entry_id=name, objection_id=f"o-{dice.randint(0, 2)}"),
                    said.AnswerObjection(
                        entry_id=name, objection_id=f"o-{dice.randint(0, 2)}", decided=True, by=by,
                        reason="seen", upheld=dice.random() < 0.5,
                    ),
                    said.LiftBlock(entry_id=name, by=by, reason="mistaken"),
                    said.AskBlock(
                        kind=entry.kind, value=entry.value, action="BLOCK",
                        source=Source(reporter="citizen-0", authority=True, decision=""),
                    ),
                ]
            )
        )  # fmt: skip


def _judge(bureau: Bureau, dice: random.Random, *rest: Any) -> None:
    for subject in bureau.all("suspicion"):
        bureau.say(
            dice.choice(
                [
                    said.JudgeSubject(
                        subject_id=subject.key, upheld=dice.random() < 0.5, by=("desk-1",), reason="seen"
                    ),
                    said.Recycled(subject_id=subject.key, since_us=bureau.now - dice.randint(0, 10 * DAY_US)),
                    said.SuspectSubject(
                        kind=subject.kind, token=subject.token, tier=3,
                        source=SubjectSource(reporter="citizen-0", authority=True),
                    ),
                ]
            )
        )  # fmt: skip


def _list(bureau: Bureau, dice: random.Random, reported: Any, number: int, people: Any) -> None:
    for bank in BANKS:
        for versions in bureau.all("list"):
            bureau.say(
                said.ApplyListing(
                    jurisdiction="CN", institution=bank, applied_us=bureau.now,
                    version=version_of("CN", dice.randint(0, versions.number)),
                )
            )  # fmt: skip
    for listed in bureau.all("listing"):
        people_ = ("a", "b") if dice.random() < 0.7 else ("a",)
        upheld = dice.random() < 0.5
        bureau.say(said.AppealListing(subject_id=listed.key))
        bureau.say(said.DecideListing(subject_id=listed.key, upheld=upheld, by=people_, reason="heard"))
    entity = dice.choice(
        [each for each in ENTITIES if each.kind in ("ACCOUNT", "SIM") and each.role != "VICTIM"]
    )
    decision = said.ListSubject(
        kind=entity.kind, token=entity.value, ground="CRIMINAL", decision_no=f"d-{dice.randint(0, 3)}",
        jurisdiction="CN", institutions=BANKS[:2],
    )  # fmt: skip
    bureau.say(decision, signed=dice.random() < 0.6)


def check(bureau: Bureau, *, settled: bool = True) -> None:
    """Look at every state."""
    if bureau.held != bureau.written:
        raise BrokenError(27, "a state is held that was not written")
    for entry in bureau.all("block"):
        _check_block(entry)
    for subject in bureau.all("suspicion"):
        _check_suspicion(subject, bureau)
    for listed in bureau.all("listing"):
        _check_listing(listed)
    for case in bureau.all("report"):
        _check_case(case, bureau, settled=settled)


def _must(number: int, holds: bool, text: object) -> None:
    if not holds:
        raise BrokenError(number, str(text))


def _check_block(entry: Any) -> None:
    backed = (
        any(each.authority for each in entry.sources) or len({each.reporter for each in entry.sources}) >= 2
    )
    _must(20, entry.action != "BLOCK" or backed, entry)
    _must(21, not (entry.value.endswith("bank.example") and entry.state == "ACTIVE"), entry)
    _must(29, len(set(entry.ended_by)) != 1, entry)
    _must(21, not any(each.authority and each.reporter != "police-1" for each in entry.sources), entry)


def _check_suspicion(subject: Any, bureau: Bureau) -> None:
    reporters = {each.reporter for each in subject.sources}
    backed = any(each.authority for each in subject.sources) or len(reporters) >= 2
    _must(23, subject.tier < 3 or backed, subject)
    _must(23, subject.tier < 3 or bool(subject.reviewed_by) or subject.state == "IN_REVIEW", subject)
    waited = subject.review_due_us - (subject.valid_to_us - LIFE_US)
    _must(23, subject.state != "IN_REVIEW" or waited <= 30 * MINUTE_US, subject)
    stands, cases = Counter[str](), {case.key: case for case in bureau.all("report")}
    for each in subject.history:
        stands[each.what] += 1
        case = cases.get(each.report_id)
        gone = case is not None and (case.state == "REVOKED" or case.verdict == "REJECTED")
        _must(24, not (gone and each.what in ("REPORTED", "CONFIRMED") and not _behind(bureau)), each)
    told = subject.counters(bureau.now, WINDOWS_DAYS["60m"])
    _must(24, (told.reports, told.rejected) == (stands["REPORTED"], stands["REJECTED"]), told)
    names = [(each.what, each.report_id) for each in subject.history if each.report_id]
    _must(24, len(names) == len(set(names)), subject)


def _behind(bureau: Bureau) -> bool:
    return bureau.committed < len(bureau.log)


def _check_listing(listed: Any) -> None:
    now = listed.listing
    removed = {each.institution for each in listed.seen if each.removed_us}
    _must(26, now.state != "REMOVED" or now.institutions <= removed, listed)
    _must(26, not (now.state in LIVE and removed), listed)
    _must(26, now.authority_id == "police-1", listed)


def _check_case(case: Any, bureau: Bureau, *, settled: bool) -> None:
    wide = {each.kind for each in case.actions} & {"STOP", "SUSPEND_LINE", "TAKE_DOWN"}
    weapon = len({each.report.reporter for each in bureau.all("report")}) == 1
    told = [each.sources for each in (*bureau.all("block"), *bureau.all("suspicion"))]
    told += [each.history for each in bureau.all("suspicion")]
    others = any(len({each.reporter for each in said_of}) > 1 for said_of in told)
    _must(20, not (wide and weapon and not case.authority and not others), case)
    for each in case.actions:
        due = each.act_due_us if each.acked_us and each.acked_us <= each.ack_due_us else each.ack_due_us
        if each.escalated_us:
            _must(22, each.escalated_us in (each.ack_due_us, each.act_due_us), each)
            _must(
                22, not each.acked_us or each.acked_us >= each.escalated_us or each.escalated_us == due, each
            )
        elif settled and not each.done_us and each.recipient != DESK:
            raise BrokenError(22, f"nobody was told of {each}")
    if settled:
        machine = [each for each in case.actions if each.recipient in ("blocklist", "registry")]
        _must(28, all(each.done_us for each in machine), case)
        _undone(case, bureau)
        _must(22, bool(case.closed_us) or bureau.now < case.received_us + case.report.ttl_h * HOUR_US, case)


def _undone(case: Any, bureau: Bureau) -> None:
    if case.state != "REVOKED" and case.verdict != "REJECTED":
        return
    blocks = () if case.verdict == "CONFIRMED" else bureau.all("block")
    for state in (*blocks, *bureau.all("suspicion")):
        carried = any(each.report_id == case.key for each in state.sources)
        _must(
            25, not carried or getattr(state, "state", "") in ("LIFTED", "EXPIRED", "CLEARED", "ENDED"), state
        )
