"""Why a leg scored high: the strongest groups of features, with a figure and in words."""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, NamedTuple

import yaml

from models.features import AGE_DAYS_MAX
from schemas.alert import Leg, Reason

FILE = Path(__file__).with_name("reasons.yaml")

#: Most reasons named per alert.
REASONS_MAX = 3

#: Hours in the units of the file's `SPAN`, after its first words.
SPAN_UNITS_H = (1 / 60, 1, 24)

#: Endings of the names of figures that are spans, and their units in hours.
_UNITS_H = {"_h": 1, "_d": 24}

Texts = Mapping[str, Mapping[str, Sequence[str]]]


@cache
def _file() -> Any:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def texts(leg: Leg) -> Texts:
    """Return the shipped texts of a leg: reason code -> language -> clauses."""
    found: Texts = _file()[leg]
    return found


def strongest(
    leg: Leg,
    language: str,
    codes: Sequence[str],
    contributions: Sequence[float],
    figures: Mapping[str, float],
) -> tuple[Reason, ...]:
    """Return the groups that raise one leg's score most, strongest first, and never none.

    Where two groups stand in for each other, neither alone may raise the score; then the first is named.

    Args:
        leg: which texts to use.
        language: of the text; English where a text lacks it.
        codes: reason codes, one per contribution.
        contributions: log-odds each group adds.
        figures: the leg's features by name.

    """
    ranked = sorted(zip(codes, contributions, strict=True), key=lambda pair: -pair[1])
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
    clauses = [_clause_in_words(_parts(clause), language, figures) for clause in text[language]]
    return comma.join([clause for clause in clauses if clause is not None]) + stop


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


class _Part(NamedTuple):
    """A piece of a clause: text, and the figure behind it unless `name` is empty.

    Attributes:
        before: the text.
        name: a feature.
        form: how to format it.
        hours: what it is counted in, 0 if it is no time.
        silent: it is a yes or no of which nothing is printed.

    """

    before: str
    name: str
    form: str
    hours: int
    silent: bool


@cache
def _parts(clause: str) -> tuple[_Part, ...]:
    parts = []
    for before, figure, form, conversion in Formatter().parse(clause):
        name = figure or ""
        parts.append(_Part(before, name, form or "", _UNITS_H.get(name[-2:], 0), conversion == "s"))
    return tuple(parts)


def _clause_in_words(parts: Sequence[_Part], language: str, figures: Mapping[str, float]) -> str | None:
    """Return a clause; None if a figure of it has no words."""
    words = ""
    for part in parts:
        said = _said(part, figures[part.name], language) if part.name else ""
        if said is None:
            return None
        words += part.before + said
    return words


def _said(part: _Part, figure: float, language: str) -> str | None:
    """Return a figure in words; None if it is not known, nought, or an age that was not followed further."""
    if not math.isfinite(figure):
        return None
    if part.hours:
        followed = part.name != "account_age_d" or figure < AGE_DAYS_MAX
        return span(figure * part.hours, language) if followed else None
    said = format(figure, part.form)
    if float(said.strip("%")) == 0:
        return None
    return "" if part.silent else said
