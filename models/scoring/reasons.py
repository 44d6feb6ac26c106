"""Why a leg scored high: the strongest groups of features, said only as far as their figures carry it."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.features import FloatArray
from schemas import strict_yaml
from schemas.alert import Leg, Reason
from schemas.errors import ConfigError

FILE = Path(__file__).with_name("reasons.yaml")

#: Most reasons named per alert.
REASONS_MAX = 3

#: What is said where no group of features has a clause that holds.
SEVERAL_SIGNS = "SEVERAL_SIGNS"

#: Hours in the units of the file's `SPAN`, after its first words.
SPAN_UNITS_H = (1 / 60, 1, 24)

#: Endings of the names of figures that are spans, and their units in hours.
_UNITS_H = {"_h": 1, "_d": 24}

#: More log-odds than any group adds.
_FIRM_FIRST = 1e6

#: Whether a value below, equal to or above its bound meets a comparison.
_COMPARE: Mapping[str, tuple[bool, bool, bool]] = {
    "<": (True, False, False),
    "<=": (True, True, False),
    ">": (False, False, True),
    ">=": (False, True, True),
    "==": (False, True, False),
}

#: Between sentences, and at the end.
_STOPS = {"zh": ("；", "。")}


class Clause(NamedTuple):
    """Something said of a group of features.

    Attributes:
        when: name of a figure, comparison, bound; all must hold. What is not known, or a ratio to nothing,
            holds nothing.
        firm: a fact a person can check at once.
        texts: language -> words with figures.

    """

    when: tuple[tuple[str, str, float], ...]
    firm: bool
    texts: Mapping[str, str]


class Words(NamedTuple):
    """What is said, read from a file such as `reasons.yaml`.

    Attributes:
        groups: leg -> reason code -> clauses.
        always: code -> language -> text without a condition.
        spans: language -> how a span is said in each unit.

    """

    groups: Mapping[Leg, Mapping[str, tuple[Clause, ...]]]
    always: Mapping[str, Mapping[str, str]]
    spans: Mapping[str, Sequence[str]]

    def missing(self, leg: Leg, codes: Sequence[str]) -> list[str]:
        """Return the reason codes there is nothing to say about."""
        return sorted(set(codes) - set(self.groups[leg]))


@cache
def shipped() -> Words:
    """Return the words that come with Stopline."""
    return load(FILE)


def load(path: Path, above: Words | None = None) -> Words:
    """Read words; codes that the file does not have are those of `above`.

    Raises:
        ConfigError: the file breaks a rule; names it, the code and the next step.

    """
    data = strict_yaml.read(path).data
    read: dict[Leg, dict[str, tuple[Clause, ...]]] = {}
    try:
        for leg in ("CREDIT", "DEBIT"):
            own = {
                code: tuple(_clause(each, f"{leg}.{code}") for each in clauses)
                for code, clauses in (data.get(leg) or {}).items()
            }
            read[leg] = {**(above.groups[leg] if above else {}), **own}
        always = {**(above.always if above else {}), **(data.get("ALWAYS") or {})}
        return Words(read, always, {**(above.spans if above else {}), **(data.get("SPAN") or {})})
    except (AttributeError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: {error}; write it like {FILE.name}") from error


def _clause(stated: Mapping[str, Any], where: str) -> Clause:
    texts = {name: str(text) for name, text in stated.items() if name not in ("when", "firm")}
    if "en" not in texts:
        raise ValueError(f"{where}: a clause needs its English words, `en`")
    when = tuple(_condition(name, text, where) for name, text in (stated.get("when") or {}).items())
    known = {name for name, _, _ in when}
    for text in texts.values():
        if foreign := {part.name for part in _parts(text) if part.name} - known:
            raise ValueError(f"{where}: {{{foreign.pop()}}} has no condition under `when`")
    return Clause(when, bool(stated.get("firm", False)), texts)


def _condition(name: str, text: str, where: str) -> tuple[str, str, float]:
    how, _, bound = str(text).partition(" ")
    if how not in _COMPARE:
        raise ValueError(f"{where}: {name} takes a comparison such as '>= 3', got {text!r}")
    return name, how, float(bound)


def strongest(
    words: Words,
    leg: Leg,
    language: str,
    codes: Sequence[str],
    *,
    contributions: FloatArray,
    figures: Mapping[str, FloatArray],
) -> list[tuple[Reason, ...]]:
    """Return for each leg the groups that raise its score most and have something true to say.

    A group with a firm fact is named before others that add more. Where two groups stand in for each other,
    neither alone may raise the score; then one that has something to say is named. There is always a reason.

    Args:
        words: what to say.
        leg: which of them to use.
        language: of the text; English where a text lacks it.
        codes: reason codes.
        contributions: log-odds each group adds to each leg, float64[n, codes].
        figures: the legs' features by name, each float64[n].

    """
    rows = len(contributions)
    groups = [words.groups[leg][code] for code in codes]
    clauses = [clause for group in groups for clause in group]
    of = np.repeat(np.arange(len(codes)), list(map(len, groups)))
    held = _holding(clauses, figures, rows)
    within = (of[:, np.newaxis] == np.arange(len(codes))).astype(np.int64)
    true = held.T @ within > 0
    firm = (held.T & np.array([clause.firm for clause in clauses], np.bool_)) @ within > 0
    raising = true & (contributions > 0)
    rank = np.where(raising, contributions + np.where(firm, _FIRM_FIRST, 0.0), -np.inf)
    alone = ~raising.any(axis=1) & true.any(axis=1)
    rank[alone, np.where(true, contributions, -np.inf)[alone].argmax(axis=1)] = 0.0
    best = np.argsort(-rank, axis=1, kind="stable")[:, :REASONS_MAX]
    strongest_first = np.argsort(-np.take_along_axis(contributions, best, axis=1), axis=1, kind="stable")
    order = np.take_along_axis(best, strongest_first, axis=1)
    kept = np.take_along_axis(rank, order, axis=1) > -np.inf
    named = np.zeros(true.shape, np.bool_)
    np.put_along_axis(named, order, kept, axis=1)
    texts: dict[tuple[int, int], str] = {}
    for place in np.flatnonzero(named.any(axis=0)).tolist():
        these = np.flatnonzero(named[:, place])
        said = in_words(words, groups[place], language, figures, these, held=held[of == place][:, these])
        texts |= {(row, place): text for row, text in zip(these.tolist(), said, strict=True)}
    columns = zip(order.tolist(), kept.tolist(), contributions.tolist(), strict=True)
    return [
        tuple(
            Reason(code=codes[place], contribution=round(added[place], 4), text=texts[row, place])
            for place, is_kept in zip(places, keep, strict=True)
            if is_kept
        )
        or (always(words, SEVERAL_SIGNS, language, max([0.0, *added])),)
        for row, (places, keep, added) in enumerate(columns)
    ]


def always(words: Words, code: str, language: str, contribution: float = 0.0) -> Reason:
    """Return a reason that needs no figures."""
    texts = words.always[code]
    chosen = language if language in texts else "en"
    return Reason(code=code, contribution=round(contribution, 4), text=texts[chosen] + stops(chosen)[1])


def in_words(
    words: Words,
    clauses: Sequence[Clause],
    language: str,
    figures: Mapping[str, FloatArray],
    rows: NDArray[np.intp],
    *,
    held: NDArray[np.bool_],
) -> list[str]:
    """Return for some of the legs, at `rows`, the clauses that hold of them: `held`, bool[clauses, rows]."""
    said: list[list[str]] = [[] for _ in range(len(rows))]
    spoken = "en" if any(language not in clause.texts for clause in clauses) else language
    for clause, holds in zip(clauses, held, strict=True):
        here = np.flatnonzero(holds)
        if len(here):
            texts = _texts(words, clause, spoken, figures, rows[here])
            for row, text in zip(here.tolist(), texts, strict=True):
                said[row].append(text)
    between, end = stops(spoken)
    return [between.join(row) + end for row in said]


def _holding(clauses: Sequence[Clause], figures: Mapping[str, FloatArray], rows: int) -> NDArray[np.bool_]:
    """Tell which clauses hold of which legs, bool[clauses, rows]; all conditions are looked at together."""
    conditions = [condition for clause in clauses for condition in clause.when]
    of = np.repeat(np.arange(len(clauses)), [len(clause.when) for clause in clauses])
    held = np.ones((len(clauses), rows), np.bool_)
    if conditions:
        unknown = np.full(rows, np.nan)
        value = np.array([figures.get(name, unknown) for name, _, _ in conditions])
        bound = np.array([bound for _, _, bound in conditions])[:, np.newaxis]
        below, equal, above = np.array([_COMPARE[how] for _, how, _ in conditions]).T[:, :, np.newaxis]
        met = (value < bound) & below | (value == bound) & equal | (value > bound) & above
        met &= np.isfinite(value)
        starts = np.flatnonzero(np.diff(of, prepend=-1))
        held[of[starts]] = np.logical_and.reduceat(met, starts, axis=0)
    return held


def stops(language: str) -> tuple[str, str]:
    """Return what stands between clauses and after the last."""
    return _STOPS.get(language.partition("-")[0], (". ", "."))


def spans(hours: FloatArray, forms: Sequence[str]) -> list[str]:
    """Say how long, in the largest unit of which there are two, rounded down.

    >>> spans(np.array([0.01, 1.9, 2, 47.9, 48]), shipped().spans["en"])
    ['under 2 minutes', '114 minutes', '2 hours', '47 hours', '2 days']
    """
    units_h = np.array(SPAN_UNITS_H)
    form = np.count_nonzero(hours[:, np.newaxis] >= 2 * units_h, axis=1)
    counts = np.floor(hours / units_h[np.maximum(form - 1, 0)] + 1e-9)
    return [forms[which].format(count) for which, count in zip(form.tolist(), counts.tolist(), strict=True)]


class _Part(NamedTuple):
    """A piece of a clause: text, and the figure behind it unless `name` is empty."""

    before: str
    name: str
    form: str


@cache
def _parts(text: str) -> tuple[_Part, ...]:
    parts = tuple(_Part(before, name or "", form or "") for before, name, form, _ in Formatter().parse(text))
    if unknown := [part for part in parts if part.name and part.form not in _FORMS]:
        raise ValueError(f"{{{unknown[0].name}:{unknown[0].form}}} takes a form: {', '.join(_FORMS)}")
    return parts


def _texts(
    words: Words, clause: Clause, language: str, figures: Mapping[str, FloatArray], rows: NDArray[np.intp]
) -> list[str]:
    columns = []
    for part in _parts(clause.texts[language]):
        if not part.name:
            columns.append([part.before] * len(rows))
            continue
        forms = words.spans.get(language, words.spans["en"])
        said = _FORMS[part.form](part.name, figures[part.name][rows], forms)
        columns.append([part.before + each for each in said])
    return ["".join(row) for row in zip(*columns, strict=True)]


def _span(name: str, figure: FloatArray, forms: Sequence[str]) -> list[str]:
    return spans(figure * _UNITS_H[name[-2:]], forms)


def _share(name: str, figure: FloatArray, forms: Sequence[str]) -> list[str]:
    return [f"{each:.0%}" for each in np.minimum(figure, 1.0).tolist()]


def _count(name: str, figure: FloatArray, forms: Sequence[str]) -> list[str]:
    return [f"{each:.0f}" for each in np.floor(figure + 0.5).tolist()]


def _times(name: str, figure: FloatArray, forms: Sequence[str]) -> list[str]:
    return [f"{each:.1f}" if each < 9.95 else f"{min(each, 1e6):,.0f}" for each in figure.tolist()]


_FORMS: Mapping[str, Callable[[str, FloatArray, Sequence[str]], list[str]]] = {
    "span": _span,
    "share": _share,
    "count": _count,
    "times": _times,
}
