"""Actions are events on Kafka: once each, by the aggregate's rules, by two people where the law wants two."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from console.lab.brokers import topic_values
from console.lab.feedback import read_feedback
from console.web.visit import Site
from desk.acting.engine import minor
from desk.acting.plan import RefusedError
from desk.audit import Audit, entries, faults
from desk.cases import case_id_of
from desk.desk import Desk
from measures.engine.intake import Arrival, apply
from measures.law.country_file import SHIPPED
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin
from schemas import topics
from schemas.action import Action, Effect
from schemas.commands import AccountMessage, EndHold, PlaceHold
from schemas.errors import StateError
from schemas.feedback import Feedback
from schemas.ids import derived_id
from schemas.order import Order
from tests.desk import kit, story
from tests.desk.site import Seat, desk_on

#: A case under the country's sum for four eyes (50,000 CNY), one above it, one with a hold above it.
SMALL, LARGE, HELD = (case_id_of(kit.token(name)) for name in ("small-1", "mule", "small-2"))


@pytest.fixture
def told(kafka: KafkaSettings, tmp_path: Path) -> Iterator[tuple[Desk, Site, KafkaSettings]]:
    story.tell(kafka, small=12)
    with desk_on(kafka, tmp_path) as (desk, site):
        yield desk, site, kafka


def sent(kafka: KafkaSettings, topic: str, record: Any) -> list[Any]:
    return [msgspec.json.decode(value, type=record) for value in topic_values(kafka, topic)]


@contextmanager
def soon(seconds: float = 10.0) -> Iterator[Any]:
    """Give what waits until something holds."""

    def wait(holds: Any) -> None:
        deadline = time.monotonic() + seconds
        while not holds() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert holds()

    yield wait


def test_a_decision_is_an_event_and_its_finding_is_sent_once(told: tuple[Desk, Site, KafkaSettings]) -> None:
    desk, site, kafka = told
    seat, key = Seat(site, "analyst"), "k" * 16

    for _ in range(3):  # an impatient finger
        answer = seat.post(f"/cases/{SMALL}/CONFIRM", key=key, reason_code="KNOWN_MULE", reason="known")
        assert answer.status_code == 303

    with soon() as wait:
        wait(lambda: sent(kafka, topics.FEEDBACK, Feedback))
    (action,) = sent(kafka, topics.ACTIONS, Action)
    (label,) = sent(kafka, topics.FEEDBACK, Feedback)
    assert (action.by, action.kind, action.state) == ("analyst-1", "CONFIRM", "DECIDED")
    assert (label.verdict, label.kind, label.txn_id, label.known_at_us) == (
        "SCAM", "LABEL", "tx-small-1-11", action.at_us,
    )  # fmt: skip
    assert read_feedback([f"kafka://{kafka.brokers}"]) == [label]  # as `stopline train` learns from it
    row = desk.store.row("SELECT * FROM cases WHERE case_id = ?", SMALL)
    assert row is not None and (row["open"], row["decision"]) == (0, "CONFIRM")


def test_an_alert_the_person_had_not_seen_opens_the_case_again(
    told: tuple[Desk, Site, KafkaSettings],
) -> None:
    desk, site, kafka = told
    seat = Seat(site, "analyst")
    html = seat.get(f"/cases/{SMALL}/CONFIRM").text
    (seen,) = re.findall(r'name="seen_us" value="(\d+)"', html)
    kit.send(kafka, topics.ALERTS, [kit.alert(500, "small-1")])
    with soon() as wait:
        wait(lambda: desk.store.row("SELECT 1 FROM alerts WHERE txn = 'tx-small-1-500'"))

    seat.post(f"/cases/{SMALL}/CONFIRM", reason_code="KNOWN_MULE", seen_us=seen)

    row = desk.store.row("SELECT * FROM cases WHERE case_id = ?", SMALL)
    assert row is not None and (row["open"], row["open_alerts"]) == (1, 1)
    (action,) = sent(kafka, topics.ACTIONS, Action)
    assert len(action.effects) == 1


def test_a_large_sum_is_freed_by_two_people_and_the_second_does_not_see_what_the_first_said(
    told: tuple[Desk, Site, KafkaSettings],
) -> None:
    desk, site, kafka = told
    first, second = Seat(site, "analyst", 1), Seat(site, "lead", 2)
    secret = "the first one's words"
    first.post(f"/cases/{LARGE}/DISMISS", reason_code="PAYER_CONFIRMED", reason=secret)
    (proposal,) = sent(kafka, topics.ACTIONS, Action)
    assert (proposal.state, proposal.effects) == ("PROPOSED", ())

    second.client.cookies.set("language", "en")
    html = second.get(f"/cases/{LARGE}").text
    path = f"/cases/{LARGE}/second/{proposal.action_id}"
    assert "A second decision is needed" in html
    assert secret not in html and "analyst-1" not in html
    assert first.post(path, choice="DO", reason_code="KNOWN_PAYEE").status_code == 409
    assert Seat(site, "liaison").post(path, choice="DO", reason_code="KNOWN_PAYEE").status_code == 403
    assert sent(kafka, topics.FEEDBACK, Feedback) == []

    assert second.post(path, choice="DO", reason_code="KNOWN_PAYEE", reason="mine").status_code == 303
    assert second.post(path, choice="DO", reason_code="KNOWN_PAYEE").status_code == 409

    with soon() as wait:
        wait(lambda: len(sent(kafka, topics.FEEDBACK, Feedback)) == 3)
    assert {label.verdict for label in sent(kafka, topics.FEEDBACK, Feedback)} == {"LEGITIMATE"}
    assert sent(kafka, topics.ACTIONS, Action)[-1].people == ("analyst-1", "lead-2")
    assert "the first one&#39;s words" in second.get(f"/cases/{LARGE}").text
    assert desk.store.rows("SELECT open FROM cases WHERE case_id = ?", LARGE)[0]["open"] == 0


def test_a_second_person_who_differs_leaves_everything_as_it_is(
    told: tuple[Desk, Site, KafkaSettings],
) -> None:
    _, site, kafka = told
    Seat(site, "analyst").post(f"/cases/{LARGE}/DISMISS", reason_code="PAYER_CONFIRMED")
    (proposal,) = sent(kafka, topics.ACTIONS, Action)

    Seat(site, "lead").post(
        f"/cases/{LARGE}/second/{proposal.action_id}", choice="KEEP", reason_code="KNOWN_PAYEE"
    )

    time.sleep(0.5)
    assert [each.state for each in sent(kafka, topics.ACTIONS, Action)] == ["PROPOSED", "DIFFERED"]
    assert sent(kafka, topics.FEEDBACK, Feedback) == []


def test_a_hold_is_asked_of_the_legal_engine_and_what_it_would_refuse_is_never_sent(
    told: tuple[Desk, Site, KafkaSettings],
) -> None:
    _, site, kafka = told
    seat, path = Seat(site, "analyst"), f"/cases/{LARGE}/HOLD"
    form = {"rule": "payee_hold", "currency": "CNY", "reason_code": "PAYEE_SUSPECT"}
    shown = seat.post(f"{path}/preview", **form, amount="23,000.00").text
    assert "23,000.00 CNY" in shown and "《反电信网络诈骗法》第十八条" in shown

    assert seat.post(path, **form).status_code == 409  # names no amount
    assert seat.post(path, **{**form, "rule": "no_such"}, amount="1").status_code == 409
    assert seat.post(path, **form, amount="1.234").status_code == 409
    assert sent(kafka, topics.ACTIONS, Action) == []
    assert seat.post(path, **form, amount="23000").status_code == 303

    with soon() as wait:
        wait(lambda: sent(kafka, topics.ACCOUNTS, AccountMessage))
    (message,) = sent(kafka, topics.ACCOUNTS, AccountMessage)
    assert isinstance(message.command, PlaceHold)
    assert (message.command.amount_minor, message.account_token) == (2_300_000, kit.token("mule"))


def test_a_release_above_the_sum_needs_two_and_says_both_to_the_engine(
    told: tuple[Desk, Site, KafkaSettings],
) -> None:
    desk, site, kafka = told
    measure = desk.store.rows("SELECT measure_id FROM measures WHERE live = 1")[0]["measure_id"]
    form = {"subject": measure, "reason_code": "DOCUMENTS_SEEN"}
    assert Seat(site, "lead").post(f"/cases/{HELD}/RELEASE", **form).status_code == 303
    (proposal,) = sent(kafka, topics.ACTIONS, Action)
    assert proposal.state == "PROPOSED"
    again = Seat(site, "analyst").post(f"/cases/{HELD}/RELEASE", **form)
    assert again.status_code == 409

    path = f"/cases/{HELD}/second/{proposal.action_id}"
    Seat(site, "lead", 2).post(path, choice="DO", reason_code="DOCUMENTS_SEEN")

    with soon() as wait:
        wait(lambda: sent(kafka, topics.ACCOUNTS, AccountMessage))
    (message,) = sent(kafka, topics.ACCOUNTS, AccountMessage)
    assert isinstance(message.command, EndHold)
    assert (message.command.measure_id, message.command.by) == (measure, ("lead-1", "lead-2"))


def test_a_store_built_anew_sends_nothing_again(kafka: KafkaSettings, tmp_path: Path) -> None:
    story.tell(kafka, small=3)
    with desk_on(kafka, tmp_path) as (_, site), soon() as wait:
        Seat(site, "lead").post(f"/cases/{SMALL}/CONFIRM", reason_code="KNOWN_MULE")
        wait(lambda: sent(kafka, topics.FEEDBACK, Feedback))
        time.sleep(0.5)
    kit.forget(tmp_path)
    with desk_on(kafka, tmp_path) as (desk, _):
        time.sleep(1.5)

        assert len(sent(kafka, topics.FEEDBACK, Feedback)) == 1
        assert desk.store.rows("SELECT decision FROM cases WHERE case_id = ?", SMALL)[0][0] == "CONFIRM"


def test_an_order_is_drafted_by_the_authoritys_rules_and_can_be_signed(
    told: tuple[Desk, Site, KafkaSettings],
) -> None:
    _, site, kafka = told
    seat, path = Seat(site, "liaison"), f"/cases/{LARGE}/ORDER"
    form = {
        "measure": "STOP", "authority": "police-1", "case_no": "A-1", "reason_code": "VICTIM_REPORTED",
        "currency": "CNY",
    }  # fmt: skip
    assert seat.post(path, **form).status_code == 409  # papers are missing
    full = {**form, "papers": ["APPLICATION_FORM", "VICTIM_ID"], "officer": "second"}

    answer = seat.post(path, **full)

    drafted = answer.headers["location"]
    assert "Nothing is in force yet" in seat.get(drafted).text
    order = msgspec.json.decode(seat.get(f"{drafted}/file").content, type=Order)
    assert (order.kind, order.target.account_token, len(order.officers)) == ("STOP", kit.token("mule"), 2)
    assert topic_values(kafka, topics.ACCOUNTS) == []


def test_two_people_who_decide_one_case_at_once_are_one_decision_and_one_label(
    told: tuple[Desk, Site, KafkaSettings],
) -> None:
    _, site, kafka = told
    first, second = Seat(site, "lead", 1), Seat(site, "lead", 2)
    asked = ((first, "CONFIRM", "KNOWN_MULE"), (second, "DISMISS", "PAYER_CONFIRMED"))

    with ThreadPoolExecutor(2) as threads:
        answers = list(
            threads.map(lambda ask: ask[0].post(f"/cases/{SMALL}/{ask[1]}", reason_code=ask[2]), asked)
        )

    assert sorted(each.status_code for each in answers) == [303, 409]
    assert (
        "somebody has decided this already" in next(each for each in answers if each.status_code == 409).text
    )
    again = first.post(f"/cases/{SMALL}/DISMISS", reason_code="PAYER_CONFIRMED")
    assert again.status_code == 409
    with soon() as wait:
        wait(lambda: len(sent(kafka, topics.FEEDBACK, Feedback)) == 1)


@pytest.mark.parametrize("amount", ["1,5", "5 000,00", "1,2,3", "-5", "1e5", str(10**21)])
def test_an_amount_that_may_be_meant_otherwise_is_refused(amount: str) -> None:
    with pytest.raises(RefusedError, match="is no amount of EUR"):
        minor(amount, "EUR")
    with pytest.raises(RefusedError, match="is no currency"):
        minor("5", "XYZ")


def test_a_report_by_phone_opens_a_case(told: tuple[Desk, Site, KafkaSettings]) -> None:
    desk, site, _ = told
    seat = Seat(site, "institution")
    form = {
        "account": kit.token("unheard"),
        "amount": "12,000",
        "currency": "CNY",
        "paid_at": "2025-10-09T17:00",
    }

    answer = seat.post("/intake", **form, reason_code="VICTIM_REPORTED")

    assert answer.status_code == 303
    assert seat.get(answer.headers["location"]).status_code == 200
    row = desk.store.row("SELECT * FROM cases WHERE account = ?", kit.token("unheard"))
    assert row is not None and row["open"] == 1
    assert (row["amount_minor"], row["currency"], row["expected"]) == (1_200_000, "CNY", 1_200_000.0)
    assert row["since_at_us"] > kit.T0
    called = f"/cases/{case_id_of(kit.token('unheard'))}"
    page = Seat(site, "lead").get(called).text
    assert page.count("12,000.00 CNY") >= 3 and f"{called}/DISMISS" in page
    assert Seat(site, "lead").post(f"{called}/DISMISS", reason_code="FALSE_POSITIVE").status_code == 303
    assert desk.store.rows("SELECT open FROM cases WHERE account = ?", kit.token("unheard"))[0]["open"] == 0
    bad = seat.post("/intake", **{**form, "account": "x"}, reason_code="VICTIM_REPORTED")
    assert bad.status_code == 409


def test_a_refused_message_is_mended_and_sent_to_where_it_was(
    told: tuple[Desk, Site, KafkaSettings],
) -> None:
    desk, site, kafka = told
    seat = Seat(site, "operator")
    name = desk.store.rows("SELECT id FROM facts WHERE topic = 'dead_letters'")[0]["id"]
    assert "&#34;amount_minor&#34;: &#34;12&#34;" in seat.get(f"/letters/{name}").text

    seat.post(f"/letters/{name}", reason_code="MENDED", value='{"txn_id": "t1", "amount_minor": 12}')

    with soon() as wait:
        wait(lambda: topic_values(kafka, topics.PAYMENTS))
    assert topic_values(kafka, topics.PAYMENTS) == [b'{"txn_id": "t1", "amount_minor": 12}']


def test_many_are_decided_as_they_were_shown_and_no_large_sum_is_freed_so(
    told: tuple[Desk, Site, KafkaSettings],
) -> None:
    _, site, kafka = told
    seat = Seat(site, "lead")
    html = seat.get("/bulk?kind=DISMISS").text
    shown = re.findall(r'name="case" value="(case_\w+)"', html)
    (count,) = re.findall(r'name="count" value="(\d+)"', html)
    assert LARGE not in shown and len(shown) == int(count) > 5

    assert (
        seat.post(
            "/bulk", kind="DISMISS", count=count, case=shown[1:], reason_code="FALSE_POSITIVE"
        ).status_code
        == 409
    )
    key = "b" * 16
    for _ in range(2):
        answer = seat.post(
            "/bulk", kind="DISMISS", count=count, case=shown, reason_code="FALSE_POSITIVE", key=key
        )
        assert answer.status_code == 303

    assert sorted(action.case_id for action in sent(kafka, topics.ACTIONS, Action)) == sorted(shown)


@pytest.fixture
def many(kafka: KafkaSettings, tmp_path: Path) -> Iterator[tuple[Desk, Site, KafkaSettings]]:
    """A desk with 24 open cases of about 10,000 CNY each."""
    kit.send(kafka, topics.ALERTS, [kit.alert(n, f"many-{n}") for n in range(24)])
    with desk_on(kafka, tmp_path) as (desk, site):
        yield desk, site, kafka


def choose(seat: Seat, kind: str, most: int = 200, **form: Any) -> list[str]:
    """Decide the cases that the page for many shows, at most so many; returns which."""
    html = seat.get(f"/bulk?kind={kind}").text
    shown = re.findall(r'name="case" value="(case_\w+)"', html)[:most]
    code = {"CONFIRM": "KNOWN_MULE", "DISMISS": "FALSE_POSITIVE", "ESCALATE": "UNCLEAR"}[kind]
    given = {"reason_code": code, **form}
    assert seat.post("/bulk", kind=kind, count=len(shown), case=shown, **given).status_code == 303
    return shown


@pytest.mark.parametrize(
    ("kind", "most", "state"),
    [
        ("DISMISS", 2, "DECIDED"),  # 20,000 CNY in all
        ("DISMISS", 8, "PROPOSED"),  # 80,000 CNY: each is small, together they are not
        ("CONFIRM", 19, "DECIDED"),
        ("CONFIRM", 20, "PROPOSED"),
        ("ESCALATE", 20, "DECIDED"),
    ],
)
def test_many_accounts_or_a_large_sum_in_all_take_two_people(
    many: tuple[Desk, Site, KafkaSettings], kind: str, most: int, state: str
) -> None:
    _, site, kafka = many

    shown = choose(Seat(site, "lead"), kind, most)

    assert len(shown) == most
    actions = sent(kafka, topics.ACTIONS, Action)
    assert {(action.case_id, action.state) for action in actions} == {(name, state) for name in shown}
    assert all(action.effects == () for action in actions if state == "PROPOSED")


def test_a_second_person_decides_all_of_it_at_once_without_the_first_ones_words(
    many: tuple[Desk, Site, KafkaSettings],
) -> None:
    _, site, kafka = many
    first, second = Seat(site, "lead"), Seat(site, "lead", 2)
    shown = choose(first, "DISMISS", 8, reason="they all rang me")
    page = second.get("/bulk", **{"accept-language": "en"}).text
    (name,) = re.findall(r'name="together" value="(\w+)"', page)
    assert "they all rang me" not in page
    assert not set(shown) & set(re.findall(r'name="case" value="(case_\w+)"', page))
    given = {"together": name, "choice": "DO", "reason_code": "KNOWN_PAYEE"}

    assert "8 cases wait for a second person" in first.get("/bulk", **{"accept-language": "en"}).text
    assert first.post("/bulk/second", **given).status_code == 409
    assert Seat(site, "analyst").post("/bulk/second", **given).status_code == 403
    assert second.post("/bulk/second", **given).status_code == 303

    with soon() as wait:
        wait(lambda: len(sent(kafka, topics.FEEDBACK, Feedback)) >= len(shown))
    agreed = [each for each in sent(kafka, topics.ACTIONS, Action) if each.state == "AGREED"]
    assert sorted(each.case_id for each in agreed) == sorted(shown)
    assert second.post("/bulk/second", **given).status_code == 409  # decided already


def test_every_view_and_act_is_in_a_chain_that_shows_what_was_changed(
    told: tuple[Desk, Site, KafkaSettings], tmp_path: Path
) -> None:
    desk, site, kafka = told
    seat = Seat(site, "analyst")
    seat.get(f"/cases/{SMALL}")
    seat.post(f"/cases/{SMALL}/CONFIRM", reason_code="KNOWN_MULE")
    (action,) = sent(kafka, topics.ACTIONS, Action)
    said = [entry["what"] for entry in entries(desk.audit.path)]
    assert said == ["view.case", "act.CONFIRM"]
    assert list(faults(desk.audit.path, [action.audit])) == []

    lines = desk.audit.path.read_bytes().splitlines(keepends=True)
    forged = tmp_path / "forged.jsonl"
    forged.write_bytes(lines[0].replace(b"analyst-1", b"analyst-9") + lines[1])
    assert [fault.line for fault in faults(forged)] == [1]
    forged.write_bytes(lines[1])
    assert [fault.line for fault in faults(forged)] == [1, 1]
    forged.write_bytes(b"")
    chain = Audit(forged)  # somebody rewrites it all
    chain.write("analyst-1", "analyst", "view.case")
    assert list(faults(forged)) == []
    assert [fault.line for fault in faults(forged, [action.audit])] == [2]
    forged.write_bytes(lines[0] + b"{}\n")
    with pytest.raises(StateError, match="line 2"):
        list(faults(forged))


def test_a_payment_held_on_its_way_is_held_on_the_payers_account_and_counts_for_the_payees_case(
    told: tuple[Desk, Site, KafkaSettings],
) -> None:
    desk, site, kafka = told
    seat, path = Seat(site, "analyst"), f"/cases/{LARGE}/HOLD"
    alert = desk.store.rows("SELECT txn, counterparty FROM alerts WHERE account = ?", kit.token("mule"))[0]
    form = {"rule": "payer_delay", "currency": "CNY", "reason_code": "SCAM_SUSPECTED", "txn_id": alert["txn"]}

    assert seat.post(path, **form, amount="10000").status_code == 303

    with soon() as wait:
        wait(lambda: sent(kafka, topics.ACCOUNTS, AccountMessage))
    (message,) = sent(kafka, topics.ACCOUNTS, AccountMessage)
    assert message.account_token == alert["counterparty"]

    arrival = Arrival(
        account_token=message.account_token,
        jurisdiction=message.jurisdiction,
        command=msgspec.structs.replace(message.command, at_us=kit.T0 + 3_600_000_000),
    )
    applied = apply(None, arrival, SHIPPED)
    assert applied.entry is not None
    kit.send(kafka, topics.MEASURES, [applied.value])
    case = f"SELECT live, held_minor FROM cases WHERE case_id = '{LARGE}'"
    with soon() as wait:
        wait(lambda: desk.store.rows(case)[0]["live"])
    assert desk.store.rows(case)[0]["held_minor"] == 1_000_000
    assert "/RELEASE?subject=" in seat.get(f"/cases/{LARGE}").text


def test_what_no_broker_takes_is_told_and_holds_up_no_other_action(
    told: tuple[Desk, Site, KafkaSettings],
) -> None:
    desk, site, kafka = told
    with closing(open_admin(kafka)) as admin:
        admin.create_topics([NewTopic("narrow", 1, config={"max.message.bytes": "2000"})])
    effects = (
        Effect(topic="nowhere", key=b"k", value=b"{}"),
        Effect(topic=topics.FEEDBACK, key=b"k", value=b"{}", partition=99),
        Effect(topic="narrow", key=b"k", value=bytes(5_000)),
        Effect(topic=topics.FEEDBACK, key=b"k", value=b"good"),
    )
    kit.send(
        kafka,
        topics.ACTIONS,
        [
            Action(
                action_id=derived_id("action", "all"), kind="CONFIRM", state="DECIDED", case_id=SMALL, by="a",
                role="lead", at_us=kit.T0, reason_code="KNOWN_MULE", reason="", effects=effects,
            )
        ],
    )  # fmt: skip

    with soon() as wait:
        wait(lambda: desk.carrier.refused == 3)
        wait(lambda: b"good" in topic_values(kafka, topics.FEEDBACK))
    assert "never will" in Seat(site, "lead").get("/health").text
    assert desk.carrier.wrong == ""
