"""Alerts are written out of prepared pieces; what is read is what would be said of each payment by itself."""

from pathlib import Path
from random import Random

import msgspec
import pytest

from measures.law.notices import STOPPED, Told, notice
from measures.law.rules import HoldRule
from models.ledgers.enforcement import NOTHING_LEAVES
from pipelines import policy
from pipelines.hot.alert import EncodedAlert, alert
from pipelines.hot.records import alert_record
from pipelines.policy import DELAY, STOP, Decision, Policy, Registered
from schemas.alert import Alert, Leg, Reason
from schemas.ids import derived_token
from schemas.measure import Notice
from schemas.rows.transfers import Paid
from schemas.units import DAY_US, MINUTE_US

NOW_US = 1_790_000_000_000_000
TEXTS = ("", "The payee is new.", "收款人是新的。", '"\\u0001" \\ / é 🙂', "วันนี้ เมื่อวาน\n")


def drawn(rules: Policy, random: Random) -> tuple[Leg, Paid, Decision]:
    leg: Leg = random.choice(("CREDIT", "DEBIT"))
    payer, *accounts = (derived_token("t", random.random()) for _ in range(3))
    paid = Paid(
        f"tx-{random.random()}", payer, accounts[0], accounts[1],
        random.choice((0, 5, 99_999, random.randrange(10**15))),
        random.choice([*(name.decode() for name in rules.currencies), "KRW", "XAU", "QQQ"]),
        NOW_US + random.randrange(400 * DAY_US), 0, random.choice(("", "WESTGB22")), "", 3, 7, NOW_US,
        random.randrange(2**32), random.choice(("", "00-4bf9-01")),
    )  # fmt: skip
    reasons = tuple(
        Reason(code="A", contribution=random.random(), text=random.choice(TEXTS)) for _ in range(2)
    )
    kept = random.choice((0, 0, 500, NOTHING_LEAVES)) if leg == "DEBIT" else 0
    registered: Registered = random.choice(("", "LISTED", "SUSPECTED"))
    return leg, paid, Decision(random.randint(DELAY, STOP), random.random(), reasons, kept, registered)


def plainly(rules: Policy, paid: Paid, said: Notice) -> Notice:
    """Say a notice by itself, as the engine would of a measure that ends in its minute."""
    law, facts = rules.law.on(paid.at_us), Told(amount_minor=paid.amount_minor, currency=paid.currency)
    if said.reason_code == "MEASURE_IN_FORCE":
        basis = rules.law.words[said.language].of_measure
        told = facts._replace(scope=STOPPED.scope, by_measure=True)
        return notice(rules.law, said.reason_code, basis, said.language, told)
    found = law.hold_at("payer_delay" if said.party == "PAYER" else "payee_hold", paid.at_us)
    assert found is not None
    rule: HoldRule = found[1]
    until_us = law.calendar.add(paid.at_us, rule.term) // MINUTE_US * MINUTE_US
    told = facts._replace(scope=rule.scope, until_us=until_us)
    made = notice(rules.law, said.reason_code, rule, said.language, told)
    return msgspec.structs.replace(made, party=said.party)


@pytest.mark.parametrize("path", policy.shipped().values(), ids=lambda path: path.stem)
def test_an_alert_written_of_pieces_reads_as_one_said_by_itself(path: Path) -> None:
    random, made = Random(path.stem), 0
    for language in policy.load(path).law.languages:
        rules = policy.load(path, language=language)
        for _ in range(100):
            leg, paid, decision = drawn(rules, random)
            written = alert(rules, "model", leg, paid, decision)
            if written is None:
                continue
            made += 1
            value = alert_record(written).value
            read = msgspec.json.decode(value, type=Alert)
            assert msgspec.json.encode(read) == value
            assert read.reasons[-len(decision.reasons) :] == decision.reasons
            assert len(read.reasons) == len(decision.reasons) + bool(decision.enforced_minor)
            assert read.notices == tuple(plainly(rules, paid, said) for said in read.notices)
            assert {said.language for said in read.notices} == set(rules.law.languages)
            assert read.notice == next(said for said in read.notices if said.language == language)
            assert (read.amount_minor, read.currency) == (paid.amount_minor, paid.currency)
    assert made


def test_an_alert_written_of_pieces_has_the_fields_of_an_alert_in_their_order() -> None:
    fields = zip(msgspec.structs.fields(EncodedAlert), msgspec.structs.fields(Alert), strict=True)
    for own, published in fields:
        assert own.name == published.name
        assert own.type == published.type or own.type is msgspec.Raw
