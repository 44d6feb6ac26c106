"""Lines: from a report to an order, to the operator's engine, and back to the report and the registry."""

import msgspec
import pytest
from joserfc.jwk import OKPKey

from console.lab.ordering import order_of
from measures.aggregate import Office
from measures.authority.signing import AuthorityKey, KeyRing, sign, sign_payload
from measures.casework import TYPE, read_journal
from measures.engine import intake
from measures.engine.intake import AccountState, Arrival
from measures.registry.suspicion import key_of
from schemas.commands import AccountMessage, ChangeSubscriber, InstitutionCommand, Reverify, StateFacts
from schemas.errors import ConfigError
from schemas.measure import AccountFacts
from schemas.order import Actor, Order
from schemas.report import Answer, Entity, Finding
from tests.casework.kit import DAY, HOUR, MINUTE, T0, Bureau, report
from tests.tokens import token_of

KEY = OKPKey.generate_key("Ed25519")
PUBLIC = OKPKey.import_key(KEY.as_dict(private=False))
LINE = token_of("line-1")
OFFICERS = ("o-1", "o-2")


class Operator:
    """The engine of an operator, and a bureau that reads its journal."""

    def __init__(self, country: str) -> None:
        self.ring = KeyRing([AuthorityKey("police-1", "key-1", Actor.POLICE, country, PUBLIC, 0, 2**62)])
        self.bureau, self.country = Bureau(Office(), self.ring), country
        self.kept: AccountState | None = None
        self.tell(StateFacts(facts=AccountFacts(institution_id="operator-1", language="en")))

    def tell(self, command: InstitutionCommand) -> None:
        said = AccountMessage(account_token=LINE, jurisdiction=self.country, command=command)
        self._apply(intake.read_command(msgspec.json.encode(said), self.bureau.now))

    def order(self, order: Order) -> None:
        self._apply(intake.read_order(sign(order, KEY, "key-1"), self.ring, self.bureau.now))

    def wait(self, us: int) -> None:
        self.bureau.wait(us)
        assert self.kept
        self._journal(intake.tick(self.kept, self.bureau.now))

    def report(self) -> None:
        line = Entity(kind="SIM", value=LINE, institution="operator-1")
        said = report(1, line, origin="POLICE", reporter="police-1", jurisdiction=self.country, priority=4)
        self.bureau.report(sign_payload(msgspec.json.encode(said), KEY, "key-1", TYPE))

    def asked(self, kind: str) -> Order:
        case = self.bureau.case("report-1")
        action = next(each for each in case.actions if each.kind == kind)
        return order_of(case, action.action_id, "police-1", OFFICERS, self.bureau.now)

    def result(self, kind: str) -> tuple[str, str]:
        action = next(each for each in self.bureau.case("report-1").actions if each.kind == kind)
        return action.result, action.proof or action.reason

    @property
    def cut(self) -> tuple[str, ...]:
        assert self.kept
        return tuple(name for each in self.kept.account.live() for name in each.functions)

    def _apply(self, arrival: object) -> None:
        assert isinstance(arrival, Arrival), arrival
        self._journal(intake.apply(self.kept, arrival))

    def _journal(self, applied: intake.Applied) -> None:
        self.kept = applied.kept
        if applied.entry:
            self.bureau.deliver(*read_journal(applied.value))


def test_a_report_has_a_line_suspended_and_its_rejection_lifts_it() -> None:
    at = Operator("KR")
    at.report()

    at.bureau.wait(MINUTE)
    at.order(at.asked("SUSPEND_LINE"))
    suspended, told = at.cut, at.result("SUSPEND_LINE")
    at.bureau.say(Finding(report_id="report-1", verdict="REJECTED", by="desk-1", reason="a hospital"))
    at.bureau.wait(MINUTE)
    at.order(at.asked("UNDO"))

    assert suspended == ("LINE",)
    assert told[0] == "ACTED"
    assert "APPLIED" in told[1]
    assert at.cut == ()
    assert at.result("UNDO")[0] == "ACTED"
    assert at.bureau.refused == []


def test_what_the_operator_refuses_comes_back_with_its_reason() -> None:
    at = Operator("KR")
    at.tell(ChangeSubscriber(since_us=T0))
    at.bureau.now += HOUR
    at.report()
    at.bureau.wait(MINUTE)
    at.tell(ChangeSubscriber(since_us=at.bureau.now))

    at.order(at.asked("SUSPEND_LINE"))

    assert at.result("SUSPEND_LINE") == (
        "REFUSED", "CONDITION_UNMET: another subscriber has the number since",
    )  # fmt: skip
    assert at.cut == ()


def test_china_verifies_again_before_it_cuts_and_a_passed_person_leaves_no_trace() -> None:
    at = Operator("CN")
    at.report()
    at.bureau.wait(MINUTE)
    at.order(at.asked("RE_VERIFY"))
    limited, before = at.cut, at.bureau.states["suspicion", key_of("SIM", LINE)].tier

    at.wait(DAY)
    at.tell(Reverify(by=("clerk-1",), proof="face match"))

    found = at.bureau.states["suspicion", key_of("SIM", LINE)]
    assert (limited, before) == (("LINE_OUT",), 3)
    assert (at.cut, found.tier, found.sources, found.state) == ((), 0, (), "CLEARED")


def test_who_is_not_verified_in_time_is_suspended_and_the_next_subscriber_is_not() -> None:
    at = Operator("CN")
    at.report()
    at.bureau.wait(MINUTE)
    at.order(at.asked("RE_VERIFY"))
    at.wait(8 * DAY)
    cut = at.cut

    at.tell(ChangeSubscriber(since_us=at.bureau.now))

    assert cut == ("LINE",)
    assert at.cut == ()
    assert at.bureau.states["suspicion", key_of("SIM", LINE)].ended_why == "RECYCLED"


@pytest.mark.parametrize("numbers", [20, pytest.param(1_000, marks=pytest.mark.slow)])
def test_recycled_numbers_punish_nobody(numbers: int) -> None:
    for number in range(numbers):
        at = Operator("KR" if number % 2 else "CN")
        at.bureau.now += number * MINUTE
        at.report()
        at.bureau.wait(MINUTE)
        at.tell(ChangeSubscriber(since_us=at.bureau.now))
        at.order(at.asked("SUSPEND_LINE" if number % 2 else "RE_VERIFY"))
        assert at.cut == ()


@pytest.mark.parametrize("service", ["voiceSmsOut", "dataService"])
def test_a_line_that_is_active_still_was_not_suspended(service: str) -> None:
    at = Operator("KR")
    at.report()
    action = next(each for each in at.bureau.case("report-1").actions if each.kind == "SUSPEND_LINE")
    answer = Answer(
        report_id="report-1", action_id=action.action_id, recipient="operator:operator-1", result="ACTED",
        proof=msgspec.json.encode({"voiceSmsOut": "SUSPENDED", service: "ACTIVE"}).decode(),
    )  # fmt: skip

    at.bureau.say(answer)

    assert at.result("SUSPEND_LINE") == ("", "")
    assert at.bureau.refused == [f"the proof says that {service} of the line is active still"]


def test_only_what_is_asked_of_an_operator_is_ordered() -> None:
    at = Operator("KR")
    at.report()
    case = at.bureau.case("report-1")

    with pytest.raises(ConfigError, match="is nothing that is ordered; name action_"):
        order_of(case, case.actions[0].action_id, "police-1", OFFICERS, T0)
