"""Each way by which money leaves a measure goes through one guard: people, court, decided round, victim."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from measures.kinds.table import MACHINES
from measures.law.country_file import jurisdiction
from measures.law.jurisdiction import Jurisdiction
from measures.money.release import GUARDS, Effect
from measures.state.account import in_force
from schemas.commands import (
    AnswerAppeal,
    Command,
    DecideRefund,
    EndHold,
    FileAppeal,
    OpenRefund,
    PlaceHold,
    Restrict,
    Reverify,
)
from schemas.measure import Claim, Refund
from schemas.order import (
    Action,
    Actor,
    ApprovalLevel,
    Disbursement,
    FreezeTerms,
    MeasureKind,
    QueryTerms,
    Scope,
    order_key,
)
from schemas.reply import ReplyCode, Why
from tests.measures.kit import DAY, HOUR, OFFICERS, T0, Bench, make_order
from tests.tokens import token_of

K = MeasureKind
LARGE = 80_000_000

#: These hold no sum: one person may end them.
NO_SUM = (K.QUERY, K.RESTRICTION, K.LINE_SUSPEND, K.RE_VERIFY)
ONE, TWO = OFFICERS[:1], OFFICERS


def changed(law: Jurisdiction, **rules: Any) -> Jurisdiction:
    """The law with other versions of some rules, nothing worked out before."""
    found = law.model_copy(update=rules)
    found.__dict__.pop("_regimes", None)
    return found


def with_rule(law: Jurisdiction, name: str, **fields: Any) -> Jurisdiction:
    return changed(law, **{name: tuple(rule.model_copy(update=fields) for rule in getattr(law, name))})


def lenient() -> Jurisdiction:
    """China's rules, without its own demand that two officers sign every order: the guard stands alone."""
    law = changed(jurisdiction("CN"), line_suspend=jurisdiction("KR").line_suspend)
    law = with_rule(law, "people", officers=0)
    return with_rule(law, "refund", administrative_below=LARGE // 2)


LAW = lenient()


def begun(kind: MeasureKind, scope: Scope | None = None) -> Bench:
    """An account with a large sum under one measure, numbered M1."""
    bench = Bench(LAW)
    bench.move("victim-txn", LARGE)
    if kind is K.HOLD:
        bench.do(
            PlaceHold(
                at_us=T0, decision_id="d1", rule="payee_hold", reason_code="PAYEE_SUSPECT", amount_minor=LARGE
            )
        )
        return bench
    fields: dict[str, Any] = {"scope": scope, "amount_minor": LARGE}
    if kind in (K.STOP, K.FREEZE):
        sent = make_order("x").victim_transfer
        assert sent is not None
        fields["victim_transfer"] = msgspec.structs.replace(sent, amount_minor=LARGE)
    if kind is K.FREEZE:
        fields["freeze"] = FreezeTerms(
            legal_doc_no="d", filing_doc_ref="f", whole_reason="all of it", legal_review_ref="r",
            approval_level=ApprovalLevel.PROVINCE, bulk=True,
        )  # fmt: skip
    if kind is K.QUERY:
        fields["query"] = QueryTerms(until_us=T0 + DAY)
    if kind is K.RESTRICTION:
        fields["rule"] = next(
            name for name, versions in LAW.restrict.items() if Actor.POLICE in versions[-1].actors
        )
    reply = bench.order(make_order("M1", kind, **fields))
    assert reply.why is None, reply
    return bench


def forbidden(bench: Bench) -> tuple[Any, ...]:
    """What the account forbids now and an instant before each of its terms would end."""
    now = in_force(bench.account, bench.now)
    ends = sorted(m.expires_at_us or 0 for m in bench.account.live() if m.kind is not K.QUERY)
    return now.receive_only, now.limit_minor, now.held_minor, now.blocked_txn_ids, now.blocked_functions, ends


def holds_no_less(before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    receive, limit, held, txns, functions, ends = zip(before, after, strict=True)
    return (
        receive[0] <= receive[1]
        and (limit[0] <= limit[1] or receive[1])
        and (held[0] <= held[1] or receive[1])
        and txns[0] <= txns[1]
        and functions[0] <= functions[1]
        and max(ends[0], default=0) <= max(ends[1], default=0)
    )


SMALL = 1


def letters(kind: MeasureKind) -> Iterator[Any]:
    """Every action an order can name, as one officer would send it: short, small, to anybody."""
    for action in Action:
        if action is Action.ISSUE:
            continue
        yield make_order(
            f"one-{action}", kind, action, original_order_no="M1", officers=ONE, amount_minor=SMALL,
            start_at_us=T0, expire_at_us=T0 + HOUR,
            disbursement=Disbursement(victim_id="anybody", decision_no="none", amount_minor=LARGE // 4),
            freeze=FreezeTerms(legal_doc_no="d", filing_doc_ref="f", legal_review_ref="r"),
        )  # fmt: skip


CASES = [
    (kind, scope)
    for kind in K
    for scope in ((None, Scope.ALL_OUTFLOW, Scope.AMOUNT) if kind in (K.STOP, K.FREEZE) else (None,))
]


@pytest.mark.parametrize(("kind", "scope"), CASES)
def test_one_officer_frees_no_large_sum_by_any_action_on_any_kind(
    kind: MeasureKind, scope: Scope | None
) -> None:
    for order in letters(kind):
        bench = begun(kind, scope)
        if kind in NO_SUM:
            continue
        before, balance = forbidden(bench), bench.account.balance_minor
        bench.order(order, T0 + HOUR // 2)
        assert holds_no_less(before, forbidden(bench)), (order.action, before, forbidden(bench))
        assert bench.account.balance_minor == balance, order.action


@pytest.mark.parametrize(("kind", "scope"), CASES)
def test_a_small_new_order_of_one_officer_does_not_take_a_large_measures_place(
    kind: MeasureKind, scope: Scope | None
) -> None:
    """A freeze over 0.01 ends a stop or hold over a large sum only if two people say so."""
    for fresh in (K.STOP, K.FREEZE):
        for officers in (ONE, TWO):
            bench = begun(kind, scope)
            before = forbidden(bench)
            order = make_order("M2", fresh, officers=officers, amount_minor=SMALL, scope=Scope.AMOUNT)
            if fresh is K.FREEZE:
                order = msgspec.structs.replace(order, victim_transfer=None)
            bench.order(order, T0 + HOUR // 2)
            assert officers is TWO or holds_no_less(before, forbidden(bench)), (
                fresh,
                before,
                forbidden(bench),
            )


def by_hand(bench: Bench) -> Iterator[Command]:
    """Every command of the institution that could free something, given by one clerk (or nobody)."""
    one, at_us = ("clerk-1",), bench.now
    for measure in bench.account.live():
        for outcome in ("CONFIRM", "BLOCK"):
            yield EndHold(at_us=at_us, measure_id=measure.measure_id, outcome=outcome, reason="r", by=one)
    yield Reverify(at_us=at_us, by=())
    for appeal in bench.account.appeals.values():
        for outcome in ("UPHELD", "PART"):
            yield AnswerAppeal(
                at_us=at_us, appeal_id=appeal.appeal_id, step="DECIDE", outcome=outcome,
                reduced_to_minor=SMALL, reasons="r", by=one,
            )  # fmt: skip
    for refund in bench.account.refunds.values():
        yield DecideRefund(at_us=at_us, refund_id=refund.refund_id, decision_no="d", by=one, reason="r")


@pytest.mark.parametrize(("kind", "scope"), CASES)
def test_one_clerk_frees_no_large_sum_by_any_command(kind: MeasureKind, scope: Scope | None) -> None:
    bench = begun(kind, scope)
    for measure in bench.account.live():
        bench.do(FileAppeal(at_us=T0, filing_no="a", measure_id=measure.measure_id, reasons="mine"))
    open_round(bench, {"v1": LARGE}, {"victim-txn": "v1"})
    before, balance = forbidden(bench), bench.account.balance_minor
    for command in by_hand(bench) if kind not in NO_SUM else ():
        bench.do(command)
        assert holds_no_less(before, forbidden(bench)), command
        assert bench.account.balance_minor == balance
    assert not any(refund.decision_no for refund in bench.account.refunds.values())


def cured(bench: Bench) -> bool:
    return any(measure.state in ("CURED", "RESTORED") for measure in bench.account.measures.values())


def test_nobody_verified_an_identity_so_nothing_is_cured() -> None:
    bench = Bench("CN", balance=1_000)
    rules = {name: versions[-1] for name, versions in bench.law.restrict.items()}
    name = next(name for name, rule in rules.items() if rule.cure and Actor.BANK in rule.actors)
    bench.do(Restrict(at_us=T0, decision_id="d1", rule=name, reason_code="IDENTITY_CHECK"))
    refusal = bench.do(Reverify(at_us=T0, by=())).refusal
    assert refusal is not None and refusal.why is Why.TWO_PEOPLE_NEEDED
    assert not cured(bench)
    assert bench.do(Reverify(at_us=T0, by=("clerk-1",))).refusal is None
    assert cured(bench)


@pytest.mark.parametrize("kind", [K.STOP, K.FREEZE])
@pytest.mark.parametrize("officers", [ONE, TWO])
def test_a_lift_that_comes_first_takes_the_people_that_lifting_would(
    kind: MeasureKind, officers: Any
) -> None:
    """One officer's lift does not keep the order over a large sum from being executed; two officers' does."""
    bench = Bench(LAW)
    bench.move("victim-txn", LARGE)
    early = make_order(
        "L1", kind, Action.LIFT, original_order_no="M1", officers=officers, issued_at_us=T0 + 1
    )
    assert bench.order(early, T0 + 1).code is ReplyCode.PENDING_PARENT
    sent = make_order("x").victim_transfer
    assert sent is not None
    fields: dict[str, Any] = {"victim_transfer": msgspec.structs.replace(sent, amount_minor=LARGE)}
    if kind is K.FREEZE:
        fields |= {"amount_minor": LARGE}
    bench.order(make_order("M1", kind, **fields), T0 + 2)
    frees = officers is TWO
    assert bool(bench.account.live()) is not frees
    answer = bench.account.answered[order_key(early)].reply
    assert answer.why is (None if frees else Why.TWO_PEOPLE_NEEDED)


def test_every_action_has_a_row_in_the_table_of_guards() -> None:
    assert set(GUARDS) == set(Effect)
    actions = {action for machine in MACHINES.values() for action in (*machine.acts, Action.LIFT)}
    assert {str(action) for action in actions} <= {str(effect) for effect in Effect}


# --- paying a share ----------------------------------------------------------------------------------


def open_round(bench: Bench, losses: dict[str, int], senders: dict[str, str]) -> None:
    claims = tuple(Claim(victim_id=victim, loss_minor=loss) for victim, loss in losses.items())
    for m in bench.account.live():
        bench.do(
            OpenRefund(at_us=bench.now, freeze_id=m.measure_id, round_no=1, claims=claims, senders=senders)
        )


def decide(bench: Bench, court_ref: str) -> Refund:
    (refund_id,) = bench.account.refunds
    two: dict[str, Any] = {"by": ("c1", "c2"), "reason": "r", "court_ref": court_ref}
    bench.do(DecideRefund(at_us=bench.now, refund_id=refund_id, decision_no="dec-1", **two))
    return bench.account.refunds[refund_id]


def round_of(bench: Bench, *, court_ref: str = "court-1") -> Refund:
    """A decided round that gives v1 all of the freeze."""
    open_round(bench, {"v1": LARGE}, {"victim-txn": "v1"})
    return decide(bench, court_ref)


def pay(bench: Bench, number: str = "D1", **changes: Any) -> Why | None:
    share = Disbursement(
        victim_id=changes.pop("victim_id", "v1"),
        decision_no=changes.pop("decision_no", "dec-1"),
        amount_minor=changes.pop("amount_minor", LARGE),
    )
    changes |= {"original_order_no": "M1", "disbursement": share}
    return bench.order(make_order(number, K.FREEZE, Action.DISBURSE, **changes)).why


def test_nothing_is_paid_before_a_round_was_opened_and_decided() -> None:
    bench = begun(K.FREEZE)
    assert pay(bench, "D1") is Why.NOT_DECIDED
    open_round(bench, {"v1": LARGE}, {"victim-txn": "v1"})
    assert pay(bench, "D2") is Why.NOT_DECIDED
    assert bench.account.balance_minor == LARGE


def test_only_the_rounds_victim_is_paid_what_was_decided_under_its_number_by_two_people() -> None:
    bench = begun(K.FREEZE)
    round_of(bench)
    refused = [
        ({"victim_id": "anybody"}, Why.NOT_DECIDED),
        ({"decision_no": "dec-2"}, Why.NOT_DECIDED),
        ({"amount_minor": LARGE - 1}, Why.OVER_AMOUNT),
        ({"officers": ONE}, Why.TWO_PEOPLE_NEEDED),
    ]
    for number, (changes, why) in enumerate(refused):
        assert pay(bench, f"D{number}", **changes) is why
    assert bench.account.balance_minor == LARGE
    assert pay(bench, "D9") is None
    assert bench.account.balance_minor == 0


def test_a_share_over_the_administrative_sum_is_decided_by_a_court_or_not_at_all() -> None:
    bench = begun(K.FREEZE)
    assert not round_of(bench, court_ref="").decision_no
    assert pay(bench) is Why.NOT_DECIDED


def test_what_was_decided_without_a_court_is_not_paid_once_the_law_asks_for_one() -> None:
    """The guard looks again when money leaves, not only when it was decided."""
    bench = begun(K.FREEZE)
    bench.law = with_rule(LAW, "refund", administrative_below=None)
    assert round_of(bench, court_ref="").decision_no == "dec-1"
    bench.law = LAW
    assert pay(bench) is Why.PAPERS_MISSING


def test_small_shares_that_add_up_need_two_people_like_a_large_one() -> None:
    """Four eyes from 50,000.00: 30,000.00 may be paid by one officer, the next 30,000.00 may not."""
    bench = Bench(LAW)
    for number in (1, 2):
        bench.move(f"t{number}", 3_000_000, T0 + number)
    bench.order(make_order("M1", K.FREEZE, amount_minor=6_000_000, victim_transfer=None), T0 + 10)
    open_round(bench, {"v1": 3_000_000, "v2": 3_000_000}, {"t1": "v1", "t2": "v2"})
    decide(bench, "court-1")
    alone: dict[str, Any] = {"officers": ONE, "amount_minor": 3_000_000}
    assert pay(bench, "D1", victim_id="v1", **alone) is None
    assert pay(bench, "D2", victim_id="v2", **alone) is Why.TWO_PEOPLE_NEEDED
    assert pay(bench, "D3", victim_id="v2", amount_minor=3_000_000) is None


def test_a_booking_that_calls_itself_a_pay_out_is_a_breach_like_any_other() -> None:
    bench = begun(K.FREEZE)
    bench.move("x", -LARGE, T0 + 1, purpose="DISBURSEMENT", counterparty_token=token_of("anybody"))
    assert bench.alerts() == ["MEASURE_BREACHED"]
    assert [flow.purpose for flow in bench.account.flows if flow.txn_id == "x"] == [""]


def test_a_payment_whose_sum_nobody_said_is_no_small_sum() -> None:
    bench = Bench(LAW, balance=LARGE)
    name = next(name for name, rules in LAW.hold.items() if rules[-1].scope is Scope.TRANSACTION)
    bench.do(PlaceHold(at_us=T0, decision_id="d", rule=name, reason_code="SCAM_SUSPECTED", txn_id="p1"))
    (hold,) = bench.account.live()
    for outcome in ("CONFIRM", "BLOCK"):
        command = EndHold(at_us=T0, measure_id=hold.measure_id, outcome=outcome, reason="r", by=("clerk-1",))
        refusal = bench.do(command).refusal
        assert refusal is not None and refusal.why is Why.TWO_PEOPLE_NEEDED


def test_an_extension_never_ends_a_stop_sooner() -> None:
    bench = begun(K.STOP)
    ends = bench.measure("M1").expires_at_us
    short = make_order(
        "E1", K.STOP, Action.EXTEND, original_order_no="M1", start_at_us=T0, expire_at_us=T0 + HOUR
    )
    assert bench.order(short, T0 + HOUR // 2).why is Why.MALFORMED
    assert bench.measure("M1").expires_at_us == ends
