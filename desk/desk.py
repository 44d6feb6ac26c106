"""The desk: asks what an action would do, lets people decide it, and sends the decision to Kafka.

Nothing is written to the store here: an action is an event, and the store learns of it as everybody does. The
server decides what is allowed, by the rules of the aggregate that is acted on; the form only asks.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import msgspec

from desk.acting import casework, engine, intake, labels, letters, papers, together
from desk.acting.plan import REASONS, Asked, Plan, RefusedError
from desk.acting.together import Planned
from desk.audit import Audit
from desk.carrier import Carrier
from desk.cases import CLOSING, case_id_of
from desk.clock import DeskClock
from desk.follower import Follower
from desk.planes import PLANE_OF_ACT
from desk.projections.journal import state_of
from desk.quotas import Quotas
from desk.records import record_of
from desk.roles import ACTS, Person
from desk.sight import EVERYTHING, Sight, sight_of
from desk.sql import Row, among
from desk.store import Store, unpacked
from desk.terms import SERVICE_MINUTES
from measures.aggregate import UNGUARDED, Office
from measures.blocking.admission import Guard
from measures.casework import AGGREGATES
from measures.law.country_file import Laws
from measures.law.rules import FreezeRule, HoldRule, RestrictRule
from pipelines.kafka.port import KafkaSettings, open_producer
from schemas.action import Action, ActionKind, ActionState
from schemas.alert import Alert, payer_of
from schemas.contract import explained
from schemas.dead_letter import DeadLetter
from schemas.envelope import headers
from schemas.errors import SinkError
from schemas.ids import derived_id
from schemas.measure import AccountFacts
from schemas.names import how_many
from schemas.order import Scope
from schemas.reply import Why
from schemas.topics import ACTIONS, DEAD_LETTERS

#: How long a decision is waited for to come back from Kafka before the page is shown without it.
SEEN_WITHIN_S = 2.0

#: How long a person waits for a broker to confirm a decision, seconds.
CONFIRMED_WITHIN_S = 10.0

#: Cases of one bulk decision where the country names no number.
BULK_MAX = 200

_ACTION = msgspec.json.Decoder(Action)
_ALERT = msgspec.json.Decoder(Alert)
_LETTER = msgspec.json.Decoder(DeadLetter)


class Form(NamedTuple):
    """What a person fills in; `key` names the form, so that sent twice it is one action.

    `seen_us` is the newest alert the person saw, microseconds UTC; 0 is the newest there is.
    """

    kind: ActionKind
    case_id: str
    key: str
    subject: str = ""
    reason_code: str = ""
    reason: str = ""
    terms: Mapping[str, str] = {}
    seen_us: int = 0


@dataclass
class Desk:
    """What the pages and commands work with."""

    store: Store
    follower: Follower
    carrier: Carrier
    settings: KafkaSettings
    laws: Laws
    clock: DeskClock
    audit: Audit
    country: str
    service_minutes: Mapping[str, int] = field(default_factory=lambda: SERVICE_MINUTES)
    guard: Guard = UNGUARDED
    institution: str = "desk"
    quotas: Quotas = field(default_factory=Quotas)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _sent: dict[str, Action] = field(default_factory=dict)

    @property
    def office(self) -> Office:
        """What the aggregates of the casework job look at."""
        return Office(self.laws, self.guard)

    @property
    def engine_told(self) -> bool:
        """Whether a legal engine has told of anything here; without one nobody knows what holds money."""
        return self.store.row("SELECT 1 FROM accounts LIMIT 1") is not None

    def action(self, action_id: str) -> Action | None:
        """Return an action that was sent, by this process or another."""
        row = self.store.row("SELECT record FROM actions WHERE action_id = ?", action_id)
        return _ACTION.decode(unpacked(row["record"])) if row else self._sent.get(action_id)

    def sight(self, person: Person) -> Sight:
        """Return what a person sees."""
        return sight_of(self.store, person, self.institution)

    def plan(self, form: Form, person: Person) -> Plan:
        """Say what a form would do if a person decided it.

        Raises:
            RefusedError: it must not be, or there is nothing to do.

        """
        self._must_see(person, form)
        return self._plan(self._asked(form, (person.id,), institution=person.institution))

    def decide(self, person: Person, form: Form) -> Action:
        """Let a person decide; waits until the store has it. The same form again is the same action.

        Raises:
            RefusedError: the person or the rules do not allow it.
            SinkError: Kafka did not confirm it; nothing has happened.

        """
        return self.decide_together(person, (form,))[0]

    def decide_together(self, person: Person, forms: Sequence[Form]) -> list[Action]:
        """Let a person decide several cases by one reason; waits until the store has the actions.

        Raises:
            RefusedError: the person or the rules do not allow one of them; nothing is sent.
            SinkError: Kafka did not confirm all; the same forms again are the same actions.

        """
        self._ready()
        for form in forms:
            self._may(person, form)
        actions, fresh = [], []
        with self._lock:
            planned = [self.planned(person, form) for form in forms]
            two = together.needs_two(planned, self.laws)
            for asked, plan, known in planned:
                state: ActionState = "PROPOSED" if plan.second or two else "DECIDED"
                actions.append(known or self._made(person, asked, plan, state=state))
                fresh += [] if known else [actions[-1]]
            self._send(*fresh)
        for action in fresh:
            self._await(action)
        return actions

    def _may(self, person: Person, form: Form) -> None:
        if person.role not in ACTS[form.kind]:
            raise RefusedError("NOT_COMPETENT", f"{person.role} may not {form.kind.lower()}")
        if form.reason_code not in REASONS[form.kind]:
            raise RefusedError(str(Why.UNKNOWN_REASON), form.reason_code)
        self._must_see(person, form)

    def planned(self, person: Person, form: Form) -> Planned:
        """Ask the rules of a form; one that was decided already stands as it was.

        Raises:
            RefusedError: it must not be, or there is nothing to do.

        """
        action_id = derived_id("action", person.id, form.key)
        asked = self._asked(form, (person.id,), action_id, institution=person.institution)
        if known := self.action(asked.action_id):
            return Planned(asked, Plan(amount_minor=known.amount_minor, currency=known.currency), known)
        if form.subject and self._waiting(asked.account, form.kind, form.subject):
            raise RefusedError("WAITS_FOR_SECOND", "somebody has decided; give your own decision")
        return Planned(asked, self._plan(asked), None)

    def second(self, person: Person, proposal_id: str, *, agrees: bool, form: Form) -> Action:
        """Let a second person decide what a first one has proposed, without having seen what that one said.

        Raises:
            RefusedError: it is the same person, it is decided already, or the rules have changed their mind.

        """
        self._ready()
        first = self.action(proposal_id)
        seen = self.sight(person).sees_action(self.store, proposal_id)
        if first is None or not seen or first.state != "PROPOSED":
            raise RefusedError(str(Why.WRONG_STATE), "there is nothing to decide")
        if person.role not in ACTS[first.kind]:
            raise RefusedError("NOT_COMPETENT", f"{person.role} may not {first.kind.lower()}")
        if how_many((person.id, first.by)) < 2:
            raise RefusedError(str(Why.TWO_PEOPLE_NEEDED), "the second person is another one than the first")
        if form.reason_code not in (*REASONS[first.kind], "KEEP"):
            raise RefusedError(str(Why.UNKNOWN_REASON), form.reason_code)
        own = form._replace(
            kind=first.kind,
            case_id=first.case_id,
            subject=first.subject,
            terms=dict(first.terms),
            seen_us=first.upto_us,
        )
        action_id = derived_id("action", person.id, form.key)
        with self._lock:
            if known := self.action(action_id):
                return known
            if self.answered(proposal_id):
                raise RefusedError(str(Why.WRONG_STATE), "somebody has decided this already")
            asked = self._asked(own, (first.by, person.id), action_id, institution=person.institution)
            plan = (
                self._plan(asked)
                if agrees
                else Plan(amount_minor=first.amount_minor, currency=first.currency)
            )
            said: ActionState = "AGREED" if agrees else "DIFFERED"
            action = self._made(person, asked, plan, state=said, proposal_id=proposal_id)
            self._send(action)
        self._await(action)
        return action

    def paper(self, action: Action) -> str:
        """Return the order that an action drafted, as text; "" if it drafted none."""
        form = Form(
            action.kind, action.case_id, "", action.subject, action.reason_code, action.reason, action.terms
        )
        asked = self._asked(form, (action.by,), action.action_id)._replace(at_us=action.at_us)
        return self._plan(asked).paper

    def rules(self, country: str) -> dict[str, list[str]]:
        """Return the names of the holds and restrictions that a country's law has now."""
        regime = self.laws.of(country or self.country).on(self.clock.now(self.store))
        return {"hold": sorted(regime.named(HoldRule)), "restrict": sorted(regime.named(RestrictRule))}

    def waiting(
        self, kinds: Collection[str], subject: str | None = None, sight: Sight = EVERYTHING
    ) -> list[Action]:
        """Return what was decided and waits for a second person, of these kinds, about a thing or any."""
        rows = self.store.rows(
            f"SELECT record, action_id, subject FROM actions WHERE state = 'PROPOSED' AND {sight.actions()} "
            f"AND {among('kind', kinds)} ORDER BY at_us", *kinds,
        )  # fmt: skip
        return [
            _ACTION.decode(unpacked(row["record"]))
            for row in rows
            if subject in (None, row["subject"]) and not self.answered(row["action_id"])
        ]

    def answered(self, proposal_id: str) -> bool:
        """Tell whether a second person has decided."""
        stored = self.store.row("SELECT 1 FROM actions WHERE proposal_id = ?", proposal_id)
        return stored is not None or any(each.proposal_id == proposal_id for each in self._sent.values())

    def bulk_max(self) -> int:
        """Return how many cases one decision may be about, by the country's number for bulk freezes."""
        freeze = self.laws.of(self.country).on(self.clock.now(self.store)).rule(FreezeRule)
        return freeze.bulk.batch if freeze and freeze.bulk else BULK_MAX

    def _ready(self) -> None:
        if not self.follower.caught_up:
            raise RefusedError("NOT_READY", "the desk is still reading its topics; try again in a moment")

    def _must_see(self, person: Person, form: Form) -> None:
        """Refuse what is about something that is not there for a person."""
        if (sight := self.sight(person)) is EVERYTHING:
            return
        if form.case_id and form.kind != "REPORT" and not sight.sees_case(self.store, form.case_id):
            raise RefusedError("NO_SUCH_CASE", form.case_id)
        topic = PLANE_OF_ACT.get(form.kind)
        if topic and form.subject and not sight.sees_record(self.store, topic, form.subject):
            raise RefusedError("NO_SUCH_RECORD", form.subject)

    def _asked(
        self,
        form: Form,
        people: tuple[str, ...],
        action_id: str = "action_preview",
        institution: str = "",
    ) -> Asked:
        row = self.store.row("SELECT * FROM cases WHERE case_id = ?", form.case_id)
        if form.case_id and row is None and form.kind != "REPORT":
            raise RefusedError("NO_SUCH_CASE", form.case_id)
        account = row["account"] if row else form.terms.get("account", "")
        newest = row["newest_us"] if row else 0
        return Asked(
            kind=form.kind,
            account=account,
            jurisdiction=(row["jurisdiction"] if row else "") or self.country,
            subject=form.subject,
            reason_code=form.reason_code,
            reason=form.reason.strip(),
            terms=form.terms,
            people=people,
            action_id=action_id,
            at_us=self.clock.now(self.store),
            upto_us=min(newest, form.seen_us or newest),
            institution=institution or self.institution,
        )

    def _plan(self, asked: Asked) -> Plan:
        """Ask the rules of what is acted on."""
        planners: dict[ActionKind, Callable[[], Plan]] = {
            **dict.fromkeys(engine.COMMANDS, lambda: self._by_engine(asked)),
            **dict.fromkeys(casework.MESSAGES, lambda: casework.plan(asked, self.aggregate, self.office)),
            **dict.fromkeys(CLOSING, lambda: labels.plan(asked, self._still_open(asked), self.laws)),
            "SEND_AGAIN": lambda: letters.plan(asked, self.letter(asked.subject)),
            "REPORT": lambda: intake.plan(asked, self.laws),
            "ORDER": lambda: papers.plan(asked, self.laws, self._facts(asked.account)),
            "LIST": lambda: casework.plan_listing(asked),
        }
        return planners[asked.kind]() if asked.kind in planners else Plan()

    def _by_engine(self, asked: Asked) -> Plan:
        """Ask the legal engine about the account that holds what is acted on; a case may be another's."""
        on = asked._replace(account=self._held_at(asked))
        with self.store.reading() as db:
            state = state_of(db, on.account)
        return engine.plan(on, state, self.laws)

    def _facts(self, account: str) -> AccountFacts | None:
        """Return what its bank tells of an account; None where it tells nothing."""
        with self.store.reading() as db:
            state = state_of(db, account)
        return state.account.facts if state else None

    def _held_at(self, asked: Asked) -> str:
        """Return the account of the measure or appeal acted on; of a payment to be held, the payer's."""
        found = self.store.row(
            "SELECT account FROM measures WHERE measure_id = ?1 UNION SELECT account FROM appeals "
            "WHERE appeal_id = ?1", asked.subject,
        )  # fmt: skip
        if found is not None:
            return str(found["account"])
        rule = self.laws.of(asked.jurisdiction).on(asked.at_us).rule(HoldRule, asked.terms.get("rule", ""))
        if asked.kind == "HOLD" and rule is not None and rule.scope is Scope.TRANSACTION:
            alert = self.store.row(
                "SELECT record FROM alerts WHERE account = ? AND txn = ? AND leg = 'CREDIT'",
                asked.account, asked.terms.get("txn_id", ""),
            )  # fmt: skip
            if alert is not None:
                return payer_of(_ALERT.decode(unpacked(alert["record"])))
        return asked.account

    def _still_open(self, asked: Asked) -> list[Row]:
        """Return what is open of a case; what is reported or put in front of others has no payment.

        Raises:
            RefusedError: somebody has decided all of it, even if the store does not know yet.

        """
        found = self.open_payments(asked.account, asked.upto_us)
        row = self.store.row("SELECT escalated FROM cases WHERE account = ?", asked.account)
        decided = any(
            (each.account_token, each.kind in CLOSING, each.done) == (asked.account, True, True)
            and each.upto_us >= asked.upto_us
            for each in self._sent.values()
        )
        if decided or not (found or (row and row["escalated"])):
            raise RefusedError(str(Why.WRONG_STATE), "somebody has decided this already")
        return found

    def open_payments(self, account: str, upto_us: int) -> list[Row]:
        """Return the payments of a case that nobody has decided yet, up to an alert, one row each."""
        return self.store.rows(
            "SELECT * FROM (SELECT txn, leg, alert_id, amount_minor, currency, received_us, account, "
            "counterparty, party, row_number() OVER (PARTITION BY txn ORDER BY amount_minor DESC, seq) AS "
            "largest FROM alerts "
            "WHERE account = ?1 AND received_us <= ?2 AND received_us > coalesce((SELECT max(upto_us) "
            "FROM actions WHERE account = ?1 AND kind IN ('CONFIRM', 'DISMISS') "
            "AND state IN ('DECIDED', 'AGREED')), -1)) AS payments WHERE largest = 1 "
            "ORDER BY received_us, txn", account, upto_us,
        )  # fmt: skip

    def letter(self, name: str) -> DeadLetter | None:
        """Return a dead letter by its id."""
        value = self._fact(DEAD_LETTERS, name)
        return _LETTER.decode(value) if value else None

    def aggregate(self, kind: str, key: str) -> Any:
        """Return an aggregate of the casework job as its topic has it; None if it is not there."""
        value = record_of(self.store, AGGREGATES[kind].topic, key)
        return None if value is None else msgspec.json.decode(value, type=AGGREGATES[kind].state)

    def _fact(self, topic: str, name: str) -> bytes | None:
        row = self.store.row("SELECT record FROM facts WHERE topic = ? AND id = ?", topic, name)
        return unpacked(row["record"]) if row else None

    def _waiting(self, account: str, kind: str, subject: str) -> bool:
        rows = self.store.rows(
            "SELECT action_id FROM actions WHERE account = ? AND kind = ? AND subject = ? "
            "AND state = 'PROPOSED'",
            account, kind, subject,
        )  # fmt: skip
        return any(not self.answered(row["action_id"]) for row in rows)

    def _made(
        self, person: Person, asked: Asked, plan: Plan, *, state: ActionState, proposal_id: str = ""
    ) -> Action:
        name = case_id_of(asked.account) if asked.account else ""
        about = {"case": name, "action": asked.action_id, "state": state}
        audit = self.audit.write(person.id, person.role, f"act.{asked.kind}", about, kept=True)
        action = Action(
            action_id=asked.action_id,
            kind=asked.kind,
            state=state,
            case_id=name,
            by=person.id,
            role=person.role,
            at_us=asked.at_us,
            reason_code=asked.reason_code,
            reason=asked.reason,
            account_token=asked.account,
            subject=asked.subject,
            upto_us=asked.upto_us,
            amount_minor=plan.amount_minor,
            currency=plan.currency,
            terms={key: value for key, value in asked.terms.items() if value},
            people=asked.people,
            proposal_id=proposal_id,
            effects=plan.effects if state in ("DECIDED", "AGREED") else (),
            audit=audit,
            institution=person.institution,
        )
        try:
            return _ACTION.decode(msgspec.json.encode(action))
        except msgspec.MsgspecError as error:
            raise RefusedError("MALFORMED", explained(error)) from error

    def _send(self, *actions: Action) -> None:
        producer = open_producer(replace(self.settings, delivery_timeout_s=CONFIRMED_WITHIN_S))
        for action in actions:
            head = headers(
                event_id=action.action_id,
                event_type=f"fp.action.{action.kind.lower()}.v1",
                source="urn:fp:desk",
                subject=action.case_id or action.subject,
                time_us=action.at_us,
            )
            key = (action.case_id or action.subject or action.action_id).encode()
            producer.send(ACTIONS, key, msgspec.json.encode(action), head, time.time_ns() // 1000)
        try:
            producer.flush()
        except SinkError as error:
            why = str(error).removesuffix("; the bundle must be retried")
            raise SinkError(
                f"no broker confirmed it ({why}); see to the brokers, then send the same form again"
            ) from error
        self._sent |= {action.action_id: action for action in actions}

    def _await(self, action: Action) -> None:
        """Wait until the store has an action; what is in the store need not be remembered here."""
        deadline = time.monotonic() + SEEN_WITHIN_S
        while time.monotonic() < deadline:
            if self.store.row("SELECT 1 FROM actions WHERE action_id = ?", action.action_id):
                self._sent.pop(action.action_id, None)
                return
            time.sleep(0.02)
