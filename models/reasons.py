"""Why a leg scored high: the strongest groups of features, with a figure and in words."""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

import yaml

from models.features import FloatArray
from schemas.alert import Leg, Reason

FILE = Path(__file__).with_name("reasons.yaml")

#: Most reasons named per alert.
REASONS_MAX = 3

#: Figures that are 1 or 0; a clause about one is said where it is 1.
FLAGS = frozenset({"remote_control", "screen_share", "call_in_progress"})

Texts = Mapping[str, Mapping[str, Sequence[str]]]


@cache
def texts(leg: Leg) -> Texts:
    """Return the shipped texts of a leg: reason code -> language -> clauses."""
    read: Any = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    found: Texts = read[leg]
    return found


def strongest(
    leg: Leg, language: str, codes: Sequence[str], contributions: FloatArray, figures: Mapping[str, float]
) -> tuple[Reason, ...]:
    """Return the groups that raise one leg's score most, strongest first, and never none.

    Where two groups stand in for each other, neither alone may raise the score; then the first is named.

    Args:
        leg: which texts to use.
        language: of the text; English where a text lacks it.
        codes: reason codes, one per contribution.
        contributions: log-odds each group adds, float64[groups].
        figures: the leg's features by name.

    """
    ranked = sorted(zip(codes, contributions.tolist(), strict=True), key=lambda pair: -pair[1])
    named = [(code, added) for code, added in ranked[:REASONS_MAX] if added > 0] or ranked[:1]
    return tuple(
        Reason(code=code, contribution=round(added, 4), text=in_words(texts(leg)[code], language, figures))
        for code, added in named
    )


def measure_in_force(language: str) -> Reason:
    """Return the reason of a debit that an authority's or institution's measure forbids."""
    text = in_words(texts("DEBIT")["MEASURE_IN_FORCE"], language, {})
    return Reason(code="MEASURE_IN_FORCE", contribution=0.0, text=text)


def in_words(text: Mapping[str, Sequence[str]], language: str, figures: Mapping[str, float]) -> str:
    """Return the clauses whose figures are known, as one sentence.

    >>> in_words({"en": ["Many payments", "{n:.0f} in a day", "{m} before"]}, "en", {"n": 4, "m": math.nan})
    'Many payments, 4 in a day.'
    """
    language = language if language in text else "en"
    comma, stop = (",", "。") if language.startswith("zh") else (", ", ".")
    clauses = [
        clause.format_map(figures)
        for clause in text[language]
        if all(_known(name, figures[name]) for name in _names(clause))
    ]
    return comma.join(clauses) + stop


@cache
def _names(clause: str) -> tuple[str, ...]:
    return tuple(name for _, name, _, _ in Formatter().parse(clause) if name)


def _known(name: str, figure: float) -> bool:
    return math.isfinite(figure) and not (name in FLAGS and figure == 0)
