"""Counters of a suspicion are those of a recount, and what a look-up answers names nobody who said so."""

import random
from typing import Any

import msgspec
import pytest
from joserfc.jwk import OKPKey
from msgspec.structs import replace

from measures.aggregate import Office, run
from measures.authority.signing import AuthorityKey, KeyRing, sign_payload
from measures.casework import TYPE
from measures.registry import quota
from measures.registry.suspicion import SUSPICION, key_of
from schemas.block import Source
from schemas.casework import (
    Confirm,
    DoAction,
    JudgeSubject,
    ListSubject,
    ProposeListing,
    Withdraw,
)
from schemas.order import Actor
from schemas.report import Action, Entity
from schemas.subject import WINDOWS_DAYS
from tests.casework.kit import DAY, T0, Bureau, report
from tests.tokens import token_of

TOKEN = token_of("mule-1")
NAMED = key_of("ACCOUNT", TOKEN)
OFFICE = Office()

#: What a report has left behind: what happened, when, and who reported.
Said = list[tuple[str, int, str]]


def asked(name: str, reporter: str) -> DoAction:
    """A report's word about the account."""
    return DoAction(
        report_id=name, entity=Entity(kind="ACCOUNT", value=TOKEN), source=Source(reporter=reporter),
        action=Action(
            action_id=f"a-{name}", recipient="registry", kind="SUSPECT", entity=0, sent_us=T0,
            ack_due_us=T0, act_due_us=T0,
        ),
        priority=2, jurisdiction="CN", origin="BANK", fraud_class="UNKNOWN",
    )  # fmt: skip


def drawn(dice: random.Random, ledger: dict[str, Said], at_us: int) -> Any:
    """Draw what is said next, and write it down as an accountant would."""
    name, what = f"r-{dice.randrange(6)}", dice.choice(["SAY", "SAY", "CONFIRM", "REJECT", "REVOKE"])
    reporter, said = f"bank-{int(name[2:]) % 3}", ledger.get(name, [])
    stands = bool(said) and said[-1][0] != "REJECTED"
    if what == "CONFIRM" and stands:
        if len(said) == 1:
            said.append(("CONFIRMED", at_us, reporter))
        return Confirm(report_id=name, reporter=reporter)
    if what in ("REJECT", "REVOKE") and stands:
        ledger[name] = [("REJECTED", at_us, reporter)] if what == "REJECT" else []
        return Withdraw(report_id=name, reporter=reporter, rejected=what == "REJECT")
    if not said:
        ledger[name] = [("REPORTED", at_us, reporter)]
    return asked(name, reporter)


def recount(dice: random.Random) -> None:
    ledger: dict[str, Said] = {}
    at_us, state = T0, None
    for _ in range(dice.randrange(1, 14)):
        at_us += dice.randrange(130 * DAY)
        command = drawn(dice, ledger, at_us)
        state = run(SUSPICION, NAMED, state, command, at_us=at_us, office=OFFICE).state
    assert state is not None
    for days in WINDOWS_DAYS.values():
        told = [each for said in ledger.values() for each in said if at_us - days * DAY < each[1] <= at_us]
        counted = state.counters(at_us, days)
        assert counted.reports == sum(what == "REPORTED" for what, _, _ in told)
        assert counted.distinct_reporters == len({who for what, _, who in told if what == "REPORTED"})
        assert counted.confirmed == sum(what == "CONFIRMED" for what, _, _ in told)
        assert counted.rejected == sum(what == "REJECTED" for what, _, _ in told)


@pytest.mark.parametrize("histories", [300, pytest.param(100_000, marks=pytest.mark.slow)])
def test_counters_are_those_of_a_recount_of_whatever_was_said(histories: int) -> None:
    dice = random.Random(29)
    for _ in range(histories):
        recount(dice)


def test_no_name_that_anybody_gave_is_in_the_answer_of_a_look_up() -> None:
    """Every text that a reporter, a person or an authority gives here begins with `canary`."""
    key = OKPKey.generate_key("Ed25519")
    public = OKPKey.import_key(key.as_dict(private=False))
    ring = KeyRing([AuthorityKey("canary-police", "key-1", Actor.POLICE, "CN", public, 0, 2**62)])
    at = Bureau(Office(), ring)
    mule = Entity(kind="ACCOUNT", value=TOKEN, institution="canary-bank-1")
    for number in range(2):
        said = report(f"canary-{number}", mule, reporter=f"canary-reporter-{number}", origin="BANK")
        at.report(
            replace(said, jurisdiction="CN", priority=3, case_no="canary-case", legal_basis="canary-law")
        )
    by = ("canary-person-1", "canary-person-2")
    named: dict[str, Any] = {"kind": "ACCOUNT", "token": TOKEN, "ground": "CRIMINAL", "jurisdiction": "CN"}
    at.say(JudgeSubject(subject_id=NAMED, upheld=True, by=by, reason="canary-reason"))
    at.say(ProposeListing(**named, institution="canary-bank-1", by=by, reason="canary-reason"))
    listed = ListSubject(**named, decision_no="canary-decision", institutions=("canary-bank-2",))
    at.say(sign_payload(msgspec.json.encode(listed), key, "key-1", TYPE))

    [suspected], [entered] = at.all("suspicion"), at.all("listing")
    answer = quota.answer(suspected, entered, at.now + 1)

    assert b"canary" in msgspec.json.encode(suspected)
    assert b"canary" in msgspec.json.encode(entered)
    assert answer is not None
    assert (answer.tier, bool(answer.cuts)) == (3, True)
    assert b"canary" not in msgspec.json.encode(answer)
