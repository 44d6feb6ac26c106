"""The victims job on a real broker: what goes in, what comes out, and what a restart knows."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import apache_beam as beam
import msgspec
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from measures.law.country_file import jurisdiction
from measures.victims.climb import Rules
from measures.victims.ladder import apply, entry
from pipelines import policy
from pipelines.in_process import runner
from pipelines.jobs.victims import build, write
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.reading.bounded import ReadChunksBounded
from pipelines.received import no_clock
from pipelines.streams.clues import saying_nothing
from pipelines.victims import steps
from pipelines.victims.journal import journal_bounds
from pipelines.victims.settings import VictimsSettings, check_sender
from schemas import topics
from schemas.clue import KINDS, Clue, ClueKind
from schemas.contact import ContactEntry, ContactOutcome, PartyTick, Planned
from schemas.dead_letter import DeadLetter
from schemas.errors import ConfigError
from schemas.feedback import Answered, Feedback
from schemas.rows.values import Values
from tests.tokens import token_of
from tests.victims.conftest import read, send
from tests.victims.test_ladder import MINUTE, PARTY, SECOND, T0, warning


def run(kafka: KafkaSettings, *, rebuilt: bool = False) -> None:
    """Run the job over everything in its topics; with `rebuilt` after the journal, else afresh."""
    bounds = journal_bounds(kafka) if rebuilt else ()
    settings = VictimsSettings(kafka, policy.load(), journal=bounds, clock=no_clock)
    with beam.Pipeline(runner=runner.in_process(), options=PipelineOptions([])) as pipeline:
        read_all = ReadChunksBounded(kafka, *topics.VICTIMS_READ)
        write(build(pipeline | read_all, settings), settings)


def keys(entries: Sequence[ContactEntry]) -> list[str]:
    return [each.attempt.key for entry in entries for each in entry.events if isinstance(each, Planned)]


def test_a_warning_becomes_a_try_and_an_outcome_the_next_and_a_rerun_after_the_journal_changes_nothing(
    kafka: KafkaSettings,
) -> None:
    made = warning(4)
    failed = ContactOutcome(
        key=f"{made.warning_id}/0/1", party_token=PARTY, channel="IN_APP", state="FAILED", at_us=T0 + SECOND
    )
    send(kafka, topics.WARNINGS, PARTY, made, made, at_us=T0)
    run(kafka)
    entries = read(kafka, topics.CONTACTS, ContactEntry)
    assert keys(entries) == [f"{made.warning_id}/0/1"]

    send(kafka, topics.WARNING_OUTCOMES, PARTY, failed, failed, at_us=T0 + SECOND)
    run(kafka, rebuilt=True)
    entries = read(kafka, topics.CONTACTS, ContactEntry)
    assert keys(entries) == [f"{made.warning_id}/0/1", f"{made.warning_id}/1/1"]

    run(kafka, rebuilt=True)
    assert read(kafka, topics.CONTACTS, ContactEntry) == entries
    assert read(kafka, topics.DEAD_LETTERS, DeadLetter) == []


def test_the_job_writes_what_the_ladder_says(kafka: KafkaSettings) -> None:
    made = warning(3)
    send(kafka, topics.WARNINGS, PARTY, made, at_us=T0)
    run(kafka)

    words = policy.load().words.victims
    party, events = apply(None, made, Rules(jurisdiction("CN"), words), T0)
    assert read(kafka, topics.CONTACTS, ContactEntry) == [entry(party, events)]


def test_an_answer_in_the_dialogue_ends_the_ladder(kafka: KafkaSettings) -> None:
    made = warning(4)
    send(kafka, topics.WARNINGS, PARTY, made, at_us=T0)
    run(kafka)
    answered = Feedback(
        feedback_id="f1", txn_id="t1", kind="DIALOGUE", verdict="UNKNOWN", known_at_us=T0 + SECOND,
        cause_id=made.warning_id, debtor=PARTY, answers=(Answered(question="purpose", choice="official"),),
        act="HANG_UP",
    )  # fmt: skip
    other = msgspec.structs.replace(answered, kind="LABEL")
    send(kafka, topics.FEEDBACK, PARTY, answered, other, at_us=T0 + SECOND)
    run(kafka, rebuilt=True)

    last = read(kafka, topics.CONTACTS, ContactEntry)[-1]
    assert [each.ended for each in last.party.ladders] == ["DISSUADED"]
    assert last.party.watch_until_us > T0


def clue(kind: ClueKind, **fields: object) -> Clue:
    made = Clue(clue_id="c1", kind=kind, party=PARTY, at_us=T0)
    return msgspec.structs.replace(made, **fields)


def test_a_listed_caller_begins_a_ladder_and_a_forwarded_line_is_remembered(kafka: KafkaSettings) -> None:
    other = token_of("other")
    talked = clue("CALL", active=False, duration_s=600, grade=3, tail="0123")
    forwarded = clue("FORWARDING", clue_id="c2", party=other)
    send(kafka, topics.CLUES, PARTY, talked, clue("CALL", clue_id="c3"), at_us=T0)
    send(kafka, topics.CLUES, other, forwarded, at_us=T0)
    run(kafka)

    entries = {each.party_token: each for each in read(kafka, topics.CONTACTS, ContactEntry)}
    (told,) = entries[PARTY].party.ladders
    assert (told.severity, told.grade_kind) == (2, "CONTACT")
    assert "尾号0123" in told.text and "96110" in told.text
    assert entries[other].party.forwarded_us == T0


def test_clues_that_are_passed_over_by_columns_are_those_that_are_no_command() -> None:
    said = [
        clue(kind, active=active, grade=grade, duration_s=600)
        for kind, active, grade in itertools.product(KINDS, (False, True), range(4))
    ]
    values = [msgspec.json.encode(each) for each in said]
    values += [value[:-1] + b',"grade":0}' for value in values if b"grade" not in value]
    settings = VictimsSettings(KafkaSettings("b:9092"), policy.load(), clock=lambda: T0, ticks=True)
    quiet = saying_nothing(Values.of(values)).tolist()
    for value, passed_over in zip(values, quiet, strict=True):
        if passed_over:
            assert steps._clue(value, settings) is None
    assert sum(quiet) == 2 * 2 * (len(KINDS) - 1)
    assert not saying_nothing(Values.of([b"{", b'{"kind": 7, "grade": 0}', b""])).any()


def test_what_cannot_be_read_is_a_dead_letter_and_stops_nobody(kafka: KafkaSettings) -> None:
    nowhere = warning(4, jurisdiction="ZZ", party=token_of("nowhere"))
    for topic in topics.VICTIMS_READ:
        send(kafka, topic, PARTY, b"{", b'{"kind": 7, "grade": 1}', at_us=T0)
    send(kafka, topics.WARNINGS, PARTY, nowhere, warning(4), at_us=T0)
    run(kafka)

    letters = read(kafka, topics.DEAD_LETTERS, DeadLetter)
    others = (topics.WARNINGS, topics.WARNING_OUTCOMES, topics.FEEDBACK)  # the main job reads every clue
    expected = [topic for topic in others for _ in range(2)] + [topics.WARNINGS, topics.CLUES]
    assert sorted(each.topic for each in letters) == sorted(expected)
    assert {each.error_code for each in letters} == {"NOT_JSON", "INVALID", "NO_LAW"}
    assert all(each.stage == "victims" and each.value for each in letters)
    assert len(read(kafka, topics.CONTACTS, ContactEntry)) == 1


def test_a_tick_lets_time_pass_and_an_early_one_does_not(kafka: KafkaSettings) -> None:
    made = warning(4)
    send(kafka, topics.WARNINGS, PARTY, made, at_us=T0)
    run(kafka)
    send(kafka, topics.WARNING_OUTCOMES, PARTY, PartyTick(party_token=PARTY), at_us=T0 + SECOND)
    run(kafka, rebuilt=True)
    assert len(keys(read(kafka, topics.CONTACTS, ContactEntry))) == 1
    send(kafka, topics.WARNING_OUTCOMES, PARTY, PartyTick(party_token=PARTY), at_us=T0 + MINUTE)
    run(kafka, rebuilt=True)
    assert len(keys(read(kafka, topics.CONTACTS, ContactEntry))) == 2


@pytest.mark.parametrize(
    ("country", "sender", "good"),
    [
        ("sg", "ExampleBank", True), ("sg", "x" * 12, False), ("sg", "", False), ("uk", "", True),
        ("cn", "示例银行", True), ("cn", "反诈提醒", False), ("hk", "#ExampleBk", True),
        ("hk", "Bank", False),
    ],
)  # fmt: skip
def test_messages_go_out_under_a_registered_name_where_the_country_has_a_register(
    country: str, sender: str, good: bool
) -> None:
    rules = policy.load(policy.named(country=country))
    if good:
        check_sender(rules, sender, T0)
        return
    with pytest.raises(ConfigError, match="sender"):
        check_sender(rules, sender, T0)


def test_settings_of_another_country_use_its_file(kafka: KafkaSettings) -> None:
    settings = replace(VictimsSettings(kafka, policy.load()), hold_out_percent=0)

    assert settings.rules("").law.id == "CN" and settings.rules("SG").law.id == "SG"
