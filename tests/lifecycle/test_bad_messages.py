"""Whatever comes on the wire: the job lives, and each message is carried out, answered or put aside."""

import copy
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from joserfc import jws

from measures.authority.keys import KeyEntry
from measures.authority.signing import ALGORITHM, TYPE
from measures.engine import intake
from schemas import topics
from schemas.commands import (
    AccountMessage,
    AnswerAppeal,
    DecideRefund,
    EndHold,
    FileAppeal,
    InstitutionCommand,
    Move,
    ObjectToRefund,
    OpenRefund,
    PaymentFailed,
    PlaceHold,
    Restrict,
    Reverify,
    StateFacts,
    Tick,
)
from schemas.ids import derived_id
from schemas.measure import AccountFacts, Claim
from schemas.order import Direction, Disbursement, Flow, FreezeTerms, QueryTerms, key_of
from schemas.reply import ReplyCode, Why
from tests.lifecycle.conftest import POLICE, chunk, facts, paid_in, signed, told
from tests.lifecycle.steps_kit import Steps
from tests.measures.kit import ACCOUNT, MINUTE, PAID, T0, make_order
from tests.tokens import token_of

Keys = tuple[KeyEntry, ...]
SECOND = 1_000_000

TOKENS = (ACCOUNT, token_of("other"), token_of("third"))
FREEZE_ID = derived_id("measure", key_of("police-1", "n1"), ACCOUNT)
REFUND_ID = derived_id("refund", FREEZE_ID, 1)
APPEAL_ID = derived_id("appeal", FREEZE_ID, "a1")
NAME = token_of("name-1")
CLAIMS = (Claim(victim_id=token_of("v1"), loss_minor=PAID),)

#: Values no field expects, and some that many do.
NASTY: list[Any] = [
    None, True, 0, -1, 1, 2**31, 2**53, 2**53 + 1, 2**62, 2**63, 2**64, -(2**63), 10**26, 1.5, 1e308,
    "", " ", "a", "S1\n", "o1 ", "../cn", "QQ", "C" * 300, "a" * 27, "\u202e", "\x00", "é" * 500, "ACC-1",
    T0, T0 * 1000, T0 // 1000, [], {}, [1], {"a": 1}, [[]] * 50,
    *TOKENS, "n1", "n2", FREEZE_ID, REFUND_ID, "CN", "SG", "CNY", "USD",
]  # fmt: skip


def commands(draw: random.Random) -> InstitutionCommand:
    number = draw.randint(0, 40)
    flow = Flow(
        txn_id=f"t{number}", at_us=T0 + draw.randint(-5, 5) * MINUTE, direction=draw.choice(list(Direction)),
        amount_minor=draw.choice([0, 1, PAID, 2**53]), counterparty_token=draw.choice([*TOKENS, ""]),
    )  # fmt: skip
    by = draw.choice([(), ("clerk-1",), ("clerk-1", "clerk-2")])
    balance = draw.choice([None, 0, PAID, -200_000, -(2**53)])
    return draw.choice(
        [
            Tick(),
            StateFacts(facts=AccountFacts(currency="CNY", balance_minor=balance, name_token=NAME)),
            StateFacts(facts=AccountFacts(institution_id="bank-1"), position=number),
            Move(flow=flow),
            Move(flow=flow, balance_minor=balance),
            Move(flow=flow, balance_minor=balance, position=number),
            PlaceHold(decision_id=f"d{number}", rule="payer_delay", reason_code="SCAM_SUSPECTED"),
            EndHold(measure_id=FREEZE_ID, outcome="CONFIRM", reason="asked", by=by),
            Restrict(decision_id=f"d{number}", rule="REVERIFY", reason_code="IDENTITY_CHECK"),
            Reverify(by=by),
            FileAppeal(filing_no="a1", measure_id=FREEZE_ID, reasons="mine"),
            AnswerAppeal(appeal_id=APPEAL_ID, step="DECIDE", outcome="UPHELD", reasons="seen", by=by),
            OpenRefund(freeze_id=FREEZE_ID, round_no=1, claims=CLAIMS, senders={"t1": CLAIMS[0].victim_id}),
            ObjectToRefund(refund_id=REFUND_ID, claims=CLAIMS, reason=f"r{number}"),
            DecideRefund(refund_id=REFUND_ID, decision_no="d", by=by, reason="seen", court_ref="c"),
            PaymentFailed(refund_id=REFUND_ID, payment_id="p"),
        ]
    )  # fmt: skip


def orders(draw: random.Random) -> Any:
    number = f"n{draw.randint(1, 300)}"
    share = Disbursement(victim_id=token_of("v1"), decision_no="d", amount_minor=draw.choice([1, PAID]))
    return make_order(
        number,
        draw.choice(["STOP", "FREEZE", "RESTRICTION", "QUERY", "HOLD"]),
        draw.choice(["ISSUE", "ISSUE", "EXTEND", "LIFT", "CONFIRM", "REDUCE", "DISBURSE"]),
        message_serial=f"m{draw.randint(1, 600)}",
        original_order_no=draw.choice([None, "n1", "n2", f"n{draw.randint(1, 300)}"]),
        amount_minor=draw.choice([None, 1, PAID, 2**53]),
        disbursement=draw.choice([None, share]),
        query=draw.choice([None, QueryTerms(until_us=T0 + 10**12), QueryTerms()]),
        freeze=draw.choice([None, FreezeTerms(legal_doc_no="d-1", filing_doc_ref="f-1")]),
        rule=draw.choice(["", "REVERIFY"]),
        expected_version=draw.choice([None, None, None, 3]),
    )


def spoiled(draw: random.Random, built: Any) -> Any:
    """Put a value no field expects into some place."""
    place, parents = built, []
    while isinstance(place, dict | list) and place and (not parents or draw.random() < 0.6):
        key = draw.choice(list(place) if isinstance(place, dict) else range(len(place)))
        parents.append((place, key))
        place = place[key]
    for parent, key in parents[-1:]:
        parent[key] = copy.deepcopy(draw.choice(NASTY))
    return built


def noise(draw: random.Random, value: bytes) -> bytes:
    """Change, cut or repeat some bytes."""
    at = draw.randrange(len(value) + 1)
    return draw.choice(
        [
            value[:at],
            value[:at] + bytes([draw.randrange(256)]) + value[at + 1 :],
            value + value[:at],
            value[at:],
        ]
    )


def sign_anything(built: Any) -> bytes:
    header = {"alg": ALGORITHM, "kid": "key-police-1", "typ": TYPE}
    payload = msgspec.json.encode(built)
    return jws.serialize_compact(header, payload, POLICE, algorithms=[ALGORITHM]).encode()


def message(draw: random.Random) -> tuple[str, bytes]:
    if draw.random() < 0.25:
        built = msgspec.to_builtins(orders(draw))
        built = spoiled(draw, built) if draw.random() < 0.5 else built
        try:
            value = sign_anything(built)
        except OverflowError:
            value = sign_anything(orders(draw))
        return topics.ORDERS, noise(draw, value) if draw.random() < 0.1 else value
    said = AccountMessage(account_token=draw.choice(TOKENS), jurisdiction="CN", command=commands(draw))
    built = msgspec.to_builtins(said)
    built = spoiled(draw, built) if draw.random() < 0.4 else built
    try:
        value = msgspec.json.encode(built)
    except OverflowError:
        value = repr(built).replace("'", '"').replace("None", "null").replace("True", "true").encode()
    return topics.ACCOUNTS, noise(draw, value) if draw.random() < 0.2 else value


def run(keys: Keys, count: int, seed: int) -> Steps:
    """Send messages of a seed to fresh accounts; each order must be answered or put aside."""
    draw, job, sent = random.Random(seed), Steps(keys), list[tuple[str, bytes]]()
    for number in range(count):
        again = sent and draw.random() < 0.1
        topic, value = draw.choice(sent) if again else message(draw)
        sent.append((topic, value))
        entries, letters = len(job.entries), len(job.letters)
        job.take(chunk(topic, (value, T0 + number * SECOND), offset=number))
        if topic == topics.ORDERS:
            answered = sum(len(entry.replies) for entry in job.entries[entries:])
            assert answered or len(job.letters) > letters, value
    return job


def checked(job: Steps) -> set[ReplyCode]:
    """No fault, a reason on every letter, the journal rebuilds what is stored; gives the answers' codes."""
    assert [letter for letter in job.letters if letter.error_code == "FAULT"] == []
    assert all(letter.message and letter.hint for letter in job.letters)
    rebuilt = job.rebuilt()
    assert {token: job.kept(token) for token in rebuilt} == rebuilt
    return {reply.code for entry in job.entries for reply in entry.replies}


def test_random_messages_are_carried_out_answered_or_put_aside(keys: Keys) -> None:
    answered = [checked(run(keys, 1_000, seed)) for seed in range(3)]
    assert set().union(*answered) == set(ReplyCode)


@pytest.mark.slow
def test_a_hundred_thousand_random_messages_are_carried_out_answered_or_put_aside(keys: Keys) -> None:
    answered = [checked(run(keys, 1_000, seed)) for seed in range(100, 200)]
    assert set().union(*answered) == set(ReplyCode)


def good_after(job: Steps) -> list[tuple[str, str]]:
    """Send good messages of two accounts; what is answered."""
    job.take(chunk(topics.ACCOUNTS, (facts(), T0), (paid_in(), T0), offset=1_000))
    job.take(chunk(topics.ORDERS, (signed(make_order("S1")), T0 + MINUTE), offset=1_000))
    return [(reply.order_no, str(reply.code)) for entry in job.entries for reply in entry.replies]


@pytest.mark.parametrize(
    "poison",
    [
        facts().replace(b'"CN"', b'"' + b"C" * 300 + b'"'),
        facts().replace(b'"CN"', b'"../law/countries/cn"'),
        b'{"account_token":' * 3_000,
        b"[" * 100_000,
        told(Tick()).replace(b'"type":"Tick"', b'"type":"Tick","expected_version":' + b"9" * 30),
        facts().replace(b'"balance_minor":0', b'"balance_minor":' + b"1" + b"0" * 26),
        facts(token="a" * 700_000),
        b"",
        b"\xff\xfe",
        b"null",
    ],
    ids=["law", "path", "nested", "open", "wide", "balance", "token", "empty", "utf-16", "null"],
)  # fmt: skip
def test_a_poisonous_message_is_a_dead_letter_and_the_next_ones_are_answered(
    poison: bytes, keys: Keys
) -> None:
    job = Steps(keys)
    job.take(chunk(topics.ACCOUNTS, (poison, T0)))
    (letter,) = job.letters
    assert letter.error_code in ("INVALID", "NOT_JSON", "TOO_LARGE") and letter.message
    assert good_after(job) == [("S1", "OK")]


def test_an_overdrawn_account_goes_on(keys: Keys) -> None:
    flow = Flow(txn_id="fee", at_us=T0, direction=Direction.DEBIT, amount_minor=200_000)
    job = Steps(keys)
    job.take(chunk(topics.ACCOUNTS, (told(Move(flow=flow, balance_minor=-200_000)), T0)))
    job.take(chunk(topics.ACCOUNTS, (told(Move(flow=flow, balance_minor=10**26 % 2**53)), T0), offset=1))
    assert good_after(job) == [("S1", "OK")] and job.letters == []


@pytest.mark.parametrize("place", ["entered", "apply"])
def test_a_fault_anywhere_puts_one_message_aside_answers_its_order_and_frees_its_number(
    place: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(real: Callable[..., Any]) -> Callable[..., Any]:
        def fail(*given: Any) -> Any:
            if any("faulty" in str(each) for each in given):
                raise ZeroDivisionError("by a fault")
            return real(*given)

        return fail

    job = Steps(keys)
    job.take(chunk(topics.ACCOUNTS, (facts(), T0), (paid_in(), T0)))
    with monkeypatch.context() as patch:
        patch.setattr(intake, place, failing(getattr(intake, place)))
        job.take(chunk(topics.ORDERS, (signed(make_order("S1", remark="faulty")), T0 + MINUTE)))
    (letter,) = job.letters
    assert (letter.error_code, "ZeroDivisionError" in letter.message) == ("FAULT", True)
    job.take(chunk(topics.ORDERS, (signed(make_order("S1")), T0 + 2 * MINUTE), offset=1))
    replies = [reply for entry in job.entries for reply in entry.replies]
    assert [(reply.code, reply.why) for reply in replies] == [
        (ReplyCode.NOT_EXECUTED, Why.TECHNICAL), (ReplyCode.OK, None),
    ]  # fmt: skip
