"""The ladder of one party: rungs, budgets, answers, forwarding, quiet hours, hold-out, what comes after."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from measures.law.calendar import from_iso
from measures.law.country_file import jurisdiction
from measures.law.jurisdiction import Jurisdiction
from measures.victims import ladder
from measures.victims.climb import Rules
from measures.victims.ladder import Answer, Command, Forwarding, held_out
from schemas.alert import Reason
from schemas.contact import (
    Attempt,
    ContactEntry,
    ContactEvent,
    ContactOutcome,
    Ended,
    Heard,
    Party,
    PartyTick,
    Planned,
    Skipped,
    StopProposed,
    Suppressed,
    Watched,
)
from schemas.warning import Warning
from tests.tokens import token_of

SECOND, MINUTE, HOUR, DAY = 10**6, 60 * 10**6, 3600 * 10**6, 86400 * 10**6
T0 = from_iso("2026-11-02T10:00:00+08:00")
PARTY = next(token for n in range(99) if not held_out(token := token_of(f"victim-{n}"), 5))
MUTE = next(token for n in range(999) if held_out(token := token_of(f"victim-{n}"), 5))


def warning(severity: int, at_us: int = T0, party: str = PARTY, **fields: Any) -> Warning:
    made = Warning(
        warning_id=f"w{severity}-{at_us}", dedup_key="", jurisdiction="CN", party_token=party,
        severity=severity, grade="", fraud_class="UNKNOWN", posterior=0.9,
        top_reasons=(Reason(code="PAYEE_NEW", contribution=1.0, text=""),), channels=(),
        template_id="UNKNOWN_4", language="en", text="Stop.", txn_id="t1", amount_minor=1, currency="CNY",
        hold=False, legal_basis="", issued_at_us=at_us, valid_until_us=at_us + DAY, case_family_id="case-1",
    )  # fmt: skip
    return msgspec.structs.replace(made, **fields)


class One:
    """One party and its journal."""

    def __init__(self, country: str = "CN", **rules: Any) -> None:
        law = rules.pop("law", None) or jurisdiction(country)
        self.rules = Rules(law, **rules)
        self.party: Party | None = None
        self.events: list[ContactEvent] = []

    def take(self, command: Command, at_us: int) -> Sequence[ContactEvent]:
        self.party, events = ladder.apply(self.party, command, self.rules, at_us)
        self.events += events
        return events

    def tick(self, at_us: int) -> Sequence[ContactEvent]:
        return self.take(PartyTick(party_token=PARTY), at_us)

    def heard(self, attempt: Attempt, state: str, at_us: int, **fields: Any) -> Sequence[ContactEvent]:
        outcome = ContactOutcome(
            key=attempt.key,
            party_token=PARTY,
            channel=attempt.channel,
            state=state,
            at_us=at_us,
            **fields,  # type: ignore[arg-type]
        )
        return self.take(outcome, at_us)

    @property
    def attempts(self) -> list[Attempt]:
        return [each.attempt for each in self.events if isinstance(each, Planned)]

    def told(self) -> list[str]:
        """What happened, in short."""
        found = []
        for each in self.events:
            if isinstance(each, Planned):
                found.append(f"{each.attempt.key.split('/', 1)[1]} {each.attempt.channel} {each.why}")
            elif isinstance(each, Skipped):
                found.append(f"{each.rung} {each.channel} skipped {each.reason}")
            elif isinstance(each, Ended):
                found.append(f"ended {each.how}")
            elif isinstance(each, Suppressed):
                found.append(f"suppressed {each.reason}")
            elif isinstance(each, StopProposed):
                found.append(f"stop proposed {each.rule}")
        return found


def passing(one: One, until_us: int) -> None:
    """Let time pass from due to due, as the job's clock does."""
    while one.party and (due := ladder.next_due_us(one.party)) is not None and due <= until_us:
        one.tick(due)


def test_at_severity_4_the_app_has_a_second_the_call_two_minutes_and_the_visit_half_an_hour() -> None:
    one = One()
    one.take(warning(4, family_consent=True), T0)
    passing(one, T0 + 2 * DAY)

    assert one.told() == [
        "0/1 IN_APP BEGUN", "1/1 CALL NOT_SENT", "2/1 FAMILY NOT_SENT", "3/1 VISIT NOT_SENT",
        "ended UNREACHED",
    ]  # fmt: skip
    assert [each.send_by_us - T0 for each in one.attempts] == [
        SECOND, 2 * MINUTE, 25 * MINUTE, 30 * MINUTE,
    ]  # fmt: skip


def test_a_rung_without_an_answer_is_followed_by_the_next_and_a_call_is_tried_three_times() -> None:
    one = One()
    one.take(warning(4), T0)
    now = T0
    while one.party and ladder.next_due_us(one.party) is not None and now < T0 + 2 * DAY:
        last = one.attempts[-1]
        if not any(isinstance(each, Heard) and each.outcome.key == last.key for each in one.events):
            one.heard(last, "SENT", now)
        now = ladder.next_due_us(one.party) or now
        one.tick(now)

    assert one.told() == [
        "0/1 IN_APP BEGUN", "1/1 CALL NO_ANSWER", "1/2 CALL NO_ANSWER", "1/3 CALL NO_ANSWER",
        "2 FAMILY skipped NO_CONSENT", "3/1 VISIT NO_ANSWER", "ended UNREACHED",
    ]  # fmt: skip


def test_what_is_in_the_app_at_severity_4_is_the_dialogue_and_a_caller_has_the_script() -> None:
    one = One()
    dialogue = one.rules.words["en"].dialogue(4)
    one.take(warning(4, dialogue=dialogue), T0)
    passing(one, T0 + MINUTE)

    app, call = one.attempts[:2]
    assert app.dialogue == dialogue and not app.script
    assert any("withdraw all of the profit" in line for line in call.script)
    assert call.call_reason and len(call.call_reason) <= 32 and call.dialogue is None


@pytest.mark.parametrize(("verdict", "ending"), [("DISSUADED", "DISSUADED"), ("NOT_SCAM", "NOT_SCAM")])
def test_an_answer_ends_the_ladder_even_when_the_next_rung_is_tried_already(
    verdict: str, ending: str
) -> None:
    one = One()
    one.take(warning(4), T0)
    app = one.attempts[0]
    passing(one, T0 + MINUTE)
    one.heard(app, "ANSWERED", T0 + MINUTE, verdict=verdict)

    assert one.told()[-1] == f"ended {ending}"
    assert one.heard(app, "ANSWERED", T0 + MINUTE, verdict=verdict) == ()


def test_who_goes_on_gets_the_next_rung_at_once_and_at_the_end_people_may_ask_for_a_stop_in_singapore() -> (
    None
):
    one = One("SG")
    one.take(warning(4), T0)
    for n in range(3):
        one.heard(one.attempts[-1], "ANSWERED", T0 + (n + 1) * SECOND, verdict="CONTINUED")

    assert one.told() == [
        "0/1 IN_APP BEGUN", "1/1 CALL CONTINUED", "2 FAMILY skipped NO_CONSENT", "3/1 VISIT CONTINUED",
        "ended CONTINUED", "stop proposed VICTIM_PROTECTION",
    ]  # fmt: skip
    (stop,) = (each for each in one.events if isinstance(each, StopProposed))
    assert (stop.actors, stop.carve_outs) == (("POLICE",), ("LIVING_EXPENSES",))
    assert "stop proposed" not in " ".join(_continued("CN").told())


def _continued(country: str) -> One:
    one = One(country)
    one.take(warning(4), T0)
    for n in range(3):
        one.heard(one.attempts[-1], "ANSWERED", T0 + (n + 1) * SECOND, verdict="CONTINUED")
    return one


def test_after_a_dissuasion_comes_a_watch_of_72_hours_and_three_questions_with_the_recovery_scam() -> None:
    one = One()
    one.take(warning(3), T0)
    one.heard(one.attempts[0], "ANSWERED", T0 + MINUTE, verdict="DISSUADED")
    (watch,) = (each for each in one.events if isinstance(each, Watched))
    passing(one, T0 + 31 * DAY)

    assert watch.until_us == T0 + MINUTE + 72 * HOUR == one.party.watch_until_us  # type: ignore[union-attr]
    later = [each for each in one.events if isinstance(each, Planned) and each.why == "FOLLOW_UP"]
    assert [(each.attempt.key.split("/", 1)[1], each.attempt.channel) for each in later] == [
        ("24h/1", "CALL"), ("7d/1", "SMS"), ("30d/1", "SMS"),
    ]  # fmt: skip
    assert [each.at_us - T0 - MINUTE for each in later] == [DAY, 7 * DAY, 30 * DAY]
    assert "recover" in later[2].attempt.text and "scammer" in later[1].attempt.text


def test_on_a_forwarded_line_nobody_calls_and_the_warning_is_a_grade_graver() -> None:
    one = One()
    one.take(Forwarding(party_token=PARTY, active=True, at_us=T0), T0)
    one.take(warning(3), T0 + SECOND)
    passing(one, T0 + DAY)

    assert {each.severity for each in one.attempts} == {4}
    assert [each.channel for each in one.attempts] == ["IN_APP", "VISIT"]
    assert "1 CALL skipped CALLS_FORWARDED" in one.told()


def test_a_voice_that_answered_while_calls_were_forwarded_is_not_believed_even_if_that_is_heard_later() -> (
    None
):
    one = One()
    one.take(warning(4), T0)
    passing(one, T0 + 5 * SECOND)
    one.heard(one.attempts[-1], "ANSWERED", T0 + MINUTE, verdict="NOT_SCAM")
    assert one.told()[-1] == "ended NOT_SCAM"
    one.take(Forwarding(party_token=PARTY, active=True, at_us=T0 + 30 * SECOND), T0 + 2 * MINUTE)

    assert one.told()[-1] == "3/1 VISIT CALLS_FORWARDED"
    assert one.party and one.party.calm == () and one.party.follow_ups == ()


def test_the_mildest_wait_for_the_morning_of_where_the_party_lives_and_the_grave_do_not() -> None:
    night = from_iso("2026-11-02T23:30:00+08:00")
    one, other, grave = One(), One(), One()
    one.take(warning(1, night), night)
    other.take(warning(1, night, timezone="Europe/London"), night)
    grave.take(warning(2, night), night)

    assert one.attempts == [] and other.attempts and grave.attempts
    morning = from_iso("2026-11-03T07:00:00+08:00")
    assert one.party and ladder.next_due_us(one.party) == morning
    passing(one, morning)
    assert one.told() == ["0/1 SMS QUIET_OVER"]


def test_one_in_twenty_is_told_nothing_mild_and_everything_grave() -> None:
    parties = [token_of(f"someone-{n}") for n in range(4_000)]
    share = sum(held_out(each, 5) for each in parties) / len(parties)
    one = One()
    for severity in (1, 2, 3, 4):
        one.take(warning(severity, party=MUTE), T0)

    assert 0.04 < share < 0.06
    assert one.told()[:2] == ["suppressed HELD_OUT", "suppressed HELD_OUT"]
    assert {each.severity for each in one.attempts} == {3, 4}
    assert not held_out(MUTE, 0)


def test_after_no_scam_the_same_evidence_is_not_told_for_30_days_but_new_evidence_is() -> None:
    one = One()
    one.take(warning(3), T0)
    one.heard(one.attempts[0], "ANSWERED", T0 + MINUTE, verdict="NOT_SCAM")
    later = T0 + 10 * DAY
    one.take(warning(3, later), later)
    assert one.told()[-1] == "suppressed NOT_SCAM"
    more = (*warning(3).top_reasons, Reason(code="PAYER_GUIDED", contribution=1.0, text=""))
    one.take(warning(3, later + SECOND, top_reasons=more), later + SECOND)
    assert one.told()[-1] == "0/1 IN_APP BEGUN"
    after = One()
    after.take(warning(3), T0)
    after.heard(after.attempts[0], "ANSWERED", T0 + MINUTE, verdict="NOT_SCAM")
    after.take(warning(3, T0 + 31 * DAY), T0 + 31 * DAY)
    assert after.told()[-1] == "0/1 IN_APP BEGUN"


def test_a_graver_warning_takes_the_place_of_a_running_one_and_a_milder_one_waits() -> None:
    one = One()
    one.take(warning(2), T0)
    one.take(warning(1), T0 + SECOND)
    one.take(warning(4), T0 + 2 * SECOND)

    assert one.told()[:4] == [
        "0/1 IN_APP BEGUN", "suppressed RUNNING", "ended SUPERSEDED", "0/1 IN_APP BEGUN",
    ]  # fmt: skip


def test_a_channel_that_the_country_forbids_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    law = jurisdiction("CN")
    rule = law.warning[-1].model_copy(update={"without": ("IN_APP", "ROBOT_CALL")})
    forbidding: Jurisdiction = law.model_copy(update={"warning": (rule,)})
    forbidding.__dict__.pop("_regimes", None)
    one = One(law=forbidding)
    one.take(warning(2), T0)

    assert one.told() == ["0 IN_APP skipped FORBIDDEN", "1/1 SMS SKIPPED"]


def test_an_answer_in_the_apps_dialogue_ends_the_ladder() -> None:
    one = One()
    one.take(warning(4), T0)
    answer = Answer(party_token=PARTY, warning_id=f"w4-{T0}", verdict="DISSUADED", at_us=T0 + SECOND)
    one.take(answer, T0 + SECOND)

    assert one.told()[-1] == "ended DISSUADED"


def test_the_newest_entry_of_the_journal_is_the_party() -> None:
    one = One()
    events = one.take(warning(4), T0)
    assert one.party
    value = msgspec.json.encode(ladder.entry(one.party, tuple(events)))

    assert msgspec.json.decode(value, type=ContactEntry).party == one.party


def test_about_one_closed_ladder_in_sixteen_goes_to_a_supervisor() -> None:
    reviewed = 0
    for n in range(400):
        one = One()
        one.take(warning(3, T0, warning_id=f"w-{n}"), T0)
        one.heard(one.attempts[0], "ANSWERED", T0 + SECOND, verdict="NOT_SCAM")
        reviewed += sum(isinstance(each, Ended) and each.review for each in one.events)

    assert 0.05 * 400 <= reviewed <= 0.09 * 400
