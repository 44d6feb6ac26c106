"""Why a leg scored high: the strongest groups of features, said only as far as their figures carry it."""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
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

#: Most clauses a group of features has: each is a bit of an int64.
_CLAUSES_MAX = 62

#: What is said where no group of features has a clause that holds.
SEVERAL_SIGNS = "SEVERAL_SIGNS"

#: Hours in the units of the file's `SPAN`, after its first words.
SPAN_UNITS_H = (1 / 60, 1, 24)

#: A unit is used from two of it.
_SPANS_FROM_H = [2 * unit for unit in SPAN_UNITS_H]

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


#: Writes a figure by its name, with how spans are said.
_Form = Callable[[str, float, Sequence[str]], str]


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

    def __hash__(self) -> int:
        return hash(frozenset(self.always))

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
            if long := [code for code, clauses in own.items() if len(clauses) > _CLAUSES_MAX]:
                raise ValueError(f"{leg}.{long[0]} has more than {_CLAUSES_MAX} clauses")
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
    said = _plan(words, leg, language, tuple(codes))
    held = _holding(said, figures, len(contributions))
    holding = held.T @ said.bits
    true = holding > 0
    firm = holding & said.firm > 0
    raising = true & (contributions > 0)
    rank = np.where(raising, contributions + np.where(firm, _FIRM_FIRST, 0.0), -np.inf)
    alone = ~raising.any(axis=1) & true.any(axis=1)
    rank[alone, np.where(true, contributions, -np.inf)[alone].argmax(axis=1)] = 0.0
    best = np.argsort(-rank, axis=1, kind="stable")[:, :REASONS_MAX]
    strongest_first = np.argsort(-np.take_along_axis(contributions, best, axis=1), axis=1, kind="stable")
    order = np.take_along_axis(best, strongest_first, axis=1)
    kept = np.take_along_axis(rank, order, axis=1) > -np.inf
    known = {name: figures[name].tolist() for name in {*said.names} & figures.keys()}
    columns = zip(order.tolist(), kept.tolist(), contributions.tolist(), holding.tolist(), strict=True)
    return [
        tuple(
            [
                Reason(
                    code=codes[place],
                    contribution=round(added[place], 4),
                    text=said.text(place, holds[place], known, row),
                )
                for place, is_kept in zip(places, keep, strict=True)
                if is_kept
            ]
        )
        or (always(words, SEVERAL_SIGNS, language, max([0.0, *added])),)
        for row, (places, keep, added, holds) in enumerate(columns)
    ]


def always(words: Words, code: str, language: str, contribution: float = 0.0) -> Reason:
    """Return a reason that needs no figures."""
    texts = words.always[code]
    chosen = language if language in texts else "en"
    return Reason(code=code, contribution=round(contribution, 4), text=texts[chosen] + stops(chosen)[1])


class _Plan(NamedTuple):
    """What may be said about a leg in a language, as tables; conditions of a clause lie together.

    Attributes:
        bits: by clause the code it is about, where it has a bit of its own, int64[clauses, codes].
        firm: by code the bits of its firm clauses, int64[codes].
        text: says of a code the clauses whose bits are given, with the figures of a row.
        names: by condition the figure it looks at.
        bound: by condition, float64[conditions, 1].
        meets: whether a value below, equal to, above the bound meets it, bool[3, conditions, 1].
        starts: the first condition of each clause that has any, whose numbers are `conditional`.

    """

    bits: NDArray[np.int64]
    firm: NDArray[np.int64]
    text: Callable[[int, int, Mapping[str, Sequence[float]], int], str]
    names: Sequence[str]
    bound: FloatArray
    meets: NDArray[np.bool_]
    starts: NDArray[np.intp]
    conditional: NDArray[np.intp]


@lru_cache(maxsize=64)
def _plan(words: Words, leg: Leg, language: str, codes: tuple[str, ...]) -> _Plan:
    groups = [words.groups[leg][code] for code in codes]
    clauses = [clause for group in groups for clause in group]
    of = np.repeat(np.arange(len(codes)), list(map(len, groups)))
    own_bit = np.concatenate([[0], *(1 << np.arange(len(group)) for group in groups)]).astype(np.int64)[1:]
    bits = (of[:, np.newaxis] == np.arange(len(codes))) * own_bit[:, np.newaxis]
    conditions = [condition for clause in clauses for condition in clause.when]
    owner = np.repeat(np.arange(len(clauses)), [len(clause.when) for clause in clauses])
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    return _Plan(
        bits=bits,
        firm=np.array([clause.firm for clause in clauses], np.int64) @ bits,
        text=_texts(words, groups, language),
        names=[name for name, _, _ in conditions],
        bound=np.array([bound for _, _, bound in conditions])[:, np.newaxis],
        meets=np.array([_COMPARE[how] for _, how, _ in conditions], np.bool_)
        .reshape(-1, 3)
        .T[:, :, np.newaxis],
        starts=starts,
        conditional=owner[starts],
    )


def _texts(
    words: Words, groups: Sequence[Sequence[Clause]], language: str
) -> Callable[[int, int, Mapping[str, Sequence[float]], int], str]:
    """Return what says of a group the clauses whose bits are given, with the figures of a row."""

    @cache
    def sentence(place: int, bits: int) -> tuple[Sequence[tuple[str, _Form, str]], str, Sequence[str]]:
        """Return text, form and name of each figure; the text behind the last; and how spans are said."""
        group = groups[place]
        spoken = "en" if any(language not in clause.texts for clause in group) else language
        between, end = stops(spoken)
        said = between.join(clause.texts[spoken] for bit, clause in enumerate(group) if bits >> bit & 1)
        parts, before = [], ""
        for part in _parts(said + end):
            before += part.before
            if part.name:
                parts.append((before, _FORMS[part.form], part.name))
                before = ""
        return parts, before, words.spans.get(spoken, words.spans["en"])

    def text(place: int, bits: int, figures: Mapping[str, Sequence[float]], row: int) -> str:
        parts, end, forms = sentence(place, bits)
        said = ""
        for before, form, name in parts:
            said += before + form(name, figures[name][row], forms)
        return said + end

    return text


def _holding(said: _Plan, figures: Mapping[str, FloatArray], rows: int) -> NDArray[np.bool_]:
    """Tell which clauses hold of which legs, bool[clauses, rows]; all conditions are looked at together."""
    held = np.ones((len(said.bits), rows), np.bool_)
    if said.names:
        unknown = np.full(rows, np.nan)
        value = np.array([figures.get(name, unknown) for name in said.names])
        below, equal, above = said.meets
        met = (value < said.bound) & below | (value == said.bound) & equal | (value > said.bound) & above
        met &= np.isfinite(value)
        held[said.conditional] = np.logical_and.reduceat(met, said.starts, axis=0)
    return held


def stops(language: str) -> tuple[str, str]:
    """Return what stands between clauses and after the last."""
    return _STOPS.get(language.partition("-")[0], (". ", "."))


def span(hours: float, forms: Sequence[str]) -> str:
    """Say how long, in the largest unit of which there are two, rounded down.

    >>> [span(hours, shipped().spans["en"]) for hours in (0.01, 1.9, 2, 47.9, 48)]
    ['under 2 minutes', '114 minutes', '2 hours', '47 hours', '2 days']
    """
    form = bisect_right(_SPANS_FROM_H, hours)
    return forms[form].format(float(math.floor(hours / SPAN_UNITS_H[max(form - 1, 0)] + 1e-9)))


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


def _span(name: str, figure: float, forms: Sequence[str]) -> str:
    return span(figure * _UNITS_H[name[-2:]], forms)


def _share(name: str, figure: float, forms: Sequence[str]) -> str:
    return f"{min(figure, 1.0):.0%}"


def _count(name: str, figure: float, forms: Sequence[str]) -> str:
    return f"{math.floor(figure + 0.5):.0f}"


def _times(name: str, figure: float, forms: Sequence[str]) -> str:
    return f"{figure:.1f}" if figure < 9.95 else f"{min(figure, 1e6):,.0f}"


_FORMS: Mapping[str, _Form] = {
    "span": _span,
    "share": _share,
    "count": _count,
    "times": _times,
}
