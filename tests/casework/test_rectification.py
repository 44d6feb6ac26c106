"""Institutions put right what their confirmed mules show, by the clock, track by track, league by rate."""

from msgspec.structs import replace

from measures.registry.rectification import league
from measures.registry.suspicion import key_of
from schemas.casework import JudgeSubject, Rectify, StatePeers
from schemas.rectification import Rectification
from tests.casework.kit import DAY, T0, Bureau, account, report
from tests.tokens import token_of


def confirm(bureau: Bureau, name: str, kind: str = "ACCOUNT", institution: str = "bank-1") -> None:
    entity = replace(account(name), kind=kind, institution=institution)
    bureau.report(report(name, entity, reporter="bank-9", origin="BANK"))
    bureau.say(
        JudgeSubject(subject_id=key_of(kind, token_of(name)), upheld=True, by=("desk",), reason="traced")
    )


def only(bureau: Bureau) -> Rectification:
    [found] = bureau.all("institution")
    assert isinstance(found, Rectification)
    return found


def test_the_third_confirmed_mule_in_thirty_days_raises_a_notice_and_outlets_are_apart() -> None:
    bureau = Bureau()
    for each in range(2):
        confirm(bureau, f"mule-{each}")
    confirm(bureau, "outlet-1", kind="OUTLET")
    before = only(bureau).notices
    bureau.wait(DAY)
    confirm(bureau, "mule-2")

    assert before == ()
    assert [(each.track, each.count, each.opened_us) for each in only(bureau).notices] == [
        ("ACCOUNTS", 3, T0 + DAY)
    ]


def test_a_notice_nobody_verifies_is_overdue_to_the_second_and_a_tier_higher() -> None:
    bureau = Bureau()
    for each in range(3):
        confirm(bureau, f"mule-{each}")
    bureau.say(Rectify(institution="bank-1", track="ACCOUNTS", step="VERIFIED", by=("inspector",)))
    bureau.say(
        Rectify(institution="bank-1", track="ACCOUNTS", step="PLAN", by=("bank-1",), reference="plan 7")
    )

    bureau.wait(31 * DAY)

    [notice] = only(bureau).notices
    assert bureau.refused == ["nothing is verified without evidence"]
    assert (notice.state, notice.tier, notice.due_us) == ("OVERDUE", 2, T0 + 60 * DAY)


def test_what_was_verified_is_opened_again_on_relapse_by_new_mules_only() -> None:
    bureau = Bureau()
    for each in range(3):
        confirm(bureau, f"mule-{each}")
    for step in ("PLAN", "EVIDENCE", "VERIFIED"):
        bureau.say(Rectify(institution="bank-1", track="ACCOUNTS", step=step, by=("someone",)))
    bureau.wait(DAY)
    confirm(bureau, "mule-3")
    quiet = len(only(bureau).notices)
    for each in range(4, 6):
        confirm(bureau, f"mule-{each}")

    assert (quiet, [each.relapse for each in only(bureau).notices]) == (1, [False, True])


def test_a_league_goes_by_rate_and_names_who_refuses_everybody() -> None:
    bureau = Bureau()
    for number, (accounts, refused) in enumerate(
        [(1_000, 10), (1_000_000, 12), (500_000, 900), (500_000, 9)]
    ):
        confirm(bureau, f"mule-{number}", institution=f"bank-{number}")
        bureau.say(StatePeers(institution=f"bank-{number}", accounts=accounts, asked=1_000, refused=refused))

    lines = {line.institution: line for line in league(bureau.all("institution"), bureau.now)}

    assert next(iter(lines)) == "bank-0"
    assert lines["bank-0"].flags == ("MULES",)
    assert lines["bank-2"].flags == ("REFUSES_TOO_MANY",)
    assert lines["bank-1"].flags == lines["bank-3"].flags == ()
