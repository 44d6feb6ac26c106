"""An order as its authority sends it, written by hand or made of what a report asks for."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from console.lab import answering
from console.lab.moving import moved
from console.lab.signing import private_key
from measures.authority.signing import sign
from pipelines.kafka.port import KafkaSettings, open_producer
from pipelines.kafka.preflight import require_listener
from pipelines.streams.clock import now_us
from schemas import strict_json, topics
from schemas.errors import ConfigError
from schemas.ids import derived_token
from schemas.order import Action, MeasureKind, Officer, Order, Target
from schemas.report import Action as ActionOfReport
from schemas.report import ReportCase

#: What is asked of an operator -> the kind of measure that is ordered.
ORDERED: Mapping[str, MeasureKind] = {
    "SUSPEND_LINE": MeasureKind.LINE_SUSPEND,
    "RE_VERIFY": MeasureKind.RE_VERIFY,
}


def order_of(case: ReportCase, action_id: str, authority: str, officers: Iterable[str], at_us: int) -> Order:
    """Make an action of a report into the order it stands for; one that undoes it lifts that order.

    The order's number is the action, its case the report: the answer finds its way back by them.

    Raises:
        ConfigError: nothing is ordered of that action.

    """
    asked = next((each for each in case.actions if each.action_id == action_id), None)
    undone = next((each for each in case.actions if asked and _undoes(asked, each)), None)
    of = undone or asked
    if asked is None or of is None or of.kind not in ORDERED:
        can = [each.action_id for each in case.actions if each.kind in ORDERED]
        raise ConfigError(
            f"{action_id} of {case.key} is nothing that is ordered; "
            f"{f'name {chr(32).join(can)}' if can else 'no line is asked to be suspended or verified in it'}"
        )
    entity = case.report.entities[of.entity]
    line = entity.value if entity.kind == "SIM" else entity.facts.get("token", "")
    if not line:
        raise ConfigError(
            "the report names no token of the line; run the job with --token_keys, or report a SIM"
        )
    given = Order(
        authority_id=authority, sender_id=authority, order_no=action_id, message_serial=action_id,
        jurisdiction=case.report.jurisdiction, kind=ORDERED[of.kind],
        action=Action.LIFT if undone else Action.ISSUE, issued_at_us=at_us, case_no=case.key,
        reported_at_us=case.received_us, original_order_no=undone.action_id if undone else None,
        target=Target(account_token=line, institution_id=entity.institution, account_kind="LINE"),
        reason=f"report {case.key}, {case.report.fraud_class}: {case.why or asked.kind}"[:1000],
        officers=tuple(
            Officer(role=role, officer_token=derived_token("officer", name))
            for role, name in zip(("HANDLER", "ASSIST"), officers, strict=False)
        ),
    )  # fmt: skip
    return _checked(given, case.key)


def _undoes(asked: ActionOfReport, each: ActionOfReport) -> bool:
    same = (each.recipient, each.entity) == (asked.recipient, asked.entity)
    return asked.kind == "UNDO" and same and each.kind in ORDERED


def _checked(given: Order, name: str) -> Order:
    try:
        return msgspec.json.decode(msgspec.json.encode(given), type=Order)
    except msgspec.MsgspecError as error:
        raise ConfigError(
            f"{name} gives no order: {error}; name an authority and officers by their ids"
        ) from error


def read_order(file: Path, *, now: bool = False) -> Order:
    """Read an order as JSON; with `now` its times are moved so that it is issued now.

    Raises:
        ConfigError: it is none.

    """
    text = strict_json.read(file)
    if now:
        ((_, text),) = moved([(None, text)], now_us())
    try:
        return msgspec.json.decode(text, type=Order)
    except msgspec.MsgspecError as error:
        raise ConfigError(
            f"{file} is no order: {error}; write it as in schemas/json/order.v1.json"
        ) from error


def send_order(kafka: KafkaSettings, given: Order, key: Path, wait_s: float = 0.0) -> tuple[str, str]:
    """Sign an order and send it to topic `orders`; returns its number, and what came of it within `wait_s`.

    Raises:
        ConfigError: the key cannot be used, or the order was put aside as none.
        BrokerError: nobody listens, or nobody answers in time.

    """
    message = sign(given, *private_key(key))
    require_listener(kafka)
    answers = answering.listening(kafka) if wait_s else None
    producer = open_producer(kafka)
    target = given.target.account_token.encode()
    producer.send(topics.ORDERS, target, message, (), time.time_ns() // 1000)
    producer.flush()
    return given.order_no, answering.answer(answers, given, message, wait_s) if answers else ""
