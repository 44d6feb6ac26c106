"""Alerts, traces, calls and findings for tests, by short names."""

from pathlib import Path

import msgspec
from msgspec.structs import replace

from measures.cases.campaigns import template_of
from schemas.alert import Alert, Leg
from schemas.clue import Clue
from schemas.feedback import Feedback
from schemas.report import CaseState, Edge, Entity, Report, ReportCase
from schemas.trace import Trace
from tests.rings.ties import AT, token

__all__ = ["AT", "alert", "call", "case", "found_legitimate", "trace"]

_SAMPLE = Path(__file__).parents[1] / "schemas" / "v1" / "alert.v1.jsonl"
_ALERT = msgspec.json.decode(_SAMPLE.read_bytes().splitlines()[0], type=Alert)


def alert(txn: str, payer: str, other: str, at_us: int, *, leg: Leg) -> Alert:
    """Say that a victim paid an account (CREDIT), or that money leaves one (DEBIT)."""
    about = other if leg == "CREDIT" else payer
    return replace(
        _ALERT, alert_id=f"alert_{txn}_{leg}", leg=leg, txn_id=txn, at_us=at_us, amount_minor=10_000,
        account_token=token(about), party_token=token(payer),
        counterparty_token=token(payer if leg == "CREDIT" else other),
    )  # fmt: skip


def trace(txn: str, source: str, target: str, at_us: int, followed: bool) -> Trace:
    """Say that tainted money went on."""
    return Trace(
        trace_id=f"trace_{txn}_{source}", jurisdiction="CN", case_family="c", hop=1, txn_id=txn,
        debtor_account=token(source), creditor_account=token(target), amount_minor=7_000,
        transferred_minor=10_000, currency="CNY", at_us=at_us, followed=followed,
    )  # fmt: skip


def call(number: str, party: str, at_us: int, name: int) -> Clue:
    """Say that an unknown number called a party."""
    return Clue(
        clue_id=f"clue-{name}", kind="CALL", party=token(party), at_us=at_us, counterparty=token(number)
    )


def case(
    name: str,
    left: str,
    right: str,
    at_us: int,
    *,
    kind: str = "SHARED_DEVICE",
    authority: bool = True,
    version: int = 1,
    state: CaseState = "FANNED_OUT",
    message: str = "",
) -> ReportCase:
    """Say that a report ties something to an account."""
    entities = (
        Entity(kind="DEVICE", value=token(left)),
        Entity(kind="ACCOUNT", value=token(right), role="MULE"),
    )
    edge = msgspec.convert({"from_entity": 0, "to_entity": 1, "kind": kind}, Edge)
    report = Report(
        report_id=name, origin="POLICE", reporter="police-1", jurisdiction="CN", at_us=at_us,
        entities=entities, edges=(edge,), template=template_of(message),
    )  # fmt: skip
    return ReportCase(
        report=report, authority=authority, quality=500, state=state, received_us=at_us, version=version
    )


def found_legitimate(txn: str, at_us: int) -> Feedback:
    """Say that people found a payment in order."""
    return Feedback(feedback_id=f"f-{txn}", txn_id=txn, kind="LABEL", verdict="LEGITIMATE", known_at_us=at_us)
