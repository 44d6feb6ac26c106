"""Warnings: how grave, in which words, how often."""

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise, product
from operator import attrgetter
from pathlib import Path
from typing import Any

import apache_beam as beam
import msgspec
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.test_stream import TestStream
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from measures.law.country_file import FOLDER, jurisdiction
from measures.victims import words as victim_words
from measures.victims.cooldown import Said, may_warn
from measures.victims.lengths import segments
from measures.victims.words import text_fault
from models import features
from models.features import Legs
from models.ledgers.table import NEVER
from pipelines import policy, words
from pipelines.hot.apart import apart
from pipelines.hot.dissuade import HEARD, Dissuade, blocks
from pipelines.hot.warn import CHANNELS, VALID_US, fraud_classes, severity, warning
from pipelines.in_process.runner import in_process
from pipelines.kafka.port import Chunk, KafkaSettings
from pipelines.kafka.reading.bounded import ReadChunksBounded
from pipelines.kafka.sink import OutRecord
from pipelines.policy import DELAY, HOLD, STOP, WARN, Decision, Policy
from pipelines.state.shard_state import Tables
from pipelines.state.shards import Block
from pipelines.state.store import BeamStore, Received
from schemas.errors import ConfigError
from schemas.rows import Rows
from schemas.rows.tokens import token_text
from schemas.rows.transfers import CALL_IN_PROGRESS, REMOTE_CONTROL, SCREEN_SHARE, paid
from schemas.scams import FRAUD_CLASSES, FraudClass
from schemas.warning import Warning
from tests.hotpath.conftest import Stream
from tests.hotpath.states import Shard

COUNTRIES = sorted(path.stem.upper() for path in FOLDER.glob("*.yaml"))
HOUR_US, T0_US = 3_600_000_000, 1_756_656_000_000_000
CN = jurisdiction("CN")
WORDS, _ = words.load()


def one(stream: Stream, *, signals: int = 0, share: float = 0.1, count_1d: float = 0.0) -> Legs:
    """The credit leg of one payment whose payer shows what is asked for."""
    legs = Legs(*(column[:1].copy() for column in stream.history.credit))
    legs.transfer["signals"] = signals
    legs.transfer["amount_minor"] = 1_000
    legs.transfer["balance_after_minor"] = round(1_000 / share) - 1_000
    legs.payer["count"][0, 1] = count_1d
    return legs


def warned(stream: Stream, rules: Policy, outcome: int = HOLD, **shown: Any) -> Warning:
    return of(rules, one(stream, **shown), outcome)


def of(rules: Policy, legs: Legs, outcome: int = HOLD) -> Warning:
    """The warning about one credit leg."""
    (payment,), (kind,) = paid(legs.transfer), kinds(legs)
    return warning(rules, payment, Decision(outcome, 0.75, ()), kind, hold=True)


def kinds(legs: Legs) -> list[FraudClass]:
    """The kind of scam of each leg."""
    return fraud_classes(legs, features.matrix(["balance_share"], legs)[:, 0])


# Severity and words


@pytest.mark.parametrize(
    ("outcome", "signals", "expected"),
    [
        (WARN, 0, 1), (WARN, REMOTE_CONTROL, 1), (DELAY, 0, 2), (DELAY, CALL_IN_PROGRESS, 2), (HOLD, 0, 3),
        (HOLD, SCREEN_SHARE, 4), (STOP, 0, 4), (STOP, REMOTE_CONTROL, 4),
    ],
)  # fmt: skip
def test_severity_follows_the_outcome_and_whether_the_payer_is_guided(
    stream: Stream, rules: Policy, outcome: int, signals: int, expected: int
) -> None:
    made = warned(stream, rules, outcome, signals=signals)

    assert severity(outcome, signals) == made.severity == expected
    assert made.grade == {4: "高", 3: "高", 2: "中", 1: "低"}[expected]
    assert made.channels == CHANNELS[expected]
    assert made.valid_until_us - made.issued_at_us == VALID_US[expected]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ({"signals": CALL_IN_PROGRESS, "share": 0.9}, "POLICE_COURT"),
        ({"signals": CALL_IN_PROGRESS | SCREEN_SHARE, "share": 0.9}, "POLICE_COURT"),
        ({"signals": CALL_IN_PROGRESS, "share": 0.3}, "UNKNOWN"),
        ({"signals": REMOTE_CONTROL}, "FAKE_SERVICE"),
        ({"signals": SCREEN_SHARE, "count_1d": 5.0}, "FAKE_SERVICE"),
        ({"count_1d": 2.5}, "BRUSHING"),
        ({"count_1d": 1.5}, "UNKNOWN"),
    ],
)
def test_the_kind_of_scam_is_guessed_from_what_the_payer_shows(
    stream: Stream, shown: dict[str, Any], expected: str
) -> None:
    assert kinds(one(stream, **shown)) == [expected]


@pytest.mark.parametrize("country", COUNTRIES)
def test_words_fit_have_no_link_and_no_number_but_the_known_one(country: str) -> None:
    law = jurisdiction(country)
    for language, kind, grade, held in product(law.languages, FRAUD_CLASSES, (1, 2, 3, 4), (False, True)):
        hotline = law.warning[-1].hotline_in(language)
        chosen, said = WORDS.warning(kind, language, grade, held=held, until="30 Nov 14:20" if held else "")
        text = said.replace("{hotline}", hotline)
        assert segments(text) <= WORDS.in_language(language).segments
        assert text_fault(said) == "" and hotline in text
        assert not re.search("[{}]", text)
        assert chosen == (language if language in WORDS.victims else "en")


def test_a_held_payment_is_said_to_be_held_first_and_until_when() -> None:
    for kind, grade in product(FRAUD_CLASSES, (1, 2, 3, 4)):
        _, held = WORDS.warning(kind, "zh-Hans", grade, held=True, until="30日14:20")
        _, plain = WORDS.warning(kind, "zh-Hans", grade, held=False)

        assert held == f"这笔钱还没转出，暂停到30日14:20。{plain}"
        assert len(held.replace("{hotline}", "96110")) <= 70
        assert WORDS.warning(kind, "en", grade, held=True)[1].startswith("Your money has not left")


def test_a_warning_about_a_held_payment_says_when_the_hold_of_the_countrys_law_ends(
    stream: Stream, rules: Policy
) -> None:
    made = warned(stream, rules)
    term = CN.on(made.issued_at_us).hold_at("payer_delay", made.issued_at_us)

    assert term and made.hold_until_us == CN.calendar.add(made.issued_at_us, term[1].term)
    assert f"暂停到{CN.calendar.local(made.hold_until_us):%-d日%H:%M}。" in made.text


def test_a_kind_of_scam_is_named_only_where_the_policy_says_that_guesses_are_right(
    stream: Stream, rules: Policy
) -> None:
    named = replace(rules, named_classes=frozenset(FRAUD_CLASSES))

    assert warned(stream, named, signals=REMOTE_CONTROL).template_id == "FAKE_SERVICE_4"
    unnamed = warned(stream, replace(rules, named_classes=frozenset()), signals=REMOTE_CONTROL)
    assert (unnamed.fraud_class, unnamed.template_id) == ("UNKNOWN", "UNKNOWN_4")


def test_at_severity_4_the_button_stops_first_and_going_on_waits_30_seconds_and_asks_why(
    stream: Stream, rules: Policy
) -> None:
    shown = warned(stream, rules, STOP).dialogue

    assert shown and shown.pause_s == 30
    assert [(button.act, button.after_s, button.needs_reason) for button in shown.buttons] == [
        ("STOP", 0, False), ("HANG_UP", 0, False), ("CONTINUE", 30, True),
    ]  # fmt: skip
    assert warned(stream, rules, HOLD).dialogue and not warned(stream, rules, DELAY).dialogue


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ("UNKNOWN: {en: 'Call {phone}'}", "it may fill in hotline"),
        ("UNKNOWN: {en: 'See www.bank.com'}", "holds a link"),
        ("UNKNOWN: {en: 'Call 4001234567'}", "more than four digits"),
        ("UNKNOWN: {zh-Hans: x}", "needs a text in English"),
        ("PONZI: {en: x}", "no kind of scam 'PONZI'"),
    ],
)
def test_a_banks_own_warnings_that_cannot_be_used_are_refused(own: str, said: str, tmp_path: Path) -> None:
    (tmp_path / words.OWN_WARNINGS).write_text(own)

    with pytest.raises(ConfigError, match=said):
        words.load(tmp_path)


def test_a_policy_names_a_folder_of_the_banks_own_words_and_is_stamped_with_them(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / words.OWN_WARNINGS).write_text("UNKNOWN: {en: 'Call {hotline} before you pay.'}")
    file = tmp_path / "policy.yaml"
    file.write_text(policy.DEFAULT.read_text() + "words: mine\n")

    own = policy.load(file)

    assert own.words.warning("UNKNOWN", "zh-Hans", 1, held=False) == ("en", "Call {hotline} before you pay.")
    assert own.words.warning("BRUSHING", "zh-Hans", 1, held=False)[0] == "zh-Hans"
    before = own.stamp
    (tmp_path / "mine" / words.OWN_WARNINGS).write_text("UNKNOWN: {en: 'Ring {hotline} before you pay.'}")
    assert policy.load(file).stamp != before


def test_a_bank_replaces_the_words_of_a_language_by_a_file_of_its_own(tmp_path: Path) -> None:
    own = (
        (victim_words.FOLDER / "en.yaml").read_text().replace("This payment may be a scam.", "Is it a scam?")
    )
    (tmp_path / words.OWN_LANGUAGES).mkdir()
    (tmp_path / words.OWN_LANGUAGES / "en.yaml").write_text(own)

    mine, stamp = words.load(tmp_path)

    assert stamp and mine.warning("UNKNOWN", "en", 2, held=False)[1].startswith("Is it a scam?")
    (tmp_path / words.OWN_LANGUAGES / "en.yaml").write_text(own.replace("  GAME:", "  PONZI:"))
    with pytest.raises(ConfigError, match="PONZI"):
        words.load(tmp_path)


def test_a_warning_names_the_countrys_number_and_nothing_personal_and_no_token_that_nobody_knows(
    stream: Stream, rules: Policy
) -> None:
    made = warned(stream, rules)
    transfer = stream.rows[0]

    assert token_text(transfer["creditor_account"])[-4:] not in made.text
    assert not re.search("[{}]", made.text)
    assert "96110" in made.text
    assert made.party_token == token_text(transfer["debtor"])
    assert made.party_token not in made.text
    assert made.legal_basis == CN.on(int(transfer["at_us"])).warning.basis_in("zh-Hans")
    assert (made.language, made.posterior, made.issued_at_us) == ("zh-Hans", 0.75, transfer["at_us"])


@pytest.mark.parametrize("country", COUNTRIES)
def test_a_language_without_words_gets_the_english_ones(stream: Stream, rules: Policy, country: str) -> None:
    law = jurisdiction(country)
    for language in law.languages:
        made = warned(stream, replace(rules, law=law, language=language))
        known = language in WORDS.victims
        assert made.language == (language if known else "en")
        assert made.jurisdiction == country


def test_the_same_payment_gives_the_same_warning_and_another_says_the_same_thing_under_another_id(
    stream: Stream, rules: Policy
) -> None:
    made, again = warned(stream, rules), warned(stream, rules)
    legs = one(stream)
    legs.transfer["txn_id"] = b"another"
    other = of(rules, legs)

    assert made == again
    assert made.warning_id != other.warning_id
    assert made.dedup_key == other.dedup_key


# How often


def said(hours: float, grade: int = 1, kind: Any = "BRUSHING") -> Said:
    return Said(round(T0_US + hours * HOUR_US), grade, kind)


@pytest.mark.parametrize(
    ("earlier", "asked", "allowed"),
    [
        ([], said(0), True),
        ([said(0)], said(1), False),
        ([said(0)], said(6), True),
        ([said(0)], said(1, kind="UNKNOWN"), True),
        ([said(0)], said(1, grade=2), True),
        ([said(0, grade=3)], said(1, grade=2), False),
        ([said(2)], said(1), False),
        ([said(0), said(6), said(12)], said(18.5), False),
        ([said(0), said(6), said(12)], said(18.5, grade=2), True),
        ([said(0), said(6), said(12, grade=2)], said(18.5, grade=2), False),
        ([said(0, grade=4)], said(7, grade=1), True),
    ],
)
def test_cool_down_daily_cap_and_upgrades(earlier: list[Said], asked: Said, allowed: bool) -> None:
    assert may_warn(tuple(earlier), asked, CN.on(asked.at_us)) == allowed


def message(hours: float, grade: int = 1, kind: Any = "BRUSHING", party: str = "a" * 26) -> Warning:
    return Warning(
        warning_id=f"w{hours}", dedup_key="", jurisdiction="CN", party_token=party, severity=grade,
        grade="", fraud_class=kind, posterior=0.5, top_reasons=(), channels=(), template_id="",
        language="en", text="", txn_id="", amount_minor=1, currency="CNY", hold=False, legal_basis="",
        issued_at_us=round(T0_US + hours * HOUR_US), valid_until_us=0,
    )  # fmt: skip


TABLES = Tables()


def opened(state: Shard) -> BeamStore:
    """The states of one shard, for a bundle."""
    store = BeamStore(TABLES)
    store.open(0, state.head, {HEARD.name: state.logs})
    return store


def dissuaded(state: Shard, *asked: Warning) -> list[OutRecord]:
    """The records of one bundle of warnings in one shard."""
    (block,) = blocks(asked, 1)
    store = opened(state)
    sent = [out.element for out in Dissuade(CN).take([Received(*block, 0)], store)]
    store.save()
    return sent


def heard(state: Shard) -> Rows:
    return opened(state).known(HEARD, 0).filled


def hour_of(record: OutRecord) -> float:
    return (record.timestamp_us - T0_US) / HOUR_US


steps = st.lists(
    st.tuples(st.floats(0, 20), st.integers(1, 4), st.sampled_from(["BRUSHING", "UNKNOWN"])), max_size=20
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_nobody_gets_more_than_the_days_cap_of_warnings_except_for_graver_ones(drawn: list[Any]) -> None:
    state, now, sent = Shard(), 0.0, []
    for gap, grade, kind in drawn:
        now += gap
        went = dissuaded(state, message(now, grade, kind))
        sent += [(now, grade, kind)] * len(went)
        recent = [each for each in sent if now - each[0] < 24]
        if went and len(recent) > 3:
            assert grade > max(each[1] for each in recent[:-1])
        alike = [each for each in recent[:-1] if each[2] == kind and now - each[0] < 6 - 1e-6]
        if went:
            assert all(grade > each[1] for each in alike)
    if drawn:
        assert sent


#: Hour, severity and party of warnings about one kind of scam, and those that go out.
ASKED = (
    (0, 1, "a"), (1, 1, "a"), (1.5, 1, "e"), (2, 3, "a"), (3, 3, "a"), (40, 1, "a"), (41, 1, "a"),
)  # fmt: skip
SENT = [("a", 0), ("e", 1.5), ("a", 2), ("a", 40)]


@settings(max_examples=60, deadline=None)
@given(steps, st.sets(st.integers(1, 19)), st.permutations(range(20)))
def test_a_bundles_warnings_are_decided_by_event_time_whatever_order_they_come_in_and_beside_others(
    drawn: list[Any], cuts: set[int], shuffle: list[int]
) -> None:
    """Every other one is of a second party."""
    asked = [message(hours, *rest, party="ae"[n % 2] * 26) for n, (hours, *rest) in enumerate(drawn)]
    asked = [asked[place] for place in shuffle if place < len(asked)]
    alone = {party: Shard() for party in ("a" * 26, "e" * 26)}
    together = Shard()
    ends = [*sorted(cut for cut in cuts if cut < len(asked)), len(asked)]
    parts = [asked[start:end] for start, end in pairwise([0, *ends]) if end > start]
    in_order = [each for part in parts for each in sorted(part, key=attrgetter("issued_at_us", "warning_id"))]
    expected = [record for each in in_order for record in dissuaded(alone[each.party_token], each)]

    assert [record for part in parts for record in dissuaded(together, *part)] == expected


def test_state_keeps_the_last_day_alone() -> None:
    state = Shard()
    for hours in (0, 7, 14, 40):
        dissuaded(state, message(hours))
    (party,) = heard(state)

    assert [round((at - T0_US) / HOUR_US) for at in party["at_us"].tolist() if at != NEVER] == [40]


def test_what_many_parties_were_told_holds_from_one_block_to_the_next_and_after_a_restart() -> None:
    state = Shard()
    parties = [f"{letters}{'a' * 22}" for letters in map("".join, product("abcdef", repeat=4))]
    told = dissuaded(state, *(message(0, party=each) for each in parties))
    again = dissuaded(state, *(message(1, party=each) for each in parties))
    TABLES.live.clear()
    after = dissuaded(state, *(message(2, party=each) for each in parties))

    assert (len(told), again, after) == (len(parties), [], [])


def test_a_bundle_that_ends_early_leaves_no_row_of_whom_it_asked_about() -> None:
    state = Shard()
    (block,) = blocks([message(0)], 1)
    with pytest.raises(KeyboardInterrupt), state.bundle():
        next(Dissuade(CN).take([Received(*block, 0)], opened(state)))
        raise KeyboardInterrupt

    assert not len(heard(state))


def test_on_a_streaming_runner_parties_are_warned_by_event_time() -> None:
    """BundleBasedDirectRunner with --streaming: TestStream's clock is real there."""
    events = TestStream()
    for hours, grade, party in ASKED:
        now = Timestamp(micros=round(T0_US + hours * HOUR_US))
        (block,) = blocks([message(hours, grade, party=party * 26)], 4)
        said_now = TimestampedValue(block, now)
        events = events.advance_watermark_to(now).add_elements([said_now])
    options = PipelineOptions(["--streaming"])
    with TestPipeline(runner="BundleBasedDirectRunner", options=options) as pipeline:
        records = (
            pipeline
            | events.advance_watermark_to_infinity()
            | beam.Map(lambda each: each).with_output_types(Block)
            | apart(Dissuade(CN), warnings=OutRecord)
        ).warnings
        sent = records | beam.Map(lambda record: (record.key.decode()[:1], hour_of(record)))
        assert_that(sent, equal_to(SENT))


def test_on_the_in_process_runner_what_was_said_in_one_bundle_holds_in_the_next(
    kafka: KafkaSettings, produce: Callable[..., str]
) -> None:
    """Each message is a bundle of its own; this runner fires event-time timers at once."""
    asked = [message(hours, grade, party=party * 26) for hours, grade, party in ASKED]
    times = [round(T0_US + hours * HOUR_US) for hours, *_ in ASKED]
    keys = [each.party_token.encode() for each in asked]
    topic = produce(keys, [*map(msgspec.json.encode, asked)], times)
    read = ReadChunksBounded(kafka, topic, chunk_rows=1, bundle_chunks=1)
    with beam.Pipeline(runner=in_process()) as pipeline:
        records = (
            pipeline
            | read
            | beam.FlatMap(by_party).with_output_types(Block)
            | apart(Dissuade(CN), warnings=OutRecord)
        ).warnings
        sent = records | beam.Map(lambda record: (record.key.decode()[:1], hour_of(record)))
        assert_that(sent, equal_to(SENT))


def by_party(chunk: Chunk) -> list[Block]:
    return list(blocks([msgspec.json.decode(value, type=Warning) for value in chunk.values], 4))


def test_the_record_of_a_warning_is_keyed_by_its_party() -> None:
    (record,) = dissuaded(Shard(), message(0))
    head = dict(record.headers)

    assert (record.topic, record.key) == ("warnings", b"a" * 26)
    assert head["ce_type"] == b"fp.warning.issued.v1"
    assert head["ce_subject"] == b"party:" + b"a" * 26
    assert record.timestamp_us == T0_US
