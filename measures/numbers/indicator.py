"""How suspect a telephone number is: a grade of 0 to 3 from what was said of it, which fades.

Evidence counts once for each who gives it, the newest; it halves in a fortnight (India's FRI grades and
revocation list are the model, anchors 6.2). One reporter alone, whoever it is, never makes grade 3: a number
is not to be ruined by one quarrel. A number that was given to somebody else has no past.
"""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.indicator import SaidKind
from schemas.units import DAY_US, SECOND_US

WEIGHTS: dict[str, float] = {"REPORT": 1.0, "FINDING": 1.5, "SIM_BOX": 1.5, "AUTHORITY": 2.5}
HALF_LIFE_US = 14 * DAY_US

#: A grade needs so much weight; the highest also so many reporters whose word still counts.
LEAST = (0.5, 1.5, 2.5)
REPORTERS_OF_3 = 2
#: Less than this of a word does not count any more.
FORGOTTEN = 0.1
#: By then nothing counts.
FORGOTTEN_US = 5 * HALF_LIFE_US


class Evidence(NamedTuple):
    """One thing said of a number: by whom, and when, microseconds UTC."""

    kind: SaidKind
    reporter: str
    at_us: int


class Indicator(NamedTuple):
    """What is to be thought of a number at one time.

    Attributes:
        grade: 0 nothing, 1 medium, 2 high, 3 confirmed by several.
        weight: of the evidence that is left.
        reasons: kinds of evidence that count, strongest first.
        reporters: how many distinct reporters they are of.
        first_us: when the oldest was given, -1 if nothing counts.
        last_us: the newest.

    """

    grade: int
    weight: float
    reasons: tuple[str, ...]
    reporters: int
    first_us: int
    last_us: int


def faded(weight: float, at_us: int, now_us: int) -> float:
    """Return what is left of a weight.

    >>> faded(2.0, 0, HALF_LIFE_US)
    1.0
    """
    return float(weight * 0.5 ** (max(now_us - at_us, 0) / HALF_LIFE_US))


def indicator(evidence: Iterable[Evidence], now_us: int) -> Indicator:
    """Grade a number by what was said of it up to `now_us`, in whatever order it is given."""
    given = [each for each in evidence if each.at_us <= now_us]
    new_life_us = max((each.at_us for each in given if each.kind == "RECYCLED"), default=-1)
    revoked: dict[str, int] = {}
    for each in given:
        if each.kind == "REVOKED":
            revoked[each.reporter] = max(each.at_us, revoked.get(each.reporter, -1))
    newest: dict[str, Evidence] = {}
    for each in sorted(given, key=lambda said: (said.at_us, WEIGHTS.get(said.kind, 0.0), said.kind)):
        if each.kind in WEIGHTS and each.at_us > max(new_life_us, revoked.get(each.reporter, -1)):
            newest[each.reporter] = each
    left = {
        reporter: faded(WEIGHTS[each.kind], each.at_us, now_us)
        for reporter, each in newest.items()
        if faded(WEIGHTS[each.kind], each.at_us, now_us) >= FORGOTTEN
    }
    weight = sum(left.values())
    grade = sum(weight >= least for least in LEAST)
    if len(left) < REPORTERS_OF_3:
        grade = min(grade, 2)
    by_kind: dict[str, float] = {}
    for reporter, share in left.items():
        by_kind[newest[reporter].kind] = by_kind.get(newest[reporter].kind, 0.0) + share
    times = [newest[reporter].at_us for reporter in left]
    return Indicator(
        grade, weight, tuple(sorted(by_kind, key=lambda kind: (-by_kind[kind], kind))), len(left),
        min(times, default=-1), max(times, default=-1),
    )  # fmt: skip


def falls_us(evidence: Iterable[Evidence], now_us: int) -> int:
    """Return when the grade of now falls without new evidence, to the second; 0 if it is 0."""
    given = [each for each in evidence if each.at_us <= now_us]
    grade = indicator(given, now_us).grade
    if not grade:
        return 0
    holds, fell = 0, FORGOTTEN_US // SECOND_US
    while fell - holds > 1:
        middle = (holds + fell) // 2
        if indicator(given, now_us + middle * SECOND_US).grade < grade:
            fell = middle
        else:
            holds = middle
    return now_us + fell * SECOND_US
