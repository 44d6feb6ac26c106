"""Suspected accounts become rings: by money, victims and numbers, never by what everybody shares."""

import random

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from console.lab import ring_sample
from console.lab.rings import Looked
from console.views.rings import said
from measures.rings import following
from measures.rings.components import HUB, TOO_BIG, components, leiden
from measures.union_find import UnionFind
from schemas.errors import ConfigError
from schemas.ring import Ring
from tests.rings.ties import known, link, token


def rings(*links, suspected=""):
    return following.found(known(*links, suspected=suspected), {})


def accounts(ring: Ring) -> set[str]:
    return {member.account_token for member in ring.members}


def test_accounts_that_pass_money_on_and_those_that_one_victim_paid_are_one_ring():
    found = rings(
        link("victim", "m1", kind="DECEIVED"), link("victim", "m2", 1, kind="DECEIVED"),
        link("m1", "l1", 2), link("l1", "exit", 3),
    )  # fmt: skip
    assert [accounts(ring) for ring in found] == [{token("m1"), token("m2"), token("l1")}]
    roles = {member.account_token: member.role for member in found[0].members}
    assert roles == {token("m1"): "COLLECTOR", token("m2"): "COLLECTOR", token("l1"): "CASH_OUT"}
    assert found[0].fund_owners[0] in {token("exit"), token("m2")}


def test_two_accounts_that_pay_one_shop_are_no_ring_for_it():
    shop = [link("v1", "m1", kind="DECEIVED"), link("v2", "m2", kind="DECEIVED"),
            link("m1", "shop", 1), link("m2", "shop", 2)]  # fmt: skip
    assert rings(*shop) == []
    assert len(rings(*shop, suspected="shop")) == 1


def test_a_number_that_called_two_victims_ties_the_accounts_they_paid():
    links = [link("v1", "m1", 9, kind="DECEIVED"), link("v2", "m2", 9, kind="DECEIVED")]
    calls = [link("number", "v1", kind="CALLED"), link("number", "v2", 1, kind="CALLED")]
    assert rings(*links) == []
    (found,) = rings(*links, *calls)
    assert found.numbers == (token("number"),)


def test_what_more_than_fifty_share_ties_nobody_and_is_counted():
    pair = [
        link("v", "m1", kind="DECEIVED"),
        link("v", "m2", kind="DECEIVED"),
        link("desk", "v", kind="CALLED"),
    ]
    calls = [link("desk", f"other{number}", kind="CALLED") for number in range(HUB)]
    others = [link(f"other{number}", f"a{number}", 5, kind="DECEIVED") for number in range(HUB)]
    (found,) = rings(*pair, *calls, *others)
    assert (accounts(found), found.hubs) == ({token("m1"), token("m2")}, 1)
    few = rings(*pair, *calls[: HUB - 1], *others)
    assert len(accounts(few[0])) > 2


def test_two_rings_that_sat_in_one_airports_network_stay_two():
    """A device is of few, the network of an airport of many: it ties nobody, and is counted."""
    ring = [link(f"v{side}", f"m{side}{n}", kind="DECEIVED") for side in "ab" for n in (1, 2, 3)]
    wifi = [link("airport", f"m{side}1", kind="SHARED_IP24") for side in "ab"]
    others = [link("airport", f"traveller{n}", kind="SHARED_IP24") for n in range(HUB)]
    there = [link(f"x{n}", f"traveller{n}", kind="DECEIVED") for n in range(HUB)]

    apart = rings(*ring, *wifi, *others, *there)
    cafe = rings(*ring, *wifi)

    assert sorted(sorted(accounts(found)) for found in apart) == sorted(
        sorted(token(f"m{side}{n}") for n in (1, 2, 3)) for side in "ab"
    )
    assert {found.hubs for found in apart} == {1}
    assert len(cafe) == 1


@pytest.mark.parametrize("links", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_live_sets_are_those_of_a_rebuild_by_scipy(links):
    rng = np.random.default_rng(5)
    ends = rng.integers(0, 2 * links, (links, 2))
    live = UnionFind()
    for left, right in ends.tolist():
        live.tie(str(left), str(right))
    _, label = connected_components(
        coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(2 * links, 2 * links)),
        directed=False,
    )
    by_label: dict[int, set[str]] = {}
    for number in np.unique(ends).tolist():
        by_label.setdefault(int(label[number]), set()).add(str(number))
    assert sorted(map(sorted, live.sets())) == sorted(map(sorted, by_label.values()))


def test_a_component_too_big_to_be_a_ring_is_divided_the_same_way_each_time():
    size = TOO_BIG // 2 + 5
    links = [
        link(f"{side}{a}", f"{side}{(a + step) % size}", a)
        for side in "xy"
        for a in range(size)
        for step in (1, 2, 3)
    ]
    of = known(*links, link("x0", "y0"))
    found = [component.accounts for component in components(of, leiden)]
    assert len(found) > 1
    assert not any({token("x5"), token("y5")} <= each for each in found)
    assert found == [component.accounts for component in components(of, leiden)]


def test_money_of_a_ring_adds_up_and_says_what_can_still_be_frozen():
    of = known(
        link("v1", "m1", 0, 50_000, "DECEIVED"), link("v2", "m1", 1, 30_000, "DECEIVED"),
        link("m1", "l1", 10, 60_000), link("l1", "exit", 20, 45_000),
    )  # fmt: skip
    (found,) = following.found(of, {token("l1"): {"CNY": 10_000}})
    (total,) = found.sums
    assert (total.stolen_minor, total.held_minor, total.freezable_minor, total.lost_minor) == (
        80_000, 10_000, 25_000, 45_000,
    )  # fmt: skip
    assert total.stolen_minor == total.held_minor + total.freezable_minor + total.lost_minor
    by_account = {each.account_token: each.sums[0].freezable_minor for each in found.members}
    assert by_account == {token("m1"): 20_000, token("l1"): 5_000}


@pytest.mark.parametrize("seed", range(20))
def test_what_was_stolen_is_held_freezable_or_lost_whatever_the_payments(seed):
    rng = random.Random(seed)
    names = [f"a{number}" for number in range(12)]
    links = [
        link(
            f"v{rng.randrange(6)}", rng.choice(names), rng.randrange(900), rng.randrange(1, 10**6), "DECEIVED"
        )
        for _ in range(10)
    ]
    links += [
        link(*rng.sample([*names, "exit"], 2), rng.randrange(900), rng.randrange(1, 10**6)) for _ in range(25)
    ]
    held = {token(name): {"CNY": rng.randrange(10**6)} for name in names}
    for ring in following.found(known(*links), held):
        for each in ring.sums:
            assert each.stolen_minor == each.held_minor + each.freezable_minor + each.lost_minor
            assert each.at_risk_minor <= each.freezable_minor


def test_money_that_always_left_within_the_hour_is_at_risk_and_old_money_is_not():
    def risk(minutes_ago: int) -> int:
        fast = [link("v", "m1", 0, 100, "DECEIVED"), link("m1", "l1", 30, 100), link("l1", "exit", 60, 50)]
        fresh = [
            link("v", "m2", 600 - minutes_ago, 1_000, "DECEIVED"),
            link("x", "y", 600),
            link("v", "y", 0, 1, "DECEIVED"),
        ]
        (ring,) = rings(*fast, *fresh)
        sums = {member.account_token: member.sums for member in ring.members}
        return sums[token("m2")][0].at_risk_minor

    assert risk(5) == 1_000
    assert risk(300) == 0


def test_a_ring_keeps_its_id_as_it_grows_and_is_told_only_when_something_changed():
    first = [link("v", "m1", kind="DECEIVED"), link("v", "m2", 1, kind="DECEIVED")]
    (began,) = following.changes([], rings(*first))
    assert following.changes([began], rings(*first)) == []
    (grown,) = following.changes([began], rings(*first, link("m2", "l1", 5), suspected="l1"))
    assert (began.change, grown.change, grown.ring_id) == ("BEGAN", "CHANGED", began.ring_id)
    (ended,) = following.changes([grown], [])
    assert (ended.ring_id, ended.change, ended.into) == (began.ring_id, "ENDED", "")


def test_two_rings_that_turn_out_to_be_one_merge_and_the_other_id_still_leads_there():
    left = [
        link("v1", "a1", kind="DECEIVED"),
        link("v1", "a2", kind="DECEIVED"),
        link("v1", "a3", kind="DECEIVED"),
    ]
    right = [link("v2", "b1", 9, kind="DECEIVED"), link("v2", "b2", 9, kind="DECEIVED")]
    before = following.changes([], rings(*left, *right))
    bigger = next(ring for ring in before if len(ring.members) == 3)
    smaller = next(ring for ring in before if len(ring.members) == 2)

    merged, ended = following.changes(before, rings(*left, *right, link("a1", "b1", 20)))
    assert (merged.change, merged.ring_id, merged.from_rings) == (
        "MERGED",
        bigger.ring_id,
        (smaller.ring_id,),
    )
    assert (ended.change, ended.ring_id, ended.into) == ("ENDED", smaller.ring_id, bigger.ring_id)

    told = following.changes([merged], rings(*left, *right))
    split = {ring.change: ring for ring in told}
    assert split["CHANGED"].ring_id == bigger.ring_id
    assert split["SPLIT"].from_rings == (bigger.ring_id,)
    assert accounts(split["SPLIT"]) == accounts(smaller)


def test_the_order_in_which_facts_were_read_changes_nothing():
    links = [link(f"v{n % 3}", f"m{n}", n, kind="DECEIVED") for n in range(9)] + [link("m1", "m2", 20)]
    expected = rings(*links)
    for seed in range(5):
        shuffled = links[:]
        random.Random(seed).shuffle(shuffled)
        assert rings(*shuffled) == expected


def test_rings_that_only_share_a_seller_of_currency_stay_apart_and_name_the_platform():
    def ring(name: str, at: int) -> list:
        return [
            *(link(f"{name}v", f"{name}{n}", at, kind="DECEIVED") for n in range(3)),
            link(f"{name}1", "seller", at + 5, 4_000),
        ]

    links = [*ring("a", 0), *ring("b", 100), *ring("c", 200)]
    found = rings(*links, suspected="seller")
    assert [len(each.members) for each in found] == [3, 3, 3]
    for each in found:
        (platform,) = [one for one in each.associates if one.role == "PLATFORM"]
        assert platform.token == token("seller")
        assert platform.reason.startswith(
            "suspected: 3 groups of accounts that nothing else ties pay it; 1 account"
        )
    (joined,) = rings(*links, link("a0", "b0", 200), suspected="seller")
    assert len(joined.members) == 10
    assert not [one for one in joined.associates if one.role == "PLATFORM"]


def test_a_number_that_called_holders_of_accounts_is_suspected_to_recruit_and_a_trunk_to_be_a_den():
    links = [link("v", "m1", kind="DECEIVED"), link("v", "m2", kind="DECEIVED"),
             link("p1", "m1", 9, kind="SAME_HOLDER"), link("p2", "m2", 9, kind="SAME_HOLDER")]  # fmt: skip
    one = [link("number", "p1", 5, kind="CALLED"), link("trunk", "p1", 5, kind="SAME_ORIGID")]
    both = [*one, link("number", "p2", 6, kind="CALLED"), link("trunk", "p2", 6, kind="SAME_ORIGID")]

    def others(*more):
        (ring,) = rings(*links, *more)
        return {(each.role, each.token) for each in ring.associates if each.role != "FUND_OWNER"}

    assert others(*one) == set()
    assert others(*both) == {("RECRUITER", token("number")), ("DEN", token("trunk"))}


def test_the_trunk_of_calls_ties_nobody_by_itself():
    links = [link("v1", "m1", 9, kind="DECEIVED"), link("v2", "m2", 9, kind="DECEIVED")]
    assert (
        rings(*links, link("trunk", "v1", kind="SAME_ORIGID"), link("trunk", "v2", kind="SAME_ORIGID")) == []
    )


def test_two_suspected_accounts_of_one_holder_are_a_ring_and_one_says_nothing_of_its_holder():
    links = [link("m1", "exit", 1), link("p", "m1", 1, kind="SAME_HOLDER")]
    assert rings(*links) == []
    (ring,) = rings(*links, link("m2", "exit", 2), link("p", "m2", 2, kind="SAME_HOLDER"))
    assert len(ring.members) == 2
    assert len(ring.evidence) == 4
    (told,) = components(
        known(link("m1", "m2", 1), link("p", "m1", 1, kind="SAME_HOLDER"), suspected="m2"), leiden
    )
    assert [each.kind for each in told.links] == ["PAID"]


def test_where_most_came_to_rest_is_named_with_its_share_and_currencies_are_not_added_up():
    (ring,) = rings(
        link("v", "m1", 0, 900, "DECEIVED"), link("v", "m2", 0, 100, "DECEIVED"), link("m1", "boss", 5, 800)
    )
    owners = [each for each in ring.associates if each.role == "FUND_OWNER"]
    assert [each.token for each in owners] == list(ring.fund_owners)
    assert owners[0].token == token("boss")
    assert "8.00 CNY more came in than went out, 80% of" in owners[0].reason


def test_a_round_is_found_where_one_sum_goes_around_and_a_public_sample_without_it_judges_nothing(tmp_path):
    around = [link("a", "b", 1, 500), link("b", "c", 0, 500), link("c", "a", 2, 500)]
    open_end = [link("a", "b", 1, 700), link("b", "c", 1, 700), link("c", "a", 1, 800)]
    assert set(ring_sample.rounds(tuple(around))) == {frozenset(map(token, "abc"))}
    assert set(ring_sample.rounds(tuple(open_end))) == set()
    with pytest.raises(ConfigError, match=r"cannot be read as AMLSim's sample.*name its file"):
        ring_sample.measured(tmp_path / "amlsim_x_transactions.parquet")


def test_what_cannot_be_read_is_said_with_the_reason_of_the_first():
    looked = Looked(known(link("v", "m1", kind="DECEIVED")), {}, [], {"alerts": (2, "wrong - at `$.leg`")})
    assert said(looked, written=False).splitlines() == [
        "nothing changed since the last look",
        "2 messages of alerts cannot be read, the first: wrong - at `$.leg`",
    ]
