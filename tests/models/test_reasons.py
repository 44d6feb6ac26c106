"""A reason is said only as far as its own figures carry it, in every shipped language."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features import CATALOGUE, groups, versions
from models.scoring import reasons
from schemas.alert import Leg
from schemas.errors import ConfigError
from schemas.payment import PAYEE_CHECKS

WORDS = reasons.shipped()
LANGUAGES = ("en", "zh-Hans")
LEGS: tuple[Leg, ...] = get_args(Leg)


class Claim(NamedTuple):
    """What English words claim of a figure: a piece of them, the figure, its bounds, how it is said."""

    piece: str
    figure: str
    least: float
    most: float
    said: Callable[[str, float], bool]


def share(said: str, figure: float) -> bool:
    found = re.findall(r"(\d+)%", said)
    return abs(int(found[0]) / 100 - min(figure, 1.0)) <= 0.0051


def times(said: str, figure: float) -> bool:
    (found,) = re.findall(r"About ([\d.,]+) times", said)
    return abs(float(found.replace(",", "")) - min(figure, 1e6)) <= max(0.051, 0.06 * figure)


def count(said: str, figure: float) -> bool:
    (found,) = re.findall(r"about (\d+)", said, re.IGNORECASE)
    return int(found) >= 2 and abs(int(found) - figure) <= 0.51


def hours(said: str, figure: float) -> bool:
    if "under 2 minutes" in said:
        return figure < 2 / 60
    ((number, unit),) = re.findall(r"(\d+) (minutes|hours|days)", said)
    least = int(number) * {"minutes": 1 / 60, "hours": 1, "days": 24}[unit]
    return least - 1e-6 <= figure < least * (1 + 1 / int(number)) + 1e-6


def days(said: str, figure: float) -> bool:
    return hours(said, figure * 24)


def as_is(said: str, figure: float) -> bool:
    return bool(said) and figure >= 0


#: Written by hand from what the words mean to a reader, not from the conditions of the file.
CLAIMS = [
    Claim("name does not match", "payee_check", PAYEE_CHECKS.index("NO_MATCH"), 3, as_is),
    Claim("name is only close", "payee_check", PAYEE_CHECKS.index("CLOSE"), 2, as_is),
    Claim("payee was added", "payee_age_h", 0, 72, hours),
    Claim("remote-control app", "remote_control", 1, 1, as_is),
    Claim("screen is being shared.", "screen_share", 1, 1, as_is),
    Claim("is on a call.", "call_in_progress", 1, 1, as_is),
    Claim("device was first used", "new_device_h", 0, 168, hours),
    Claim("in contact with a number known", "graded_contact_h", 0, 72, hours),
    Claim("on a call with an unknown", "strange_call_min", 0, np.inf, as_is),
    Claim("minutes with an unknown", "longest_strange_call_min", 10, np.inf, count),
    Claim("shared, by the app", "screen_shared_min", 0, np.inf, as_is),
    Claim("remotely, by the app", "remote_controlled_min", 0, np.inf, as_is),
    Claim("being forwarded", "calls_forwarded_h", 0, np.inf, as_is),
    Claim("SIM was changed", "sim_swapped_h", 0, 72, hours),
    Claim("SIM moved", "device_swapped_h", 0, 72, hours),
    Claim("listed as a scam", "scam_site_h", 0, 72, hours),
    Claim("outside the stores", "app_installed_h", 0, 72, hours),
    Claim("limit was raised", "limit_raised_h", 0, 168, hours),
    Claim("of the balance", "balance_share", 0.5, np.inf, share),
    Claim("largest payment so far", "amount_to_largest", 1, np.inf, times),
    Claim("usual amount", "amount_to_usual", 2, np.inf, times),
    Claim("payments of the last hours", "payer_count_1h", 2, np.inf, count),
    Claim("payments of the last days", "payer_count_1d", 2, np.inf, count),
    Claim("payer has paid about", "payer_payees_1d", 2, np.inf, count),
    Claim("account was opened", "account_open_d", 0, 90, days),
    Claim("first appeared", "account_age_d", 0, 3, days),
    Claim("people paid", "payers_1d", 2.5, np.inf, count),
    Claim("came from first-time payers", "risky_share_1d", 0.5, np.inf, share),
    Claim("largest amount the account", "amount_to_largest_in", 2, np.inf, times),
    Claim("has left it again", "out_to_in_1d", 0.5, np.inf, share),
    Claim("had left before", "out_to_in_1d", 0.5, np.inf, share),
    Claim("after money came in", "in_gap_h", 0, 1, hours),
    Claim("of what came in lately", "amount_to_in_1d", 0.3, np.inf, share),
    Claim("payments left the account", "out_count_1h", 2, np.inf, count),
    Claim("account has paid about", "payees_1d", 2, np.inf, count),
    Claim("account was found to have taken", "account_scam_h", 0, np.inf, hours),
    Claim("was found to be a scam", "pair_scam_h", 0, np.inf, hours),
    Claim("does not vouch for", "unproved_call_h", 0, 1, hours),
    Claim("talked out of a scam", "watched_h", 0, np.inf, hours),
    Claim("listed the account that is paid", "payee_listed", 1, 1, as_is),
    Claim("warns of the account that is paid", "payee_tier", 1, np.inf, as_is),
    Claim("listed this account", "payer_listed", 1, 1, as_is),
    Claim("warns of this account", "payer_tier", 1, np.inf, as_is),
    Claim("payer was found to have paid", "payer_deceived_h", 0, np.inf, hours),
]
SIGNALS = ("remote_control", "screen_share", "call_in_progress")

figures = st.one_of(
    st.just(float("nan")), st.sampled_from([0.0, 1.0, 2.0, 3.0, 72.0, 168.0, float("inf")]),
    st.floats(0, 3), st.floats(0, 1e4),
)  # fmt: skip


def of_leg(leg: Leg) -> st.SearchStrategy[Mapping[str, float]]:
    bits = {
        name: st.sampled_from([0.0, 1.0]) for name in ("remote_control", "screen_share", "call_in_progress")
    }
    bits["payee_check"] = st.sampled_from([0.0, 1.0, 2.0, 3.0])
    return st.fixed_dictionaries({name: bits.get(name, figures) for name in versions(leg.lower())})


def named(
    leg: Leg, drawn: Mapping[str, float], language: str, added: float = 1.0
) -> tuple[reasons.Reason, ...]:
    codes = tuple(WORDS.groups[leg])
    columns = {name: np.array([value]) for name, value in drawn.items()}
    contributions = np.ones((1, len(codes)))
    (found,) = reasons.strongest(WORDS, leg, language, codes, contributions=contributions, figures=columns)
    return found


@pytest.mark.parametrize("leg", LEGS)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_what_is_said_of_random_figures_is_true_of_them(leg: Leg, data: st.DataObject) -> None:
    drawn = data.draw(of_leg(leg))

    for reason in named(leg, drawn, "en"):
        if reason.code == reasons.SEVERAL_SIGNS:
            continue
        for said in reason.text.rstrip(".").split(". "):
            claims = [claim for claim in CLAIMS if claim.piece in f"{said}."]
            assert claims, f"no claim is known for {said!r}"
            for claim in claims:
                figure = drawn[claim.figure]
                assert claim.least <= figure <= claim.most, (said, figure)
                assert claim.said(said, figure), (said, figure)


@pytest.mark.parametrize("leg", LEGS)
def test_every_clause_can_be_said_and_has_words_in_every_shipped_language(leg: Leg) -> None:
    for code, clauses in WORDS.groups[leg].items():
        for clause in clauses:
            assert set(clause.texts) >= set(LANGUAGES), code
            assert {name for name, _, _ in clause.when} <= set(CATALOGUE), code
            assert any(claim.piece in f"{clause.texts['en']}." for claim in CLAIMS), clause.texts["en"]
    assert set(WORDS.groups[leg]) >= set(groups(leg.lower()))


@pytest.mark.parametrize("language", LANGUAGES)
def test_with_nothing_to_say_several_small_signs_are_named_and_nothing_is_made_up(language: str) -> None:
    for leg in LEGS:
        nothing = dict.fromkeys(
            (name for group in groups(leg.lower()).values() for name in group), float("nan")
        )

        (reason,) = named(leg, nothing, language)

        assert (reason.code, reason.text[-1]) == (reasons.SEVERAL_SIGNS, "." if language == "en" else "。")


def test_a_failed_name_check_and_a_call_are_never_crowded_out_by_groups_that_add_more() -> None:
    drawn = {"payee_check": 3.0, "call_in_progress": 1.0, "payers_1d": 9.0, "payer_count_1h": 5.0,
             "amount_to_largest": 9.0, "account_open_d": 1.0, "out_to_in_1d": 1.0}  # fmt: skip
    codes = tuple(WORDS.groups["CREDIT"])
    added = np.array([[0.1 if code in ("PAYEE_NEW", "PAYER_GUIDED") else 2.0 for code in codes]])
    columns = {name: np.array([value]) for name, value in drawn.items()}

    (found,) = reasons.strongest(WORDS, "CREDIT", "en", codes, contributions=added, figures=columns)

    assert {"PAYEE_NEW", "PAYER_GUIDED"} < {reason.code for reason in found}
    assert [reason.contribution for reason in found] == [2.0, 0.1, 0.1]


def test_a_group_that_lowers_the_score_is_not_named_beside_one_that_raises_it() -> None:
    codes = ("PAYEE_NEW", "PAYER_GUIDED")
    columns = {"payee_check": np.array([3.0, 3.0]), "call_in_progress": np.array([1.0, 1.0])}
    added = np.array([[0.5, -0.5], [-0.5, -0.1]])

    both = reasons.strongest(WORDS, "CREDIT", "en", codes, contributions=added, figures=columns)

    assert [[reason.code for reason in found] for found in both] == [["PAYEE_NEW"], ["PAYER_GUIDED"]]


def test_a_language_without_words_gets_english_whole_sentences() -> None:
    (reason,) = named("CREDIT", {"call_in_progress": 1.0}, "ko")

    assert reason.text == "The payer is on a call."


def test_a_banks_own_words_stand_in_for_the_shipped_ones(tmp_path: Path) -> None:
    path = tmp_path / "reasons.yaml"
    path.write_text(
        "CREDIT:\n  PAYER_GUIDED:\n    - when: {call_in_progress: '== 1'}\n      en: Call us first\n"
    )

    own = reasons.load(path, WORDS)

    assert own.groups["CREDIT"]["PAYER_GUIDED"][0].texts["en"] == "Call us first"
    assert own.groups["CREDIT"]["PAYEE_NEW"] == WORDS.groups["CREDIT"]["PAYEE_NEW"]


@pytest.mark.parametrize(
    ("clause", "said"),
    [
        ("{when: {payers_1d: '>= 3'}, zh-Hans: x}", "needs its English words"),
        ("{when: {payers_1d: 'many'}, en: x}", "takes a comparison"),
        ("{en: '{payers_1d:count} people'}", "has no condition"),
        ("{when: {payers_1d: '>= 3'}, en: '{payers_1d:.0f}'}", "takes a form: span, share, count, times"),
        ("{en: x}" + "\n    - {en: x}" * 62, "more than 62 clauses"),
        ("just text", "write it like reasons.yaml"),
    ],
)
def test_words_that_cannot_be_used_are_refused_with_their_place(
    clause: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "reasons.yaml"
    path.write_text(f"CREDIT:\n  PAYEE_COLLECTS:\n    - {clause}\n")

    with pytest.raises(ConfigError, match=said):
        reasons.load(path, WORDS)
