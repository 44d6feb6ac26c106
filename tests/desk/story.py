"""A scam, told on the topics: a warning, payments to a mule, money that moves on over three layers."""

from desk.cases import case_id_of
from measures.engine.intake import AccountState, Arrival, apply
from measures.law.country_file import SHIPPED
from pipelines.kafka.port import KafkaSettings
from schemas import topics
from schemas.alert import Reason
from schemas.commands import Command, Move, PlaceHold, ReceiveOrder, StateFacts
from schemas.dead_letter import dead_letter
from schemas.ids import derived_id
from schemas.journal import JournalEntry
from schemas.measure import AccountFacts, Claim, Refund, RefundState, Share
from schemas.order import (
    Action,
    Direction,
    Flow,
    MeasureKind,
    Officer,
    Order,
    Target,
    VictimTransfer,
)
from schemas.trace import Trace, trace_id
from schemas.units import MINUTE_US
from schemas.warning import Warning
from tests.desk import kit

REASONS = (
    Reason(code="PAYEE_NEW", contribution=3.4, text="收款账户于3天前才开立。"),
    Reason(code="CALL", contribution=2.2, text="付款时正与陌生号码通话42分钟。"),
    Reason(code="AMOUNT", contribution=1.1, text="金额约为该客户平时的18倍。"),
    Reason(code="MANY_PAYERS", contribution=0.6, text="近一天约有5人转入该账户。"),
)

FAMILY = "case-2025-1"


def journal(account: str, *commands: Command) -> list[JournalEntry]:
    """Return what the legal engine writes of these commands."""
    kept: AccountState | None = None
    entries = []
    for command in commands:
        applied = apply(kept, Arrival(account_token=account, jurisdiction="CN", command=command), SHIPPED)
        kept = applied.kept
        if applied.entry:
            entries.append(applied.entry)
    return entries


def facts(account: str, balance: int) -> StateFacts:
    stated = AccountFacts(currency="CNY", balance_minor=balance, name_token=kit.token(f"name {account}"))
    return StateFacts(at_us=kit.T0, facts=stated)


def booking(number: int, direction: Direction, amount: int, other: str) -> Move:
    at = kit.T0 + number * MINUTE_US
    flow = Flow(
        txn_id=f"b{number}-{other}",
        at_us=at,
        direction=direction,
        amount_minor=amount,
        counterparty_token=kit.token(other),
    )
    return Move(at_us=at, flow=flow)


def stop(account: str, minute: int) -> ReceiveOrder:
    """An order of the police about the victim's first payment."""
    number = derived_id("stop", account)[:36]
    at = kit.T0 + minute * MINUTE_US
    order = Order(
        authority_id="police-1",
        order_no=number,
        sender_id="police-1",
        message_serial=number,
        jurisdiction="CN",
        kind=MeasureKind.STOP,
        action=Action.ISSUE,
        issued_at_us=at,
        target=Target(
            account_token=kit.token(account), institution_id="", name_token=kit.token(f"name {account}")
        ),
        case_no=FAMILY,
        case_family=FAMILY,
        reason="telecom fraud",
        victim_transfer=VictimTransfer(
            account_token=kit.token("payer-1"),
            amount_minor=4_000_000,
            currency="CNY",
            transferred_at_us=kit.T0 + MINUTE_US,
        ),
        officers=tuple(Officer(role=role, officer_token=kit.token(role)) for role in ("HANDLER", "ASSIST")),
    )
    return ReceiveOrder(at_us=at, order=order)


def tell(settings: KafkaSettings, small: int = 30) -> None:
    """Send the story, and `small` further cases beside it."""
    alerts = [
        kit.alert(
            1,
            amount_minor=4_000_000,
            reasons=REASONS,
            outcome="STOP",
            score=0.9951,
            measure_rule="payee_hold",
        ),
        kit.alert(3, amount_minor=2_500_000, reasons=REASONS[:2], outcome="HOLD", score=0.93),
        kit.alert(
            9,
            "layer-0",
            leg="DEBIT",
            txn_id="h0",
            account_token=kit.token("mule"),
            counterparty_token=kit.token("layer-1"),
            amount_minor=1_800_000,
            outcome="STOP",
            score=0.98,
            reasons=REASONS[3:],
            measure_rule="payee_hold",
        ),
        *(
            kit.alert(
                10 + n,
                f"small-{n}",
                amount_minor=90_000 + 7_770 * n * n,
                score=0.2 + 0.025 * n,
                reasons=REASONS[:2],
                outcome=("DELAY", "HOLD", "STOP")[n % 3],
            )
            for n in range(small)
        ),
    ]
    kit.send(settings, topics.ALERTS, alerts)
    kit.send(settings, topics.WARNINGS, [warning()])
    kit.send(settings, topics.TRACES, traces())
    kit.send(settings, topics.REFUNDS, [refund()])
    mule, held = kit.token("mule"), kit.token("small-2")
    entries = journal(
        mule,
        facts("mule", 10_000),
        booking(1, Direction.CREDIT, 4_000_000, "payer-1"),
        booking(3, Direction.CREDIT, 2_500_000, "payer-3"),
        booking(9, Direction.DEBIT, 1_800_000, "layer-1"),
        booking(11, Direction.DEBIT, 600_000, "layer-1b"),
    )
    entries += journal(
        held,
        facts("small-2", 9_000_000),
        booking(12, Direction.CREDIT, 7_000_000, "payer-12"),
        PlaceHold(
            at_us=kit.T0 + 13 * MINUTE_US,
            decision_id="d1",
            rule="payee_hold",
            reason_code="PAYEE_SUSPECT",
            amount_minor=7_000_000,
            case_family="x",
        ),
    )
    kit.send(settings, topics.MEASURES, entries)
    letters = [
        dead_letter(
            topics.PAYMENTS,
            0,
            n,
            timestamp_us=kit.T0,
            stage="Decode",
            error_code="INVALID",
            message="Expected `int`, got `str` - at `$.amount_minor`",
            value=b'{"txn_id": "t1", "amount_minor": "12"}',
        )
        for n in range(3)
    ]
    kit.send(settings, topics.DEAD_LETTERS, letters, key=topics.PAYMENTS)


def refund() -> Refund:
    """Money of the mule's that is being returned to two victims: one is paid, one payment failed twice."""
    victims = [kit.token("payer-1"), kit.token("payer-3")]
    return Refund(
        refund_id="refund-1", freeze_id="freeze-1", case_family=case_id_of(kit.token("mule")),
        jurisdiction="CN", currency="CNY", state=RefundState.DISPATCHED, frozen_minor=4_100_000,
        method="PRO_RATA",
        claims=tuple(
            Claim(victim_id=each, loss_minor=loss)
            for each, loss in zip(victims, (4_000_000, 2_500_000), strict=True)
        ),
        shares=(
            Share(victim_id=victims[0], amount_minor=2_523_077, payment_id="p1", paid=True),
            Share(victim_id=victims[1], amount_minor=1_576_923, payment_id="p2", attempts=2),
        ),
        decision_no="R-1", due_us=kit.T0 + 400 * MINUTE_US,
    )  # fmt: skip


def warning() -> Warning:
    return Warning(
        warning_id="w1",
        dedup_key="d",
        jurisdiction="CN",
        party_token=kit.token("party-1"),
        severity=4,
        grade="红色",
        fraud_class="POLICE_COURT",
        posterior=0.995,
        top_reasons=REASONS[:1],
        channels=("CALL", "SMS"),
        template_id="t",
        language="zh-Hans",
        text="公安机关不会通过电话要求您转账。请立即挂断，并拨打96110核实。",
        txn_id="tx-mule-1",
        amount_minor=4_000_000,
        currency="CNY",
        hold=True,
        legal_basis="《反电信网络诈骗法》",
        issued_at_us=kit.T0 + MINUTE_US,
        valid_until_us=kit.T0 + 600 * MINUTE_US,
    )


def traces() -> list[Trace]:
    """Money of the case over three layers."""
    hops = [
        ("mule", "layer-1", 1_800_000, 1),
        ("mule", "layer-1b", 600_000, 1),
        ("layer-1", "layer-2", 1_200_000, 2),
        ("layer-2", "layer-3", 900_000, 3),
    ]
    return [
        Trace(
            trace_id=trace_id(FAMILY, f"h{n}"),
            jurisdiction="CN",
            case_family=FAMILY,
            hop=hop,
            txn_id=f"h{n}",
            debtor_account=kit.token(source),
            creditor_account=kit.token(target),
            amount_minor=amount,
            transferred_minor=amount,
            currency="CNY",
            at_us=kit.T0 + (9 + n) * MINUTE_US,
            followed=True,
        )
        for n, (source, target, amount, hop) in enumerate(hops)
    ]
