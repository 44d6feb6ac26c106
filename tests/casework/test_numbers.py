"""How suspect numbers are, from reports: told on a topic, as people confirm and take back, as it fades."""

import msgspec
import numpy as np
import pytest

from measures.casework import read_report
from measures.numbers.indicator import HALF_LIFE_US, Evidence, falls_us, indicator
from models.ledgers.clues import GRADED
from pipelines import policy
from pipelines.kafka.port import Chunk
from pipelines.process import PROCESS
from pipelines.streams.clock import window
from pipelines.streams.clues import CLUES_STREAM
from pipelines.streams.indicators import INDICATORS
from schemas import topics
from schemas.casework import Recycled
from schemas.clue import Clue
from schemas.ids import derived_id
from schemas.indicator import NumberIndicator
from schemas.report import Entity, Finding, Revocation
from schemas.rows.values import Values
from schemas.token_recipe import token
from tests.casework.kit import DAY, T0, Bureau, number, report
from tests.tokens import token_of

LINE = token_of("line-1")


def line(name: str = LINE) -> Entity:
    return Entity(kind="SIM", value=name, role="SUSPECT")


def grade(bureau: Bureau) -> int:
    (found,) = bureau.all("number")
    assert isinstance(found, NumberIndicator)
    return found.grade


def test_reports_of_a_line_make_its_grade_and_one_reporter_never_the_highest() -> None:
    bureau = Bureau()

    for each in range(5):
        bureau.report(report(each, line()))
    (alone,) = bureau.all("number")
    bureau.report(report("other", line(), reporter="operator-1", origin="OPERATOR"))
    (both,) = bureau.all("number")
    bureau.report(report("third", line(), reporter="bank-1", origin="BANK"))

    assert (alone.grade, alone.distinct_reporters, alone.reasons) == (1, 1, ("REPORT",))
    assert (both.grade, both.distinct_reporters) == (3, 2)
    assert both.sources == ("CITIZEN", "OPERATOR") and both.reasons == ("FINDING", "REPORT")
    assert both.number_token == LINE and both.model_version
    assert grade(bureau) == 3


def test_a_victims_line_is_never_graded() -> None:
    bureau = Bureau()

    bureau.report(report(1, Entity(kind="SIM", value=LINE, role="VICTIM")))

    assert bureau.all("number") == []


def test_a_confirmed_report_is_counted_once_and_one_that_is_taken_back_is_gone() -> None:
    bureau = Bureau()
    bureau.report(report(1, line(), origin="BANK"))
    finding = Finding(report_id="report-1", verdict="CONFIRMED", by="desk-1", reason="found")
    bureau.say(finding)
    bureau.say(finding)
    (confirmed,) = bureau.all("number")

    bureau.report(report(2, line(), reporter="citizen-2"))
    bureau.report(Revocation(report_id="report-2", reporter="citizen-2"))
    (after,) = bureau.all("number")

    assert confirmed.confirmed_reports == 1
    assert (after.distinct_reporters, after.grade) == (1, confirmed.grade)


def test_a_recycled_number_has_grade_0_at_once_and_what_is_said_later_counts() -> None:
    bureau = Bureau()
    bureau.report(report(1, line(), origin="BANK"))
    bureau.report(report(2, line(), origin="OPERATOR", reporter="operator-1"))
    assert grade(bureau) == 3

    bureau.now += DAY
    bureau.say(Recycled(subject_id=derived_id("subject", "SIM", LINE), since_us=bureau.now))
    (after,) = bureau.all("number")
    bureau.now += DAY
    bureau.report(report(3, line(), reporter="bank-2", origin="BANK"))

    assert (after.grade, after.distinct_reporters, after.valid_until_us) == (0, 0, 0)
    assert grade(bureau) == 2


def test_a_grade_falls_by_itself_when_it_says_so_and_never_rises_without_evidence() -> None:
    bureau = Bureau()
    bureau.report(report(1, line(), origin="BANK"))
    bureau.report(report(2, line(), origin="OPERATOR", reporter="operator-1"))
    grades = [grade(bureau)]

    for _ in range(100):
        (before,) = bureau.all("number")
        bureau.wait(DAY)
        (after,) = bureau.all("number")
        grades.append(after.grade)
        fell = before.valid_until_us and bureau.now >= before.valid_until_us
        assert (after.grade < before.grade) == bool(fell)

    assert grades == sorted(grades, reverse=True)
    assert grades[0] == 3 and grades[-1] == 0


@pytest.mark.parametrize("kinds", [["REPORT"], ["AUTHORITY"], ["REPORT", "FINDING"], ["AUTHORITY"] * 4])
def test_the_time_a_grade_falls_is_the_first_second_of_the_lower_one(kinds: list[str]) -> None:
    said = [Evidence(kind, f"r-{place}", T0) for place, kind in enumerate(kinds)]  # type: ignore[arg-type]

    at_us = falls_us(said, T0)

    assert indicator(said, at_us - 1_000_000).grade == indicator(said, T0).grade
    assert indicator(said, at_us).grade < indicator(said, T0).grade
    assert falls_us(said, T0 + 6 * HALF_LIFE_US) == 0


def test_a_number_in_clear_has_the_token_that_producers_make_where_the_job_knows_the_secret() -> None:
    secret = b"s" * 32
    message = msgspec.json.encode(report(1, number("+82 2 1234 5678")))

    (with_keys,) = read_report(message, Bureau().ring, T0, lambda *given: token(secret, *given))  # type: ignore[misc]
    (without,) = read_report(message, Bureau().ring, T0)  # type: ignore[misc]

    (named,) = with_keys.command.report.entities
    assert named.facts == {"token": token(secret, "PHONE", "+82212345678")}
    assert without.command.report.entities[0].facts == {}


# What the main job makes of it.


def chunk(topic: str, *values: bytes, at_us: int = T0) -> Chunk:
    places = np.arange(len(values))
    return Chunk(topic, Values.of(list(values)), places.astype(np.int32), places, places * 0 + at_us)


@pytest.mark.parametrize(
    ("grade", "until_us", "counts"),
    [(2, T0 + DAY, True), (1, T0 + DAY, False), (3, T0 - 1, False), (0, 0, False)],
)
def test_a_clue_about_a_number_that_was_graded_meanwhile_counts_while_the_grade_holds(
    grade: int, until_us: int, counts: bool
) -> None:
    PROCESS.end("grades")
    rules = policy.load()
    known = NumberIndicator(key="k", number_token=LINE, grade=grade, valid_until_us=until_us, version=2)
    older = NumberIndicator(key="k", number_token=LINE, grade=3 - grade, valid_until_us=T0 + DAY, version=1)
    said = [msgspec.json.encode(each) for each in (known, older)]
    call = Clue(clue_id="c", kind="CALL", party=token_of("p"), at_us=T0, counterparty=LINE)
    other = Clue(clue_id="d", kind="CALL", party=token_of("p"), at_us=T0, counterparty=token_of("line-2"))

    read = INDICATORS.decode(
        graded := chunk(topics.INDICATORS, *said, b""), rules, window(graded, rules.clock, None)
    )
    calls = chunk(topics.CLUES, msgspec.json.encode(call), msgspec.json.encode(other))
    (rows,) = CLUES_STREAM.decode(calls, rules, window(calls, rules.clock, None)).facts
    PROCESS.end("grades")

    assert read.letters == []
    assert [bool(flags & GRADED) for flags in rows["flags"].tolist()] == [counts, False]


def test_what_is_no_indicator_is_a_dead_letter() -> None:
    rules = policy.load()
    bad = chunk(topics.INDICATORS, b"{}", b"\xff", b'{"key":"k","number_token":"+86138"}')

    read = INDICATORS.decode(bad, rules, window(bad, rules.clock, None))

    assert len(read.letters) == 3
