"""Why a leg scored high: the strongest groups of features, with a figure and in words."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.features import AGE_DAYS_MAX, FloatArray
from schemas import strict_yaml
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
    return strict_yaml.read(FILE).data


def texts(leg: Leg) -> Texts:
    """Return the shipped texts of a leg: reason code -> language -> clauses."""
    found: Texts = _file()[leg]
    return found


def strongest(
    leg: Leg,
    language: str,
    codes: Sequence[str],
    contributions: FloatArray,
    figures: Mapping[str, FloatArray],
) -> list[tuple[Reason, ...]]:
    """Return for each leg the groups that raise its score most, strongest first, and never none.

    Where two groups stand in for each other, neither alone may raise the score; then the first is named.

    Args:
        leg: which texts to use.
        language: of the text; English where a text lacks it.
        codes: reason codes.
        contributions: log-odds each group adds to each leg, float64[n, codes].
        figures: the legs' features by name, each float64[n].

    """
    ranked = np.argsort(-contributions, axis=1, kind="stable")[:, :REASONS_MAX]
    added = np.take_along_axis(contributions, ranked, axis=1)
    named = added > 0
    named[:, 0] = True
    text = np.full(ranked.shape, "", object)
    for place, code in enumerate(codes):
        here = named & (ranked == place)
        if here.any():
            text[here] = in_words(texts(leg)[code], language, figures, np.nonzero(here)[0])
    columns = (each.tolist() for each in (ranked, added, text, named))
    return [
        tuple(
            Reason(code=codes[place], contribution=round(by, 4), text=words)
            for place, by, words, is_named in zip(*row, strict=True)
            if is_named
        )
        for row in zip(*columns, strict=True)
    ]


def measure_in_force(language: str) -> Reason:
    """Return the reason of a debit that an authority's or institution's measure forbids."""
    (text,) = in_words(texts("DEBIT")["MEASURE_IN_FORCE"], language, {}, np.arange(1))
    return Reason(code="MEASURE_IN_FORCE", contribution=0.0, text=text)


def in_words(
    text: Mapping[str, Sequence[str]],
    language: str,
    figures: Mapping[str, FloatArray],
    rows: NDArray[np.intp],
) -> list[str]:
    """Return for each of some rows of `figures` the clauses whose figures are known and say something.

    >>> clauses = ["Many payments", "{n:.0f} in a day", "{m} before", "last {gap_h} ago"]
    >>> figures = {"n": np.array([9, 4]), "m": np.array([9, np.nan]), "gap_h": np.array([9, 0.5])}
    >>> in_words({"en": clauses}, "en", figures, np.array([1]))
    ['Many payments, 4 in a day, last 30 minutes ago.']
    """
    language = language if language in text else "en"
    comma, stop = ("，", "。") if language.startswith("zh") else (", ", ".")
    clauses = [_clause_in_words(_parts(clause), language, figures, rows) for clause in text[language]]
    return [
        comma.join([clause for clause in row if clause is not None]) + stop
        for row in zip(*clauses, strict=True)
    ]


def spans(hours: FloatArray, language: str) -> list[str]:
    """Say how long, in the largest unit of which there are two.

    >>> spans(np.array([0.01, 1.9, 2, 47, 48]), "en")
    ['under 2 minutes', '114 minutes', '2 hours', '47 hours', '2 days']
    """
    forms = _file()["SPAN"][language]
    units_h = np.array(SPAN_UNITS_H)
    form = np.count_nonzero(hours[:, np.newaxis] >= 2 * units_h, axis=1)
    counts = hours / units_h[np.maximum(form - 1, 0)]
    return [forms[which].format(count) for which, count in zip(form.tolist(), counts.tolist(), strict=True)]


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


def _clause_in_words(
    parts: Sequence[_Part], language: str, figures: Mapping[str, FloatArray], rows: NDArray[np.intp]
) -> list[str | None]:
    """Return a clause for each row; None where a figure of it has no words."""
    columns = []
    for part in parts:
        said = _said(part, figures[part.name][rows], language) if part.name else [""] * len(rows)
        columns.append([None if words is None else part.before + words for words in said])
    return [None if None in row else "".join(row) for row in zip(*columns, strict=True)]


def _said(part: _Part, figure: FloatArray, language: str) -> list[str | None]:
    """Return a figure in words; None where it is unknown, nought, or an age not followed further."""
    if part.hours:
        followed = figure < (AGE_DAYS_MAX if part.name == "account_age_d" else np.inf)
        said = spans(figure * part.hours, language)
        return [words if known else None for words, known in zip(said, followed.tolist(), strict=True)]
    said = [format(each, part.form) for each in figure.tolist()]
    return [
        None if not known or float(words.strip("%")) == 0 else "" if part.silent else words
        for words, known in zip(said, np.isfinite(figure).tolist(), strict=True)
    ]
