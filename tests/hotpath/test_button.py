"""Who is guided while he pays somebody new is warned at the highest severity, whatever the model says."""

from dataclasses import replace

import numpy as np
import pytest

from models.features import Legs
from models.ledgers import clues
from models.ledgers.accounts import ACCOUNTS
from models.ledgers.parties import PAYERS
from pipelines.hot.button import LASTS_S, at_button
from pipelines.hot.warn import warning
from pipelines.policy import WARN, ButtonPolicy, Decision, Policy
from schemas.rows.transfers import CALL_IN_PROGRESS, REMOTE_CONTROL, SCREEN_SHARE, TRANSFER, paid
from schemas.units import DAY_US, HOUR_US, MINUTE_US

AT_US = 1_760_000_000_000_000
RULE = ButtonPolicy()


def leg(
    signals: int = 0,
    added_us: int = AT_US - MINUTE_US,
    goes_on: int = 0,
    since_s: float = 60.0,
    watched_s: float = np.nan,
) -> Legs:
    transfer, payer = np.zeros(1, TRANSFER), np.zeros(1, PAYERS.view)
    transfer["at_us"], transfer["signals"], transfer["payee_added_at_us"] = AT_US, signals, added_us
    transfer["amount_minor"], transfer["currency"], transfer["txn_id"] = 100, b"CNY", b"t1"
    payer["clue_goes_on"], payer["clue_since_s"], payer["age_s"] = goes_on, since_s, 30 * 86_400
    payer["watched_s"] = watched_s
    return Legs(transfer, np.ones(1), payer, np.zeros(1, ACCOUNTS.view))


CALL, SCREEN = 1 << clues.CALL, 1 << clues.SCREEN_SHARE


@pytest.mark.parametrize(
    ("given", "pressed"),
    [
        (leg(CALL_IN_PROGRESS | SCREEN_SHARE), True),
        (leg(SCREEN_SHARE | REMOTE_CONTROL), True),
        (leg(CALL_IN_PROGRESS), False),
        (leg(CALL_IN_PROGRESS, goes_on=CALL), False),
        (leg(CALL_IN_PROGRESS, goes_on=SCREEN), True),
        (leg(goes_on=CALL | SCREEN), True),
        (leg(goes_on=CALL | SCREEN, since_s=LASTS_S + 1), False),
        (leg(CALL_IN_PROGRESS | SCREEN_SHARE, added_us=AT_US - 2 * DAY_US), False),
        (leg(CALL_IN_PROGRESS | SCREEN_SHARE, added_us=-1), True),
        (leg(CALL_IN_PROGRESS, watched_s=3_600.0), True),
        (leg(watched_s=3_600.0), False),
    ],
)
def test_two_signs_and_a_new_payee_make_the_rule(given: Legs, pressed: bool) -> None:
    assert at_button(given, RULE).tolist() == [pressed]
    assert not at_button(given, None).any()


def test_the_rule_is_data() -> None:
    given = leg(CALL_IN_PROGRESS, added_us=AT_US - 30 * HOUR_US)

    assert at_button(given, ButtonPolicy(signals=1, new_payee_h=48)).all()
    assert not at_button(given, ButtonPolicy(signals=1, new_payee_h=24)).any()


def test_its_warning_is_of_severity_4_with_a_pause_of_30_seconds_though_nothing_is_held(
    rules: Policy,
) -> None:
    (payment,) = paid(leg(CALL_IN_PROGRESS | SCREEN_SHARE).transfer)
    decision = Decision(WARN, 0.01, ())

    said = warning(rules, payment, decision, "UNKNOWN", hold=False, guided=True)

    assert said.severity == 4 and not said.hold
    assert said.dialogue is not None and said.dialogue.pause_s == 30
    assert [button.act for button in said.dialogue.buttons] == ["STOP", "HANG_UP", "CONTINUE"]
    assert warning(replace(rules), payment, decision, "UNKNOWN", hold=False).severity == 1
