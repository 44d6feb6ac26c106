"""Golden timelines: `fixtures/cases/<country>.yaml`, commands with times and what must follow.

`<country>-line.yaml` is of a telephone line, an account of its operator.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
import yaml

import fixtures
from measures.engine.handle import Handled
from measures.law.calendar import from_iso
from measures.law.country_file import FOLDER
from measures.state.account import in_force, replay
from schemas.commands import (
    AnswerAppeal,
    AskVerification,
    ChangeSubscriber,
    DecideRefund,
    EndHold,
    FileAppeal,
    OpenRefund,
    PlaceHold,
    ReceiveOrder,
    Reverify,
    Tick,
)
from schemas.journal import Alerted
from schemas.measure import Claim, Measure
from schemas.order import Actor, Order
from schemas.reply import Reply
from tests.measures.kit import ACCOUNT, Bench, make_order

CASES = Path(fixtures.__file__).parent / "cases"
TIMELINES = sorted(path.stem for path in CASES.glob("*.yaml"))


class Timeline:
    """One country's account, its steps, and names for the measures they bring about."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.bench = Bench(case["country"], case.get("balance", 0), from_iso(case["steps"][0]["at"]))
        self.names: dict[str, str] = {}

    def measure(self, name: str) -> Measure:
        if name in self.names:
            return self.bench.account.measures[self.names[name]]
        return self.bench.measure(name)

    def order(self, at_us: int, given: dict[str, Any]) -> Handled:
        fields = {"action": "ISSUE"} | given
        number, kind, action = fields.pop("number"), fields.pop("kind"), fields.pop("action")
        actor = Actor(fields.pop("actor", "POLICE"))
        plain = msgspec.to_builtins(make_order(number, kind, action))
        if sent := plain.get("victim_transfer"):
            sent |= {"currency": self.bench.law.currency} | fields.pop("sent", {})
            sent["transferred_at_us"] = from_iso(fields.pop("sent_at")) if "sent_at" in fields else at_us
        for name in ("start_at", "expire_at", "reported_at"):
            if name in fields:
                fields[f"{name}_us"] = from_iso(fields.pop(name))
        plain |= {"jurisdiction": self.bench.law.id, "issued_at_us": at_us} | fields
        order = msgspec.convert(plain, Order)
        return self.bench.do(ReceiveOrder(at_us=at_us, order=order, actor=actor))

    def step(self, step: dict[str, Any]) -> Handled:
        at_us = from_iso(step["at"])
        take = next((verb for verb in self.VERBS if verb in step), None)
        if take is None:
            return self.bench.do(Tick(at_us=at_us))
        return self.VERBS[take](self, at_us, step[take])

    def hold(self, at_us: int, given: dict[str, Any]) -> Handled:
        fields = dict(given)
        if "received_at" in fields:
            fields["received_at_us"] = from_iso(fields.pop("received_at"))
        outcome = self.bench.do(PlaceHold(at_us=at_us, **fields))
        latest = max(self.bench.account.measures.values(), key=lambda m: m.rank)
        self.names[given["decision_id"]] = latest.measure_id
        return outcome

    def end_hold(self, at_us: int, given: dict[str, Any]) -> Handled:
        fields = given | {"measure_id": self.names[given["of"]], "by": tuple(given["by"])}
        del fields["of"]
        return self.bench.do(EndHold(at_us=at_us, **fields))

    def appeal(self, at_us: int, name: str) -> Handled:
        measure_id = self.measure(name).measure_id
        return self.bench.do(FileAppeal(at_us=at_us, filing_no="a-1", measure_id=measure_id, reasons="mine"))

    def decide(self, at_us: int, given: dict[str, Any]) -> Handled:
        appeal_id = next(
            each.appeal_id for each in self.bench.account.appeals.values() if each.state != "CLOSED"
        )
        fields = {"reasons": "papers seen", "by": ("judge-1", "judge-2")} | given
        return self.bench.do(AnswerAppeal(at_us=at_us, appeal_id=appeal_id, step="DECIDE", **fields))

    def move(self, at_us: int, given: dict[str, Any]) -> Handled:
        return self.bench.move(given["txn"], given["amount"], at_us)

    def refund(self, at_us: int, given: dict[str, Any]) -> Handled:
        """Open a round: of which freeze, who lost what, and whose the incoming transactions are."""
        claims = tuple(Claim(victim_id=victim, loss_minor=loss) for victim, loss in given["claims"].items())
        freeze_id = self.measure(given["of"]).measure_id
        return self.bench.do(
            OpenRefund(
                at_us=at_us, freeze_id=freeze_id, round_no=1, claims=claims, senders=given.get("senders", {})
            )
        )

    def decide_refund(self, at_us: int, given: dict[str, Any]) -> Handled:
        (refund_id,) = self.bench.account.refunds
        fields = {"reason": "papers seen", "by": ("clerk-1", "clerk-2")} | given
        return self.bench.do(DecideRefund(at_us=at_us, refund_id=refund_id, **fields))

    def ask_verification(self, at_us: int, given: dict[str, Any]) -> Handled:
        evidence, before = from_iso(given["evidence_at"]), self.bench.account.measures
        asked = AskVerification(at_us=at_us, decision_id=given["decision_id"], evidence_at_us=evidence)
        outcome = self.bench.do(asked)
        for measure_id in self.bench.account.measures.keys() - before.keys():
            self.names[given["decision_id"]] = measure_id
        return outcome

    def verify(self, at_us: int, given: dict[str, Any]) -> Handled:
        return self.bench.do(Reverify(at_us=at_us, by=tuple(given["by"]), proof=given["proof"]))

    def change_subscriber(self, at_us: int, given: dict[str, Any]) -> Handled:
        return self.bench.do(ChangeSubscriber(at_us=at_us, since_us=from_iso(given["since"])))

    VERBS: ClassVar[dict[str, Callable[..., Handled]]] = {
        "move": move,
        "order": order,
        "hold": hold,
        "end_hold": end_hold,
        "appeal": appeal,
        "decide": decide,
        "refund": refund,
        "decide_refund": decide_refund,
        "ask_verification": ask_verification,
        "verify": verify,
        "change_subscriber": change_subscriber,
    }

    def seen(self, outcome: Handled, wanted: dict[str, Any]) -> dict[str, Any]:
        """What the step led to, in the words of what is wanted."""
        now = in_force(self.bench.account, self.bench.now)
        reply: Reply | None = outcome.replies[0] if outcome.replies else None
        values = {
            "reply": f"{reply.code} {reply.why or ''}".strip() if reply else None,
            "refused": str(outcome.refusal.why) if outcome.refusal else None,
            "receive_only": now.receive_only,
            "held": now.held_minor,
            "blocked": sorted(now.blocked_txn_ids),
            "functions": sorted(now.blocked_functions),
            "alerts": [event.alert for event in outcome.events if isinstance(event, Alerted)],
            "tier": next((a.tier_name for a in self.bench.account.appeals.values()), None),
            "states": {name: str(self.measure(name).state) for name in wanted.get("states", {})},
            "why": {name: self.measure(name).ended_why for name in wanted.get("why", {})},
            "expires": {
                name: self.bench.law.calendar.local(self.measure(name).expires_at_us or 0).isoformat()
                for name in wanted.get("expires", {})
            },
        }
        return {key: values[key] for key in wanted}


@pytest.mark.parametrize("name", TIMELINES)
def test_the_countrys_timeline_unfolds_as_written(name: str) -> None:
    case = yaml.safe_load((CASES / f"{name}.yaml").read_text())
    timeline = Timeline(case)
    for number, step in enumerate(case["steps"], 1):
        outcome = timeline.step(step)
        wanted = step.get("expect", {})
        assert timeline.seen(outcome, wanted) == wanted, f"step {number}: {step.get('say', step)}"
    assert replay(ACCOUNT, timeline.bench.events) == timeline.bench.account


def test_every_country_file_has_its_timeline() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} <= set(TIMELINES)
