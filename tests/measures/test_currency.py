"""Money of another currency is never compared, and never held."""

import msgspec
import pytest

from schemas.commands import EndHold, PlaceHold, StateFacts
from schemas.measure import AccountFacts
from schemas.order import ApprovalLevel
from schemas.reply import ReplyCode, Why
from tests.measures.kit import PAID, T0, Bench, make_order
from tests.tokens import token_of


def account_in(currency: str, country: str = "CN") -> Bench:
    bench = Bench(country)
    bench.account = msgspec.structs.replace(bench.account, facts=None, version=0)
    bench.events.clear()
    facts = AccountFacts(
        name_token=token_of("name-1"),
        institution_id="bank-1",
        currency=currency,
        balance_minor=0,
        language="en",
    )
    bench.do(StateFacts(at_us=T0, facts=facts))
    bench.move("victim-txn", PAID)
    return bench


def sent_in(currency: str) -> object:
    return msgspec.structs.replace(make_order("S1").victim_transfer, currency=currency)  # type: ignore[type-var]


def test_a_freeze_that_names_no_currency_is_in_the_accounts() -> None:
    bench = account_in("USD")
    reviewed = msgspec.structs.replace(
        make_order("F1", "FREEZE").freeze, legal_review_ref="r-1", approval_level=ApprovalLevel.CITY  # type: ignore[type-var]
    )  # fmt: skip
    reply = bench.order(make_order("F1", "FREEZE", victim_transfer=sent_in("USD"), freeze=reviewed))
    assert (reply.code, reply.currency, bench.measure("F1").currency) == (ReplyCode.OK, "USD", "USD")


@pytest.mark.parametrize("kind", ["STOP", "FREEZE"])
@pytest.mark.parametrize(
    "said",
    [{"victim_transfer": "CNY"}, {"currency": "CNY", "victim_transfer": "USD"}, {"currency": "CNY"}],
    ids=["transfer", "both", "order"],
)
def test_an_order_over_another_currency_is_not_executed(kind: str, said: dict[str, str]) -> None:
    bench = account_in("USD")
    changes = {
        "currency": said.get("currency"),
        "victim_transfer": sent_in(said.get("victim_transfer", "USD")),
    }
    reply = bench.order(make_order("S1", kind, **changes))
    assert (reply.code, reply.why) == (ReplyCode.NOT_EXECUTED, Why.CURRENCY_MISMATCH)
    assert bench.account.measures == {}


def test_a_sum_in_another_currency_than_the_laws_is_never_small() -> None:
    bench = account_in("USD")
    small = msgspec.structs.replace(sent_in("USD"), amount_minor=1)  # type: ignore[type-var]
    bench.move("one", 1)
    bench.order(make_order("S1", victim_transfer=small))
    assert bench.measure("S1").scope == "ALL_OUTFLOW"
    plain = bench.order(make_order("F1", "FREEZE", amount_minor=1, victim_transfer=sent_in("USD")))
    assert plain.why is Why.LEGAL_REVIEW_MISSING


def test_a_release_of_another_currency_needs_two_people_whatever_the_sum() -> None:
    bench = account_in("USD")
    bench.do(
        PlaceHold(
            at_us=T0, decision_id="d1", rule="payee_hold", reason_code="PAYEE_SUSPECT", amount_minor=100,
            txn_id="victim-txn", received_at_us=T0,
        )
    )  # fmt: skip
    (held,) = bench.account.live()
    assert held.currency == "USD"
    ending = EndHold(
        at_us=T0, measure_id=held.measure_id, outcome="CONFIRM", reason="checked", by=("clerk-1",)
    )
    refusal = bench.do(ending).refusal
    assert refusal is not None and refusal.why is Why.TWO_PEOPLE_NEEDED
    assert bench.do(msgspec.structs.replace(ending, by=("clerk-1", "clerk-2"))).refusal is None


def test_an_account_keeps_its_currency() -> None:
    bench = account_in("USD")
    refusal = bench.do(StateFacts(at_us=T0, facts=AccountFacts(currency="CNY"))).refusal
    assert refusal is not None and refusal.why is Why.CURRENCY_MISMATCH
    assert bench.account.currency == "USD"


def test_a_measure_from_before_the_currency_was_known_holds_nothing_of_another() -> None:
    bench = account_in("")
    assert bench.order(make_order("F1", "FREEZE")).held_minor == PAID
    bench.do(StateFacts(at_us=T0, facts=AccountFacts(currency="USD")))
    assert bench.measure("F1").held_minor == 0
