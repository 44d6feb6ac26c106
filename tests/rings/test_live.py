"""Rings as facts come are those of a rebuild of everything, whatever the order, with ids that stay."""

import random
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from measures.rings import following
from measures.rings.links import known, of_report
from measures.rings.live import LiveRings
from schemas.alert import Alert
from schemas.clue import Clue
from schemas.feedback import Feedback
from schemas.report import Entity, ReportCase
from schemas.ring import Ring, Sum
from schemas.trace import Trace
from schemas.units import HOUR_US
from tests.rings.facts import AT, alert, call, case, found_legitimate, trace
from tests.rings.ties import token

Fact = Alert | Trace | Clue | Feedback | ReportCase


def told(rings: Any) -> list[bytes]:
    """Rings without their names, histories, and what is at risk: that falls with time, and is no news."""
    plain = [
        replace(ring, ring_id="x", change="BEGAN", at_us=0, from_rings=(), sums=safe(ring.sums))
        for ring in rings
    ]
    calm = [replace(r, members=tuple(replace(m, sums=safe(m.sums)) for m in r.members)) for r in plain]
    return sorted(map(msgspec.json.encode, calm))


def safe(sums: tuple[Sum, ...]) -> tuple[Sum, ...]:
    return tuple(replace(each, at_risk_minor=0) for each in sums)


def rebuilt(facts: list[Fact], held: dict[str, dict[str, int]]) -> list[Ring]:
    of: dict[type, list[Any]] = {Alert: [], Trace: [], Clue: [], Feedback: [], ReportCase: []}
    for each in facts:
        of[type(each)].append(each)
    return following.found(known(of[Alert], of[Trace], of[Clue], of[Feedback], of[ReportCase]), held)


def take(live: LiveRings, fact: Fact) -> None:
    {
        Alert: live.alert, Trace: live.trace, Clue: live.clue, Feedback: live.feedback,
        ReportCase: live.report,
    }[type(fact)](fact)  # fmt: skip


def drawn(seed: int, count: int, accounts: int) -> list[Fact]:
    """Facts about a few accounts, some of whom very many share."""
    dice = random.Random(seed)
    facts: list[Fact] = []
    for number in range(count):
        left, right = f"a{dice.randrange(accounts)}", f"a{dice.randrange(accounts)}"
        victim = f"v{dice.randrange(accounts) if dice.random() < 0.9 else 0}"
        at_us = AT + number * HOUR_US // 40
        roll = dice.random()
        if roll < 0.35:
            facts.append(alert(f"t{number}", victim, right, at_us, leg="CREDIT"))
        elif roll < 0.6:
            facts.append(alert(f"t{number}", left, right, at_us, leg="DEBIT"))
        elif roll < 0.8:
            facts.append(trace(f"t{dice.randrange(number + 1)}", left, right, at_us, dice.random() < 0.6))
        elif roll < 0.84:
            name, state = dice.randrange(24), dice.choice(("FANNED_OUT", "FANNED_OUT", "REVOKED"))
            authority, device = dice.random() < 0.8, f"d{name % 3}"
            text = f"your parcel {name} waits for a small fee of {number}" if name % 4 else ""
            facts.append(
                case(
                    f"r{name}",
                    device,
                    right,
                    at_us,
                    authority=authority,
                    version=number + 1,
                    state=state,
                    message=text,
                )
            )
        elif roll < 0.9:
            facts.append(call(f"n{dice.randrange(5)}", victim, at_us - HOUR_US, number))
        else:
            facts.append(found_legitimate(f"t{dice.randrange(number + 1)}", at_us))
    return facts


@pytest.mark.parametrize("seed", range(6))
def test_whatever_comes_live_rings_are_those_of_a_rebuild(seed: int) -> None:
    facts, live, held = drawn(seed, 300, 60 if seed % 2 else 400), LiveRings(), {}
    dice = random.Random(seed)

    for number, fact in enumerate(facts, 1):
        take(live, fact)
        if dice.random() < 0.1:
            account = token(f"a{dice.randrange(60)}")
            held[account] = {"CNY": dice.randrange(10_000)}
            live.held(account, held[account])
        if dice.random() < 0.1 or number == len(facts):
            live.look()
            if dice.random() < 0.3 or number == len(facts):
                rings = rebuilt(facts[:number], held)
                assert told(live.rings.values()) == told(rings), number


def test_ids_stay_and_merges_and_splits_are_told_as_they_happen() -> None:
    live = LiveRings()
    for pair in (("m1", "m2"), ("m3", "m4")):
        for number, mule in enumerate(pair):
            live.alert(alert(f"t-{mule}", f"v-{pair[0]}", mule, AT + number, leg="CREDIT"))
    began = live.look()
    live.alert(alert("bridge", "m2", "m3", AT + 10, leg="DEBIT"))
    merged = live.look()
    live.feedback(found_legitimate("bridge", AT + 20))
    split = live.look()

    assert [ring.change for ring in began] == ["BEGAN", "BEGAN"]
    assert sorted(ring.change for ring in merged) == ["ENDED", "MERGED"]
    kept = next(ring for ring in merged if ring.change == "MERGED")
    assert kept.ring_id in {ring.ring_id for ring in began}
    assert sorted(ring.change for ring in split) == ["CHANGED", "SPLIT"]
    assert {ring.ring_id for ring in split if ring.change == "CHANGED"} == {kept.ring_id}
    assert next(ring for ring in split if ring.change == "SPLIT").from_rings == (kept.ring_id,)


def test_a_look_without_news_tells_nothing_and_what_comes_again_is_no_news() -> None:
    facts, live = drawn(3, 200, 40), LiveRings()
    for fact in facts:
        take(live, fact)
    live.look()

    for fact in facts:
        take(live, fact)

    assert live.look() == []


def test_a_follower_that_begins_again_keeps_the_ids_told_before() -> None:
    facts, first = drawn(4, 200, 40), LiveRings()
    for fact in facts:
        take(first, fact)
    first.look()

    again = LiveRings(first.rings.values())
    for fact in facts:
        take(again, fact)

    assert again.look() == []
    assert set(again.rings) == set(first.rings)


def test_a_report_ties_accounts_while_an_authority_or_a_person_stands_by_it() -> None:
    facts = [alert("t1", "v1", "m1", AT, leg="CREDIT"), alert("t2", "v2", "m2", AT, leg="CREDIT")]
    said = [case("r1", "device", "m1", AT + 1), case("r2", "device", "m2", AT + 1)]
    private = [replace(each, authority=False) for each in said]
    confirmed = [replace(each, verdict="CONFIRMED", version=2) for each in private]
    revoked = replace(said[1], state="REVOKED", version=3)
    live = LiveRings()
    for fact in [*facts, *private]:
        take(live, fact)
    assert live.look() == []
    for fact in confirmed:
        take(live, fact)
    (ring,) = live.look()
    assert {each.account_token for each in ring.members} == {token("m1"), token("m2")}
    take(live, revoked)
    assert [each.change for each in live.look()] == ["ENDED"]
    take(live, confirmed[1])
    assert live.look() == []


def test_reports_of_messages_worded_alike_tie_the_accounts_they_name() -> None:
    facts = [alert(f"t{n}", f"v{n}", f"m{n}", AT, leg="CREDIT") for n in (1, 2, 3)]
    texts = (
        "your parcel 17 waits, pay 2,99",
        "YOUR PARCEL 918 waits: pay 3,50!",
        "your flat was broken into",
    )
    said = [case(f"r{n}", f"d{n}", f"m{n}", AT + n, message=text) for n, text in enumerate(texts, 1)]
    live = LiveRings()
    for fact in [*facts, *said]:
        take(live, fact)
    (ring,) = live.look()
    assert {each.account_token for each in ring.members} == {token("m1"), token("m2")}
    assert told([ring]) == told(rebuilt([*facts, *said], {}))
    take(live, replace(said[1], state="REVOKED", version=2))
    assert [each.change for each in live.look()] == ["ENDED"]


def test_what_a_report_names_in_clear_ties_by_a_token_and_is_not_kept_in_clear() -> None:
    there = case("r1", "device", "m1", AT)
    clear = Entity(kind="NUMBER", value="+821012345678")
    named = replace(there, report=replace(there.report, entities=(clear, there.report.entities[1])))
    (link,) = of_report(named).values()
    assert "8210" not in f"{link}"
    other = replace(named, report=replace(named.report, report_id="r2"))
    assert [each.left for each in of_report(other).values()] == [link.left]


def test_who_is_accused_is_the_payee_where_only_the_payers_account_can_be_acted_on() -> None:
    there = alert("t1", "victim", "mule", AT, leg="CREDIT")
    here = replace(
        there, account_side="DEBTOR", account_token=there.counterparty_token,
        counterparty_token=there.account_token,
    )  # fmt: skip
    assert known([here]) == known([there])
    assert known([here]).suspected == {token("mule")}


@pytest.mark.slow
def test_a_hundred_thousand_links_end_as_a_rebuild_has_them() -> None:
    facts, live = drawn(9, 100_000, 60_000), LiveRings()
    for number, fact in enumerate(facts):
        take(live, fact)
        if number % 10_000 == 0:
            live.look()
    live.look()

    assert told(live.rings.values()) == told(rebuilt(facts, {}))
