"""Words for victims: complete, true whatever the scam is, short, and questions that end."""

from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measures.law.country_file import FOLDER as COUNTRIES
from measures.law.country_file import jurisdiction
from measures.victims import words
from measures.victims.lengths import is_gsm7, segments, units
from measures.victims.words import TREE, shipped, text_fault, verdict_of
from schemas.errors import ConfigError
from schemas.scams import FRAUD_CLASSES, SCAM_CLASSES
from schemas.warning import Dialogue, DialogueVerdict

LAWS = [jurisdiction(path.stem.upper()) for path in sorted(COUNTRIES.glob("*.yaml"))]
UNTIL = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
IN_FULL = tuple(shipped())


def test_each_kind_of_scam_has_one_row_with_its_names_elsewhere() -> None:
    assert set(SCAM_CLASSES) == set(FRAUD_CLASSES) and len(FRAUD_CLASSES) == 13
    assert FRAUD_CLASSES[:4] == ("BRUSHING", "POLICE_COURT", "FAKE_SERVICE", "UNKNOWN"), "places are stored"
    shares = [each.share for each in SCAM_CLASSES.values()]
    assert 99 <= sum(shares) <= 101
    assert all(each.xarf for each in SCAM_CLASSES.values())


def test_the_first_language_of_every_shipped_country_has_words() -> None:
    assert {law.languages[0] for law in LAWS} <= set(shipped())


@pytest.mark.parametrize("language", shipped())
def test_words_of_a_language_are_complete_and_keep_the_rules(language: str) -> None:
    said = shipped()[language]
    assert list(words.faults(said)) == []
    hotlines = {
        rule.hotline_in(language) for law in LAWS if language in law.languages for rule in law.warning
    }
    for kind, grade, hotline in product(FRAUD_CLASSES, (1, 2, 3, 4), hotlines):
        for text in (
            said.warning(kind, grade, held=False),
            said.warning(kind, grade, held=True, until=UNTIL.strftime(said.until)),
            said.contact_warning(grade, "1234"),
            said.contact_warning(grade),
            *said.follow_ups.values(),
        ):
            full = text.replace("{hotline}", hotline)
            assert segments(full) <= said.segments
            assert text_fault(text) == "" and "{" not in full
    if language.startswith("zh"):
        assert said.segments == 1
    if language in IN_FULL:
        assert said.questions and said.script


def test_the_call_script_has_the_test_withdrawal() -> None:
    assert any("withdraw all of the profit" in line for line in shipped()["en"].script)
    assert any("全部提现" in line for line in shipped()["zh-Hans"].script)


@given(
    st.text(max_size=30),
    st.sampled_from(["https://x", "www.a", "a.com", "12345", "b" * 26, "{name}", "{x!r}"]),
)
def test_a_link_a_number_a_token_or_an_unknown_placeholder_is_found_wherever_it_stands(
    around: str, wrong: str
) -> None:
    plain = around.replace("{", "").replace("}", "")

    assert text_fault(f"{plain} {wrong} {plain}") != ""


@given(st.text(max_size=200))
def test_a_text_is_counted_as_the_sms_it_takes(text: str) -> None:
    parts = segments(text)
    one, several = (160, 153) if is_gsm7(text) else (70, 67)
    assert parts >= 1
    assert (parts == 1) == (units(text) <= one)
    assert units(text) <= max(one, parts * several)


def paths(dialogue: Dialogue) -> list[tuple[list[str], DialogueVerdict]]:
    """Every way through a dialogue: its questions, and the verdict it ends in."""
    asked = {question.id: question for question in dialogue.questions}
    found: list[tuple[list[str], DialogueVerdict]] = []
    ahead: list[list[str]] = [[dialogue.questions[0].id]]
    while ahead:
        way = ahead.pop()
        for choice in asked[way[-1]].choices:
            if choice.verdict is not None:
                found.append((way, choice.verdict))
            else:
                ahead.append([*way, choice.then])
    return found


@pytest.mark.parametrize("language", IN_FULL)
@pytest.mark.parametrize("severity", [3, 4])
def test_every_question_is_reached_and_every_path_ends_within_five(language: str, severity: int) -> None:
    dialogue = shipped()[language].dialogue(severity)
    assert dialogue is not None
    ways = paths(dialogue)

    assert max(len(way) for way, _ in ways) <= 5
    assert {name for way, _ in ways for name in way} == {each.id for each in dialogue.questions} == set(TREE)
    assert {verdict for _, verdict in ways} == set(get_args(DialogueVerdict))
    assert dialogue.buttons[0].act == "STOP"
    assert dialogue.pause_s == {3: 0, 4: 30}[severity]


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ({"purpose": "official"}, "STOP"),
        ({"purpose": "invest", "invest": "no"}, "STOP"),
        ({"purpose": "invest", "invest": "yes", "secret": "yes"}, "STOP"),
        ({"purpose": "job", "job": "yes"}, "STOP"),
        ({"purpose": "friend", "friend": "unsure"}, "STOP"),
        ({"purpose": "other", "secret": "no", "guided": "no"}, "MAY_GO_ON"),
        ({"purpose": "goods", "goods": "no", "secret": "no", "guided": "yes"}, "STOP"),
        ({"purpose": "loan", "loan": "no", "secret": "unsure"}, "ASK_A_PERSON"),
        ({"purpose": "loan", "loan": "no"}, None),
        ({}, None),
        ({"purpose": "renovation"}, None),
    ],
)
def test_answers_come_to_a_verdict(answers: dict[str, str], verdict: str | None) -> None:
    assert verdict_of(answers) == verdict


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  LOAN:", "  PONZI:", "PONZI"),
        ("call_reason: Safety of your payment", f"call_reason: {'x' * 33}", "call_reason"),
        ("is mostly a scam. ", "see http://x ", "patterns.ROMANCE holds a link"),
        ('  4: "Hang up', '  5: "Hang up', "acts.4 has no text"),
        ("  guided: Is anyone", "  guide: Is anyone", "questions.guided has no text"),
    ],
)
def test_words_that_break_a_rule_are_refused_with_their_place(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    text = (words.FOLDER / "en.yaml").read_text()
    assert old in text
    (tmp_path / "en.yaml").write_text(text.replace(old, new))

    with pytest.raises(ConfigError, match=said):
        words.read(tmp_path / "en.yaml")
