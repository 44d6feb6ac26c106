"""Why a leg scored high: the strongest groups of features, with a figure and in words."""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

import yaml

from models.features import AGE_DAYS_MAX, FloatArray
from schemas.alert import Leg, Reason

FILE = Path(__file__).with_name("reasons.yaml")

#: Most reasons named per alert.
REASONS_MAX = 3

#: Hours in the units of the file's `SPAN`, after its first words.
SPAN_UNITS_H = (1 / 60, 1, 24)

Texts = Mapping[str, Mapping[str, Sequence[str]]]


@cache
def _file() -> Any:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def texts(leg: Leg) -> Texts:
    """Return the shipped texts of a leg: reason code -> language -> clauses."""
    found: Texts = _file()[leg]
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
    """Return the clauses whose figures are known and say something, as one sentence.

    >>> clauses = ["Many payments", "{n:.0f} in a day", "{m} before", "last {gap_h} ago"]
    >>> in_words({"en": clauses}, "en", {"n": 4, "m": math.nan, "gap_h": 0.5})
    'Many payments, 4 in a day, last 30 minutes ago.'
    """
    language = language if language in text else "en"
    comma, stop = ("，", "。") if language.startswith("zh") else (", ", ".")
    clauses = [
        clause.format_map({name: _said(name, figures[name], language) for name, _ in _figures(clause)})
        for clause in text[language]
        if all(_tells(name, form, figures[name]) for name, form in _figures(clause))
    ]
    return comma.join(clauses) + stop


def span(hours: float, language: str) -> str:
    """Say how long, in the largest unit of which there are two.

    >>> [span(hours, "en") for hours in (0.01, 1.9, 2, 47, 48)]
    ['under 2 minutes', '114 minutes', '2 hours', '47 hours', '2 days']
    """
    under, *forms = _file()["SPAN"][language]
    said: str = under
    for unit_h, form in zip(SPAN_UNITS_H, forms, strict=True):
        if hours >= 2 * unit_h:
            said = form.format(hours / unit_h)
    return said


@cache
def _figures(clause: str) -> tuple[tuple[str, str], ...]:
    """Return name and format of each figure of a clause."""
    return tuple((name, form or "") for _, name, form, _ in Formatter().parse(clause) if name)


def _is_span(name: str) -> bool:
    return name.endswith(("_h", "_d"))


def _said(name: str, figure: float, language: str) -> str | float:
    if not _is_span(name):
        return figure
    return span(figure * 24 if name.endswith("_d") else figure, language)


def _tells(name: str, form: str, figure: float) -> bool:
    """Tell whether a figure is known and neither said as nought nor an age that was not followed further."""
    if not math.isfinite(figure):
        return False
    if _is_span(name):
        return name != "account_age_d" or figure < AGE_DAYS_MAX
    return float(format(figure, form).strip("%")) != 0
