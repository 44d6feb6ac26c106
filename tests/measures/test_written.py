"""What intake accepts can be written, and what is written can be read back."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measures.engine import intake
from measures.engine.intake import AccountState, Arrival
from measures.refusal import Refusal
from schemas.commands import AccountMessage, Move, ReceiveOrder, StateFacts
from schemas.contract import BALANCE_MAX
from schemas.errors import SchemaError
from schemas.journal import JournalEntry
from schemas.measure import AccountFacts
from schemas.order import Direction, Flow, Order
from schemas.reply import ReplyCode, Why
from tests.measures.kit import ACCOUNT, DAY, MINUTE, PAID, T0, Bench, defrauded, make_order
from tests.schemas.records import record

ENTRY = msgspec.json.Decoder(JournalEntry)


def told(command: object, token: str = ACCOUNT) -> bytes:
    return msgspec.json.encode(AccountMessage(account_token=token, jurisdiction="CN", command=command))  # type: ignore[arg-type]


def taken(kept: AccountState | None, value: bytes, at_us: int = T0) -> intake.Applied:
    read = intake.read_command(value, at_us)
    assert isinstance(read, Arrival), read
    return intake.apply(kept, read)


def rebuilt(values: list[bytes]) -> AccountState | None:
    kept: AccountState | None = None
    for value in values:
        kept = intake.recalled(kept, ENTRY.decode(value))
    return kept


@settings(max_examples=150, deadline=None)
@given(st.lists(record(AccountMessage), min_size=1, max_size=4), st.lists(record(Order), max_size=2))
def test_whatever_intake_accepts_the_journal_can_be_read_back(
    said: list[AccountMessage], orders: list[Order]
) -> None:
    kept: AccountState | None = None
    written: list[bytes] = []
    arrivals = [
        intake.read_command(msgspec.json.encode(msgspec.structs.replace(each, account_token=ACCOUNT)), T0 + n)
        for n, each in enumerate(said)
    ]
    target = make_order("S1").target
    arrivals += [
        Arrival(
            account_token=ACCOUNT,
            jurisdiction="CN",
            command=ReceiveOrder(at_us=T0 + DAY, order=msgspec.structs.replace(order, target=target)),
        )
        for order in orders
    ]
    for arrival in arrivals:
        if isinstance(arrival, Refusal):
            continue
        applied = intake.apply(kept, arrival)
        kept = applied.kept
        written += [applied.value] if applied.entry else []
    if written:
        assert rebuilt(written) == kept


def test_an_overdrawn_account_is_journaled_and_read_back() -> None:
    flow = Flow(txn_id="fee", at_us=T0, direction=Direction.DEBIT, amount_minor=200_000)
    first = taken(None, told(Move(flow=flow, balance_minor=-200_000)))
    second = taken(first.kept, told(StateFacts(facts=AccountFacts(currency="CNY"))), T0 + MINUTE)
    assert second.kept.account.balance_minor == -200_000
    assert rebuilt([first.value, second.value]) == second.kept


def test_an_overdraft_takes_nothing_from_a_freeze_and_gives_it_nothing() -> None:
    bench = defrauded()
    bench.order(make_order("F1", "FREEZE"))
    bench.move("fee", -PAID - 200_000)
    assert (bench.account.balance_minor, bench.measure("F1").held_minor) == (-200_000, 0)
    bench.move("salary", 500_000)
    assert bench.measure("F1").held_minor == 300_000


@pytest.mark.parametrize("balance", [10**26, 2**62, -(2**62)])
def test_a_balance_no_account_has_is_a_message_in_bad_form(balance: int) -> None:
    flow = Flow(txn_id="t", at_us=T0, direction=Direction.DEBIT, amount_minor=1)
    message = told(Move(flow=flow, balance_minor=0)).replace(
        b'"balance_minor":0', b'"balance_minor":%d' % balance
    )
    assert isinstance(intake.read_command(message, T0), Refusal)


def test_sums_of_the_largest_amounts_stay_in_bounds() -> None:
    bench = Bench()
    refused = [bench.move(f"t{n}", 2**53, T0 + n).refusal for n in range(600)]
    assert [each.why for each in refused if each] == [Why.OVER_AMOUNT] * (600 - 512)
    assert 0 < bench.account.balance_minor <= BALANCE_MAX


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b'{"account_token":' * 3_000, Why.MALFORMED),
        (b'{"x":' + b"[" * 3_000, Why.MALFORMED),
        (told(StateFacts(facts=AccountFacts())).replace(b'"CN"', b'"' + b"C" * 300 + b'"'), Why.MALFORMED),
        (told(StateFacts(facts=AccountFacts())).replace(b'"CN"', b'"../law/countries/cn"'), Why.MALFORMED),
        (told(StateFacts(facts=AccountFacts())).replace(b'"CN"', b'"CN\\n"'), Why.MALFORMED),
        (told(StateFacts(facts=AccountFacts())).replace(b'"CN"', b'"QQ"'), Why.NO_LEGAL_BASIS),
        (told(StateFacts(facts=AccountFacts()), "a" * 700_000), Why.TOO_LARGE),
        (told(StateFacts(facts=AccountFacts()), "ACC-1"), Why.MALFORMED),
        (told(StateFacts(facts=AccountFacts(), expected_version=10**30 % 2**53)), None),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_at_intake(message: bytes, why: Why | None) -> None:
    read = intake.read_command(message, T0)
    assert (read.why if isinstance(read, Refusal) else None) == why


def test_an_account_in_clear_is_refused_with_how_a_token_is_made() -> None:
    read = intake.read_command(told(StateFacts(facts=AccountFacts()), "ACC-1"), T0)
    assert isinstance(read, Refusal)
    assert "26 base32 letters" in read.detail and "stopline tokens make" in read.detail


def test_an_entry_that_could_not_be_read_back_is_never_written() -> None:
    entry = JournalEntry(
        entry_id="e", account_token=ACCOUNT, jurisdiction="CN", version=-1, at_us=T0, command="Tick"
    )
    with pytest.raises(SchemaError, match="could not be read back"):
        intake.written(entry)


def test_the_size_of_an_entry_is_known_before_it_is_sent() -> None:
    order = make_order("S1")
    event = {"type": "parked", "event_id": "e", "account_token": ACCOUNT, "version": 1, "at_us": T0}
    built = msgspec.to_builtins(order)
    whole = {"order": built, "order_key": "o", "parent_key": "p", "until_us": T0}
    entry = msgspec.convert(
        {"entry_id": "e", "account_token": ACCOUNT, "jurisdiction": "CN", "version": 1, "at_us": T0,
         "command": "ReceiveOrder", "events": [event | whole] * 1_200},
        JournalEntry,
    )  # fmt: skip
    with pytest.raises(SchemaError, match="a message holds 1,000,000"):
        intake.written(entry)


NANOSECONDS = T0 * 1000


@pytest.mark.parametrize("kind", ["STOP", "FREEZE", "RESTRICTION", "QUERY", "HOLD"])
@pytest.mark.parametrize("action", ["ISSUE", "EXTEND", "LIFT", "CONFIRM", "REDUCE", "DISBURSE"])
def test_an_order_in_nanoseconds_is_answered_and_its_number_stays_free(kind: str, action: str) -> None:
    bench = defrauded()
    wrong = make_order("S1", kind, action, issued_at_us=NANOSECONDS, original_order_no="S0")
    reply = bench.order(wrong)
    assert (reply.code, reply.why) == (ReplyCode.REFUSED, Why.FUTURE_ORDER)
    assert bench.order(wrong).code is ReplyCode.DUPLICATE
    right = msgspec.structs.replace(wrong, issued_at_us=T0)
    assert bench.order(right).code is not ReplyCode.CONFLICT


@pytest.mark.parametrize("country", ["CN", "HK", "SG", "MY", "TH", "IN", "BR", "UK", "AU", "KR"])
@pytest.mark.parametrize("claimed", [0, T0 // 1000, T0 // 1_000_000, NANOSECONDS, 2**62])
def test_a_time_in_another_unit_is_refused_in_every_country(country: str, claimed: int) -> None:
    bench = Bench(country)
    reply = bench.order(make_order("S1", jurisdiction=country, issued_at_us=claimed))
    assert reply.why in (Why.FUTURE_ORDER, Why.EXPIRED_ORDER)
    sent = msgspec.structs.replace(make_order("S2").victim_transfer, transferred_at_us=NANOSECONDS)  # type: ignore[type-var]
    assert bench.order(make_order("S2", jurisdiction=country, victim_transfer=sent)).why is Why.FUTURE_ORDER


def test_a_corrected_order_is_carried_out_under_its_number_everywhere() -> None:
    wrong = make_order("S1", issued_at_us=NANOSECONDS)
    arrival = Arrival(account_token=ACCOUNT, jurisdiction="CN", command=ReceiveOrder(at_us=T0, order=wrong))
    entry, _ = intake.entered(None, arrival)
    assert entry is None
    bench = defrauded()
    bench.order(wrong)
    assert bench.order(make_order("S1")).code is ReplyCode.OK
    assert bench.measure("S1").live


def test_an_order_the_engine_fails_on_is_answered_and_its_number_stays_free() -> None:
    arrival = Arrival(
        account_token=ACCOUNT, jurisdiction="CN", command=ReceiveOrder(at_us=T0, order=make_order("S1"))
    )
    entry = intake.unable(None, arrival)
    assert entry is not None and not entry.events
    assert [(reply.code, reply.why) for reply in entry.replies] == [(ReplyCode.NOT_EXECUTED, Why.TECHNICAL)]
    assert intake.registrations(ENTRY.decode(intake.written(entry))) == {}
