"""A scam from the call to the money's return, in a browser, with the jobs that run in life."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from console.lab.brokers import topic_values
from console.lab.casework import LAW
from console.web.serve import beside
from desk.cases import case_id_of
from measures.law.country_file import SHIPPED as SHIPPED_LAWS
from models import SHIPPED
from pipelines import policy
from schemas import topics
from schemas.alert import Alert
from schemas.commands import DecideRefund, OpenRefund
from schemas.contact import ContactEntry, Heard
from schemas.journal import JournalEntry, MeasureChanged
from schemas.measure import Claim, Refund
from schemas.order import Action, Disbursement, Order
from schemas.warning import Warning
from tests.desk import chromium
from tests.desk.chromium import browser, complaints, picture, rows, until
from tests.desk.lived import Outside, Scam, living

pytestmark = chromium.NEEDS_IT

#: A page shows what happened within this, jobs on a loaded machine included.
SOON_S = 45.0

T = TypeVar("T")


class Seat:
    """One person's browser, and what they do there as anybody would."""

    def __init__(self, link: str, folder: Path) -> None:
        self.made, self.address, self.folder = browser(), link.partition("/enter")[0], folder
        self.made.execute_cdp_cmd(
            "Page.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)}
        )
        self.made.get(link)

    def open(self, path: str) -> None:
        self.made.get(f"{self.address}/{path}")

    def sees(self, *words: str) -> None:
        """Wait until all words stand on the page, without asking for it again."""
        deadline = time.monotonic() + SOON_S
        while missing := [each for each in words if each not in self.text("document.body")]:
            assert time.monotonic() < deadline, (missing, self.text("document.body"))
            time.sleep(0.1)

    def text(self, of: str) -> str:
        """Return what is read in an element, given in JavaScript; "" where there is none."""
        return " ".join((self.made.execute_script(f"return ({of})?.innerText") or "").split())

    def section(self, title: str) -> str:
        """Return what a part of the case's page says."""
        heads = "[...document.querySelectorAll('section > h2')]"
        return self.text(f'{heads}.find(each => each.innerText.startsWith("{title}"))?.parentElement')

    def press(self, words: str) -> None:
        """Press what is called so in the row of actions of a case, by its form afterwards."""
        link = self.made.find_element(By.CSS_SELECTOR, "nav.acts").find_element(By.LINK_TEXT, words)
        link.send_keys(Keys.ENTER)
        until(lambda: self.made.find_elements(By.CSS_SELECTOR, "form.sheet"), SOON_S)

    def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            found = self.made.find_element(By.NAME, name)
            if found.tag_name == "select":
                Select(found).select_by_value(value)
            else:
                found.clear()
                found.send_keys(value)

    def decide(self) -> None:
        self.made.find_element(By.CSS_SELECTOR, "form.sheet button.button").send_keys(Keys.ENTER)

    def paper(self) -> str:
        """Return the paper that a form gave to be signed."""
        until(lambda: "/orders/" in self.made.current_url, SOON_S)
        picture(self.made, "drafted")
        self.made.find_element(By.CSS_SELECTOR, "a[download]").send_keys(Keys.ENTER)
        found = until(lambda: [*self.folder.glob("*.json")], SOON_S)
        text = found[0].read_text()
        found[0].unlink()
        return str(text)

    def draft(self, **fields: str) -> str:
        """Draft an order on the page of a case; returns the paper."""
        self.press("Draft an order")
        for each in ("CASE_FILING", "FREEZE_NOTICE", "APPLICATION_FORM", "VICTIM_ID"):
            self.made.find_element(By.CSS_SELECTOR, f"input[name=papers][value={each}]").send_keys(Keys.SPACE)
        self.fill(authority="police-1", case_no="A-2026-7", officer="officer-2", **fields)
        self.decide()
        return self.paper()

    @property
    def here(self) -> Any:
        """What has the focus."""
        return self.made.switch_to.active_element

    def tab_to(self, name: str, within: str = "body") -> Any:
        """Go to a field, or to the button, as a person without a mouse does."""
        wanted = f"{within} button.button" if name == "button" else f"{within} [name={name}]"
        for _ in range(120):
            if self.made.execute_script("return document.activeElement.matches(arguments[0])", wanted):
                return self.here
            self.here.send_keys(Keys.TAB)
        raise AssertionError(f"{wanted} cannot be reached with the tab key")


@contextmanager
def desk(out: Outside, tmp_path: Path) -> Iterator[tuple[Seat, Seat]]:
    """Two people at the desk that `stopline demo` opens."""
    said: list[str] = []
    rules = policy.load(language="en")
    with beside(rules, policy.named(), SHIPPED, said.append, out.kafka), ExitStack() as stack:
        seats = []
        for number, line in enumerate(said[1:3]):
            folder = tmp_path / f"seat-{number}"
            folder.mkdir()
            seats.append(seat := Seat(line.rpartition(": ")[2], folder))
            stack.callback(seat.made.quit)
        yield seats[0], seats[1]


def found(out: Outside, topic: str, kind: type[T], holds: Callable[[T], bool]) -> T:
    """Wait for a record of a topic."""

    def look() -> list[T]:
        records = (msgspec.json.decode(value, type=kind) for value in topic_values(out.kafka, topic))
        return [each for each in records if holds(each)]

    result: list[T] = until(look, SOON_S)
    return result[-1]


def alert_of(out: Outside, number: int, leg: str) -> Alert:
    txn = out.scam.payments[number]["txn_id"]
    return found(out, topics.ALERTS, Alert, lambda each: each.txn_id == txn and each.leg == leg)


class Told(NamedTuple):
    """Accounts of the story, and the case of the first one the money came to."""

    victim: str
    mule: str
    second_account: str
    third_account: str

    @property
    def case(self) -> str:
        return case_id_of(self.mule)


def warned_and_held(out: Outside, told: Told, first: Seat) -> None:
    """The scammer calls and sees the screen; a payment is warned of, and a second one stopped."""
    out.call()
    out.pay(1)
    warned = found(out, topics.WARNINGS, Warning, lambda each: True)
    assert warned.severity == 4
    told_so = found(out, topics.CONTACTS, ContactEntry, lambda each: was_heard(each, warned, "SENT"))
    assert told_so.party_token == warned.party_token
    out.answer(warned, "CONTINUE")
    found(out, topics.CONTACTS, ContactEntry, lambda each: was_heard(each, warned, "ANSWERED"))

    # The money moves on, and a second payment is stopped.
    out.pay(3)
    out.state([told.victim, told.mule, told.second_account])
    until(lambda: told.case in rows(first.made), SOON_S)
    picture(first.made, "02-queue")
    first.made.find_element(By.CSS_SELECTOR, f"#{told.case} a").click()
    first.sees("Warnings and answers", "This payment may be a scam", "went on all the same")
    stopped = alert_of(out, 2, "CREDIT")
    assert stopped.outcome == "STOP"
    out.hold(stopped)
    until(lambda: "held 55,000.00 CNY" in first.section("Measures"), SOON_S)
    first.sees("23 h 59 min", "then the money is free again")
    picture(first.made, "03-held")


def taken_in(out: Outside, told: Told, first: Seat) -> None:
    """The victim calls: it is taken in with the keyboard alone."""
    first.open("intake")
    paid_at = SHIPPED_LAWS.of(LAW).calendar.local(out.scam.payments[0]["accepted_at_us"])
    first.tab_to("account").send_keys(told.mule, Keys.TAB)
    first.here.send_keys(told.victim, Keys.TAB)
    first.here.send_keys("99,000.00", Keys.TAB)
    first.here.send_keys(paid_at.strftime("%m%d%Y"), Keys.TAB, paid_at.strftime("%I%M%p"))
    first.tab_to("button", "form.sheet").send_keys(Keys.ENTER)
    until(lambda: "#done" in first.made.current_url, SOON_S)
    first.sees("Phone report", "154,000.00 CNY")  # both payments of the victim
    picture(first.made, "04-reported")


def stopped(out: Outside, told: Told, first: Seat) -> None:
    """Police stop the account by the order drafted here; the money is three accounts away by then."""
    out.pay(5)
    out.state([told.mule, told.second_account, told.third_account])
    out.order(first.draft(measure="STOP"))
    first.open(f"cases/{told.case}")
    until(lambda: "Stop payment" in first.section("Measures"), SOON_S)
    until(lambda: "Layer 2 5mou···· came 87,312.82" in first.section("The money's way"), SOON_S)  # as traced
    assert "free 87,312.82 CNY" in first.section("The money's way")
    picture(first.made, "05-stopped")


def frozen(out: Outside, told: Told, first: Seat) -> Order:
    """The third account has no case yet: it is opened from the money's way, and frozen; the first too."""
    first.fill(reason="to freeze what went on")
    first.made.find_element(By.CSS_SELECTOR, "form.inline button").click()
    first.sees(told.third_account)
    way = f"a[href='/intake?account={told.third_account}']"
    first.made.find_element(By.CSS_SELECTOR, way).send_keys(Keys.ENTER)
    until(lambda: first.made.find_elements(By.NAME, "paid_at"), SOON_S)
    first.fill(amount="99,000.00", reason_code="THIRD_PARTY_REPORTED")
    paid_at = SHIPPED_LAWS.of(LAW).calendar.local(out.scam.payments[4]["accepted_at_us"])
    now = paid_at.strftime("%Y-%m-%dT%H:%M")
    first.made.execute_script(f"document.querySelector('[name=paid_at]').value = '{now}'")
    first.decide()
    until(lambda: "#done" in first.made.current_url, SOON_S)
    last = case_id_of(told.third_account)
    out.order(first.draft(measure="FREEZE", amount="99,000.00", legal_doc_no="D-7"))
    first.open(f"cases/{last}")
    until(lambda: "in force 99,000.00 CNY" in first.section("Measures"), SOON_S)
    picture(first.made, "06-frozen-third")
    first.open(f"cases/{told.case}")
    order = out.order(first.draft(measure="FREEZE", amount="55,000.00", legal_doc_no="D-8"))
    first.open(f"cases/{told.case}")
    until(lambda: "Freeze" in first.section("Measures"), SOON_S)
    picture(first.made, "07-frozen")
    return order


def released(told: Told, first: Seat, second: Seat) -> None:
    """The hold is not needed any more: two people let it go, the second with the keyboard alone."""
    first.press("Release")
    first.fill(reason_code="DOCUMENTS_SEEN", reason="the freeze takes its place")
    picture(first.made, "08-release")
    first.decide()
    first.sees("You decided")
    second.open(f"cases/{told.case}")
    picture(second.made, "09-second")
    second.tab_to("choice", ".second").send_keys(Keys.SPACE)
    second.tab_to("button", ".second").send_keys(Keys.ENTER)
    second.sees("second person agreed")
    until(lambda: "released" in second.section("Measures"), SOON_S)
    picture(second.made, "10-released")


def returned(out: Outside, told: Told, second: Seat, order: Order) -> None:
    """The frozen money goes back to the victim, while a line is cut and comes back."""
    cut(second.made, offline=True)
    entry = found(out, topics.MEASURES, JournalEntry, lambda each: measures_of(each, order) != [])
    freeze = measures_of(entry, order)[-1]
    claim = Claim(victim_id=told.victim, loss_minor=15_400_000, recovered_minor=9_900_000)
    senders = {out.scam.payments[number]["txn_id"]: told.victim for number in (0, 2)}
    out.command(told.mule, OpenRefund(freeze_id=freeze, round_no=1, claims=(claim,), senders=senders))
    cut(second.made, offline=False)
    until(lambda: second.made.find_elements(By.XPATH, "//h2[.='Money returned']"), SOON_S)
    assert second.section("What happened").count("Refund computed") == 1
    opened = found(out, topics.REFUNDS, Refund, lambda each: True)
    people = ("clerk-1", "clerk-2")
    decided = DecideRefund(refund_id=opened.refund_id, decision_no="R-1", by=people, reason="verified")
    out.command(told.mule, decided)
    second.sees("waits for its order")
    share = found(out, topics.REFUNDS, Refund, lambda each: bool(each.decision_no)).shares[0]
    picture(second.made, "11-decided")
    out.order(msgspec.json.encode(returning(order, share.amount_minor, told.victim)))
    second.sees("paid")
    until(lambda: "closed" in second.section("Money returned"), SOON_S)
    picture(second.made, "12-returned")
    assert "55,000.00 CNY" in second.section("Money returned")


def test_a_scam_from_the_call_to_the_return_of_the_money(tmp_path: Path) -> None:
    with living(tmp_path) as out, desk(out, tmp_path) as (first, second):
        first.sees("Nothing is open.")
        told = told_of(out.scam)
        warned_and_held(out, told, first)
        taken_in(out, told, first)
        stopped(out, told, first)
        order = frozen(out, told, first)
        released(told, first, second)
        returned(out, told, second, order)
        assert complaints(first.made) == []


def told_of(scam: Scam) -> Told:
    paid = scam.payments
    return Told(
        paid[0]["debtor_account"], paid[1]["debtor_account"], paid[1]["creditor_account"],
        paid[4]["creditor_account"],
    )  # fmt: skip


def cut(made: Any, *, offline: bool) -> None:
    """Cut a browser off, or let it come back."""
    rate = 0 if offline else -1
    how = {"offline": offline, "latency": 0, "downloadThroughput": rate, "uploadThroughput": rate}
    made.execute_cdp_cmd("Network.enable", {})
    made.execute_cdp_cmd("Network.emulateNetworkConditions", how)


def was_heard(entry: ContactEntry, warning: Warning, state: str) -> bool:
    """Tell whether an entry says that a try of a warning has come so far."""
    heard = (event for event in entry.events if isinstance(event, Heard))
    return any((each.warning_id, each.outcome.state) == (warning.warning_id, state) for each in heard)


def measures_of(entry: JournalEntry, order: Order) -> list[str]:
    """Return the measures that an entry says an order made."""
    changed = (event.measure for event in entry.events if isinstance(event, MeasureChanged))
    return [each.measure_id for each in changed if each.order_no == order.order_no]


def returning(order: Order, amount_minor: int, victim: str) -> Order:
    """Return the order that pays a share out of what another order froze."""
    share = Disbursement(victim_id=victim, decision_no="R-1", amount_minor=amount_minor)
    return msgspec.structs.replace(
        order, action=Action.DISBURSE, order_no="P-1", message_serial="P-1",
        original_order_no=order.order_no, disbursement=share,
    )  # fmt: skip
