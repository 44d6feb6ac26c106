"""A kind of measure is a row of a table: what it takes to add one, and that no row is half filled."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from measures.kinds.table import MACHINES
from measures.law.rules import KIND_RULES
from schemas.measure import LIVE, ClockKind, MeasureState
from schemas.order import Action, MeasureKind

ROOT = Path(__file__).resolve().parents[2]

#: The three files of a new kind, to deliver an account's papers: file -> (what stood there, with it).
NEW_KIND = {
    "schemas/order.py": ('    QUERY = "QUERY"\n', '    QUERY = "QUERY"\n    DELIVERY = "DELIVERY"\n'),
    "measures/law/rules.py": (
        '    "query": QueryRule,\n',
        '    "query": QueryRule,\n'
        '    "delivery": type("DeliveryRule", (OrderedRule,), {"__annotations__": {"term": TermField}}),\n',
    ),
    "measures/kinds/delivery.py": (
        "",
        """
from measures.law.rules import KIND_RULES
from measures.state.machine import Machine
from schemas.ids import derived_id
from schemas.measure import Clock, ClockKind, Measure, MeasureState
from schemas.order import MeasureKind, Scope, order_key


def execute(order, account, regime, now):
    due = regime.calendar.add(now, regime.rule(KIND_RULES["delivery"]).term)
    return Measure(
        measure_id=derived_id("measure", order_key(order)), kind=order.kind, state=MeasureState.ACTIVE,
        account_token=account.account_token, jurisdiction=regime.law.id, regime=regime.id, rule="delivery",
        scope=Scope.NONE, rank=account.ranks + 1, authority_id=order.authority_id, order_no=order.order_no,
        clocks=(Clock(due_us=due, kind=ClockKind.EXPIRY),),
    )


MACHINE = Machine(
    kind=MeasureKind.DELIVERY,
    rule=KIND_RULES["delivery"],
    transitions={
        None: frozenset({MeasureState.ACTIVE}),
        MeasureState.ACTIVE: frozenset({MeasureState.LIFTED, MeasureState.EXPIRED}),
    },
    expires_as=MeasureState.EXPIRED,
    lifted_as=MeasureState.LIFTED,
    execute=execute,
)
""",
    ),
}

#: A country that has it.
COUNTRY = (
    "query:\n",
    "delivery:\n  - since: 2016-01-01\n    basis: Invented\n    sources: ['D: invented']\n"
    "    actors: [POLICE]\n    term: P7D\nquery:\n",
)

SCRIPT = """
from tests.measures.kit import Bench, DAY, T0, make_order
bench = Bench("CN")
print(bench.order(make_order("A", "DELIVERY")).code, bench.order(make_order("B", "DELIVERY")).code)
bench.order(make_order("L", "DELIVERY", "LIFT", original_order_no="B"))
print(bench.measure("A").state, bench.measure("B").state)
bench.tick(T0 + 8 * DAY)
print(bench.measure("A").state, bench.order(make_order("C", "DELIVERY", issued_at_us=bench.now)).code)
print(Bench("MY").order(make_order("D", "DELIVERY", jurisdiction="MY")).why)
"""


def test_a_new_kind_takes_its_name_its_rule_its_file_and_the_countries_that_have_it(tmp_path: Path) -> None:
    for package in ("schemas", "measures", "tests/measures"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "tests/tokens.py", tmp_path / "tests/tokens.py")
    for name, (before, after) in NEW_KIND.items():
        file = tmp_path / name
        file.write_text(file.read_text().replace(before, after) if before else after)
    china = tmp_path / "measures/law/countries/cn.yaml"
    before, after = COUNTRY
    text = china.read_text().replace(f"\n{before}", f"\n{after}")
    china.write_text(text.replace("QUERY: ", "DELIVERY: P1Y, QUERY: "))

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.stderr == ""
    assert done.stdout.splitlines() == ["OK OK", "ACTIVE LIFTED", "EXPIRED OK", "NO_LEGAL_BASIS"]


def test_every_kind_of_the_contract_has_its_machine_and_its_rule() -> None:
    assert set(MACHINES) == set(MeasureKind)
    assert {machine.rule for machine in MACHINES.values()} == set(KIND_RULES.values())


@pytest.mark.parametrize("kind", MeasureKind)
def test_a_machine_ends_in_states_of_its_own_diagram(kind: MeasureKind) -> None:
    machine = MACHINES[kind]
    reached = frozenset[MeasureState]().union(*machine.transitions.values())

    assert machine.transitions[None]
    assert {state for state in reached if state in LIVE} == set(machine.transitions) - {None}
    assert {machine.expires_as, machine.lifted_as or machine.expires_as} <= reached - LIVE
    assert machine.revived_by <= set(machine.acts) <= set(Action) - {Action.ISSUE, Action.LIFT}
    assert ClockKind.EXPIRY not in machine.clocks
