"""The pages in a real browser (Debian's Chromium): by keyboard, at 400 pixels, cut off and back again."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from console.lab.brokers import topic_values
from console.web.pages.cases import SHOWN
from console.web.serve import served
from console.web.visit import Site
from desk.cases import case_id_of
from desk.desk import Desk
from desk.roles import Person, Role
from measures.registry.suspicion import key_of
from pipelines.kafka.port import KafkaSettings
from schemas import topics
from tests.desk import axe, bureau, chromium, kit, story
from tests.desk.chromium import browser, complaints, picture, rows, until
from tests.desk.site import Seat, desk_on

pytestmark = chromium.NEEDS_IT

MULE = case_id_of(kit.token("mule"))

SUSPECT = key_of("ACCOUNT", kit.token("mule"))

#: Every page that a shift lead sees.
PAGES = (
    "queue", f"cases/{MULE}", *(f"cases/{MULE}/{kind}" for kind in SHOWN), "bulk", "bulk?kind=DISMISS",
    "intake", "reports",
    "reports/record?id=report-1", "reports/act/FINDING?id=report-1", "registry",
    f"registry/record?id={SUSPECT}", "registry/act/SUSPECT", "listings",
    f"listings/record?id={key_of('PERSON', kit.token('person-1'))}", "blocks", "blocks/act/BLOCK", "rings",
    f"rings/record?id={bureau.RING}", "institutions", "institutions/record?id=bank-1", "model",
    "model/try", "health",
)  # fmt: skip


@pytest.fixture
def told(kafka: KafkaSettings, tmp_path: Path) -> Iterator[tuple[Desk, Site, str, KafkaSettings]]:
    story.tell(kafka, small=20)
    bureau.tell(kafka)
    with desk_on(kafka, tmp_path) as (desk, site), served(site) as address:
        yield desk, site, address, kafka


def seated(site: Site, address: str, name: str, role: str, **how: Any) -> Any:
    made = browser(**how)
    made.get(f"{address}/enter?token={site.sessions.token(Person(name, Role(role)))}")
    return made


def test_an_alert_is_on_the_page_within_a_second_and_a_cut_line_neither_loses_nor_doubles_a_row(
    told: tuple[Desk, Site, str, KafkaSettings],
) -> None:
    _, site, address, kafka = told
    made = seated(site, address, "lead-1", "lead")
    try:
        before = until(lambda: rows(made))
        time.sleep(1.0)
        began = time.monotonic()
        kit.send(kafka, topics.ALERTS, [kit.alert(300, "new-1")])
        until(lambda: case_id_of(kit.token("new-1")) in rows(made))
        print("seen after", round(time.monotonic() - began, 2), "s")
        offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        made.execute_cdp_cmd("Network.enable", {})
        made.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
        kit.send(kafka, topics.ALERTS, [kit.alert(301 + n, f"cut-{n}") for n in range(5)])
        time.sleep(1.5)
        online = {**offline, "offline": False, "downloadThroughput": -1, "uploadThroughput": -1}
        made.execute_cdp_cmd("Network.emulateNetworkConditions", online)

        wanted = {case_id_of(kit.token(f"cut-{n}")) for n in range(5)} | set(before)
        until(lambda: wanted <= set(rows(made)), 45)
        found = rows(made)
        assert len(found) == len(set(found)) == len(before) + 6
    finally:
        made.quit()


def test_a_row_that_comes_in_above_leaves_the_focused_row_where_it_is_looked_at(
    told: tuple[Desk, Site, str, KafkaSettings],
) -> None:
    _, site, address, kafka = told
    made = seated(site, address, "lead-1", "lead")
    try:
        last = until(lambda: rows(made))[-1]
        made.execute_script(f"document.querySelector('#{last} a').focus()")
        place = f"return document.querySelector('#{last}').getBoundingClientRect().top"
        stood = made.execute_script(place)
        assert made.execute_script("return window.scrollY") > 0
        time.sleep(1.0)
        kit.send(kafka, topics.ALERTS, [kit.alert(300, "new-1", amount_minor=10**11)])
        until(lambda: rows(made)[0] == case_id_of(kit.token("new-1")))

        assert made.switch_to.active_element.get_attribute("href").endswith(last)
        assert abs(made.execute_script(place) - stood) < 20
    finally:
        made.quit()


def test_a_case_is_opened_and_decided_with_the_keyboard_alone(
    told: tuple[Desk, Site, str, KafkaSettings],
) -> None:
    desk, site, address, _ = told
    made = seated(site, address, "lead-1", "lead")
    try:
        until(lambda: rows(made))
        body = made.find_element(By.TAG_NAME, "body")
        body.send_keys("j")
        focused = made.switch_to.active_element
        assert focused.get_attribute("href").endswith(rows(made)[0])
        focused.send_keys(Keys.ENTER)
        until(lambda: made.current_url.endswith(MULE))
        picture(made, "case-1280")
        link = made.find_element(By.CSS_SELECTOR, "nav.acts a[href$=ESCALATE]")
        for _ in range(40):  # as a person tabs
            if made.switch_to.active_element == link:
                break
            made.switch_to.active_element.send_keys(Keys.TAB)
        assert made.switch_to.active_element == link
        link.send_keys(Keys.ENTER)
        until(lambda: made.current_url.endswith("ESCALATE"))
        picture(made, "form-1280")
        made.find_element(By.NAME, "reason").send_keys("large")
        made.find_element(By.NAME, "reason").send_keys(Keys.TAB, Keys.ENTER)
        until(lambda: "#done" in made.current_url)
        assert desk.store.rows("SELECT kind FROM actions")[0]["kind"] == "ESCALATE"
        assert complaints(made) == []
    finally:
        made.quit()


def test_two_people_free_a_large_sum_each_in_a_browser_of_their_own(
    told: tuple[Desk, Site, str, KafkaSettings],
) -> None:
    desk, site, address, _ = told
    first = seated(site, address, "lead-1", "lead")
    second = seated(site, address, "lead-2", "lead")
    try:
        first.get(f"{address}/cases/{MULE}/DISMISS")
        first.find_element(By.CSS_SELECTOR, "form.sheet button.button").click()
        until(lambda: "You decided" in first.page_source)
        second.get(f"{address}/cases/{MULE}")
        picture(second, "second-1280")
        second.find_element(By.CSS_SELECTOR, ".second input[value=DO]").click()
        second.find_element(By.CSS_SELECTOR, ".second button").click()
        until(
            lambda: desk.store.rows("SELECT decision FROM cases WHERE case_id = ?", MULE)[0][0] == "DISMISS"
        )
        assert complaints(first) == complaints(second) == []
    finally:
        first.quit()
        second.quit()


@pytest.mark.parametrize(("width", "language"), [(1280, "zh-CN"), (400, "en"), (640, "en")])
def test_pages_fit_without_scrolling_sideways_and_complain_of_nothing(
    told: tuple[Desk, Site, str, KafkaSettings], width: int, language: str
) -> None:
    """640 pixels are what a page of 1280 has left at 200 %."""
    _, site, address, _ = told
    made = seated(site, address, "lead-1", "lead", width=width, language=language)
    try:
        for path in PAGES:
            made.get(f"{address}/{path}")
            wide = made.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
            assert wide <= 0, (path, width, wide)
            picture(made, f"{path.partition('?')[0].replace('/', '-')[-20:]}-{width}")
        assert complaints(made) == []
    finally:
        made.quit()


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (1280, "dark"), (400, "light")])
def test_axe_finds_nothing_grave_on_any_page(
    told: tuple[Desk, Site, str, KafkaSettings], width: int, theme: str
) -> None:
    axe.script()
    desk, site, address, _ = told
    lead = Seat(site, "lead")
    order = {
        "measure": "STOP", "authority": "police-1", "case_no": "A-1", "reason_code": "VICTIM_REPORTED",
        "currency": "CNY", "papers": ["APPLICATION_FORM", "VICTIM_ID"], "officer": "second",
    }  # fmt: skip
    drafted = lead.post(f"/cases/{MULE}/ORDER", **order).headers["location"].strip("/")
    call = {"account": kit.token("called"), "amount": "12,000", "currency": "CNY"}
    lead.post("/intake", **call, paid_at="2025-10-09T17:00", reason_code="VICTIM_REPORTED")
    reported = f"cases/{case_id_of(kit.token('called'))}"
    letter = desk.store.rows("SELECT id FROM facts WHERE topic = 'dead_letters'")[0]["id"]
    pages = {
        "lead": (*PAGES, drafted, reported, "nowhere"), "operator": ("letters", f"letters/{letter}"),
        "auditor": ("audit",), "institution": ("queue",), "liaison": ("listings/act/LIST",),
    }  # fmt: skip
    found = {}
    for role, paths in pages.items():
        made = seated(site, address, f"{role}-1", role, width=width)
        try:
            made.get(f"{address}/show?theme={theme}")
            for path in paths:
                made.get(f"{address}/{path}")
                found[path] = axe.findings(made)
        finally:
            made.quit()
    assert {path: each for path, each in found.items() if each} == {}


def test_a_call_is_taken_in_within_a_minute_and_the_order_is_drafted_from_it(
    told: tuple[Desk, Site, str, KafkaSettings],
) -> None:
    """As fast as somebody types: ten keys a second, who waits for nothing but the desk."""
    desk, site, address, kafka = told
    made = seated(site, address, "lead-1", "lead")
    try:
        made.get(f"{address}/intake")
        began = time.monotonic()
        for name, text in (
            ("account", kit.token("called")), ("payer", kit.token("victim")), ("amount", "48,000.00"),
        ):  # fmt: skip
            field = made.find_element(By.NAME, name)
            for letter in text:
                field.send_keys(letter)
                time.sleep(0.1)
        made.execute_script("document.querySelector('[name=paid_at]').value = '2025-10-09T17:00'")
        made.find_element(By.CSS_SELECTOR, "form.sheet button.button").click()
        until(lambda: "#done" in made.current_url)
        made.get(made.current_url.split("#")[0] + "/ORDER")
        assert made.find_element(By.NAME, "amount").get_attribute("value") == "48,000.00"
        took = time.monotonic() - began
        print("taken in and drafted after", round(took), "s")
        until(lambda: len(topic_values(kafka, topics.REPORTS)) == 1)
        assert took < 60
        row = desk.store.row("SELECT open FROM cases WHERE account = ?", kit.token("called"))
        assert row is not None and row["open"]
    finally:
        made.quit()


def test_language_and_colours_change_at_a_click_and_the_page_stays(
    told: tuple[Desk, Site, str, KafkaSettings],
) -> None:
    _, site, address, _ = told
    made = seated(site, address, "lead-1", "lead")
    try:
        made.get(f"{address}/reports/record?id=report-1")
        made.find_element(By.LINK_TEXT, "中文").click()
        until(lambda: "涉及对象" in made.page_source)
        assert made.current_url.endswith("/reports/record?id=report-1")
        made.find_element(By.LINK_TEXT, "深色").click()
        until(lambda: made.find_element(By.TAG_NAME, "html").get_attribute("data-theme") == "dark")
        assert made.current_url.endswith("/reports/record?id=report-1")
    finally:
        made.quit()
