"""Traces tell rings where money went; that it reached an account makes nobody a suspect and no ring."""

import pyarrow as pa
import pytest

from console.lab.ring_traces import traces
from fixtures.world import World
from measures.rings import following
from measures.rings.links import Known, known
from measures.rings.live import LiveRings
from pipelines import policy
from schemas.ring import Ring
from schemas.units import HOUR_US
from tests.rings.facts import AT, alert, found_legitimate, trace
from tests.rings.ties import token

LOOSE = [alert(f"in-{name}", f"victim-{name}", name, AT, leg="CREDIT") for name in ("a", "b")]
TIED = [alert(f"{name}-too", "victim-a", name, AT + 1, leg="CREDIT") for name in ("a", "b")]


def found(of: Known) -> list[Ring]:
    return following.found(of, {})


def test_tainted_money_that_reached_an_account_makes_it_no_suspect_and_ties_nobody() -> None:
    followed = [trace("t1", "a", "shop", AT + 2, True), trace("t2", "b", "shop", AT + 2, True)]
    followed.append(trace("t3", "a", "b", AT + 3, True))
    of = known(LOOSE, followed)
    assert of.suspected == {token("a"), token("b")}
    assert found(of) == []


def test_a_traced_payment_names_the_fund_owner_that_no_alert_names() -> None:
    (without,) = found(known([*LOOSE, *TIED]))
    assert token("owner") not in without.fund_owners
    (ring,) = found(known([*LOOSE, *TIED], [trace("t1", "a", "owner", AT + 2, False)]))
    (owner,) = [one for one in ring.associates if one.token == token("owner")]
    assert owner.role == "FUND_OWNER"
    assert owner.reason.startswith("suspected: 70.00 CNY more came in than went out")


def test_an_alert_about_a_payment_counts_whole_and_the_trace_again_once_people_clear_the_alert() -> None:
    told, traced = alert("t1", "a", "owner", AT + 2, leg="DEBIT"), trace("t1", "a", "owner", AT + 2, True)
    for facts in ((told, traced), (traced, told)):
        live = LiveRings()
        for fact in facts:
            (live.trace if fact is traced else live.alert)(fact)  # type: ignore[arg-type]
        assert [each.amount_minor for each in live.known.links if each.kind == "PAID"] == [10_000]
        live.feedback(found_legitimate("t1", AT + 3))
        assert [each.amount_minor for each in live.known.links if each.kind == "PAID"] == [7_000]


def test_one_payment_that_carries_money_of_two_cases_counts_both() -> None:
    one = trace("t1", "a", "owner", AT + 2, True)
    other = type(one)(**{name: getattr(one, name) for name in one.__struct_fields__} | {"trace_id": "of-two"})
    of = known([*LOOSE, *TIED], [one, other, one])
    assert sum(each.amount_minor for each in of.links if each.right == token("owner")) == 14_000


def test_groups_that_traces_lead_to_one_seller_tell_of_a_platform() -> None:
    alerts, followed = [], []
    for name in "abc":
        alerts += [alert(f"{name}{n}", f"v{name}", f"{name}{n}", AT + n, leg="CREDIT") for n in range(2)]
        followed.append(trace(f"{name}-on", f"{name}0", "seller", AT + 5, True))
    alerts.append(alert("paid", "victim-s", "seller", AT, leg="CREDIT"))
    alerts.append(alert("a-on", "a0", "seller", AT + 5, leg="DEBIT"))
    rings = found(known(alerts, followed))
    assert [len(ring.members) for ring in rings] == [2, 2, 2]
    assert {one.token for ring in rings for one in ring.associates if one.role == "PLATFORM"} == {
        token("seller")
    }


@pytest.mark.parametrize(("reported_after_us", "hops"), [(HOUR_US, 1), (9 * HOUR_US, 0)])
def test_the_lab_follows_what_victims_reported_before_the_world_ended(
    reported_after_us: int, hops: int
) -> None:
    ways = [("victim", "mule"), ("mule", "owner"), ("x", "y")]
    rows = [
        {
            "txn_id": f"t{n}", "accepted_at_us": AT + n * 4 * HOUR_US, "debtor_account": token(payer),
            "creditor_account": token(payee), "amount_minor": 10_000, "currency": "CNY",
            "balance_after_minor": 0, "clearing_serial": "", "creditor_agent": "bank",
        }
        for n, (payer, payee) in enumerate(ways)
    ]  # fmt: skip
    about = [
        {"scam": n == 0, "report_us": AT + reported_after_us, "case_id": "c", "scam_type": "OTHER"}
        for n in range(len(ways))
    ]
    world = World(pa.Table.from_pylist(rows), pa.Table.from_pylist(about), pa.table({}))
    followed = traces(world, AT, policy.load(policy.named(None, "")))
    assert [each.creditor_account for each in followed] == [token("owner")] * hops
