"""What warnings did: how many stopped, who lost money after all, who was frightened off for nothing."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, median
from typing import NamedTuple

from console.lab.dissuading import Lived
from schemas.warning import Warning

_NORMAL = NormalDist()
_Z = _NORMAL.inv_cdf(0.975)


@dataclass(frozen=True)
class Share:
    """A share with its 95 % interval (Wilson, JASA 22, 1927); nan where nothing was counted."""

    count: int
    of: int

    @property
    def value(self) -> float:
        """The share itself."""
        return self.count / self.of if self.of else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Low and high end.

        >>> [round(each, 3) for each in Share(5, 20).interval]
        [0.112, 0.469]
        """
        if not self.of:
            return math.nan, math.nan
        share, square = self.value, _Z * _Z / self.of
        middle = (share + square / 2) / (1 + square)
        wide = _Z / (1 + square) * math.sqrt(share * (1 - share) / self.of + square / (4 * self.of))
        low, high = max(middle - wide, 0.0), min(middle + wide, 1.0)
        return low if self.count else 0.0, high if self.count < self.of else 1.0


#: A kind of scam is named only if its guesses were right in this share of a labelled log.
NAMED_FROM = 0.8

#: A share of few warnings is believed only if its interval begins no lower.
BELIEVED_FROM = 0.6


class Row(NamedTuple):
    """A group of warnings and its share."""

    name: str
    share: Share


class Figures(NamedTuple):
    """What warnings did, all told.

    Attributes:
        warnings: issued; `told` of them went out, `held_out` did not to learn what they do.
        stop_rate: victims and others that paused or cancelled within 24 hours, of delivered warnings.
        by: the same by channel, kind of scam and severity.
        victims_stopped: victims that stopped, of victims reached.
        over_caution: genuine payments abandoned, of genuine ones warned about and reached.
        discrimination: d' between the two; 0 means that warnings only make people cautious.
        lost_7d, lost_30d: warned victims that paid a scammer again, of warned victims.
        lost_7d_minor, lost_30d_minor: what they paid.
        first_contact_s: median seconds from the warning to the first try that left.
        cost_per_averted: cost of all tries per minor unit that victims then did not pay.
        named: by kind of scam, guesses that were right, of all warnings it was guessed for; `NAMED_FROM`
            is asked of a kind before a policy lets it be named.
        told_lost, held_out_lost: victims of severity 1 and 2 that lost money, told and held out.

    """

    warnings: int
    told: int
    held_out: int
    stop_rate: Share
    by: tuple[Row, ...]
    victims_stopped: Share
    over_caution: Share
    discrimination: float
    lost_7d: Share
    lost_30d: Share
    lost_7d_minor: int
    lost_30d_minor: int
    first_contact_s: float
    cost_per_averted: float
    told_lost: Share
    held_out_lost: Share
    named: tuple[Row, ...] = ()


def figures(lives: Sequence[Lived]) -> Figures:
    """Add up what became of warnings."""
    told = [each for each in lives if each.first_us is not None]
    reached = [each for each in told if each.delivered]
    victims = [each for each in told if each.victim]
    hit = _stopped(each for each in reached if each.victim)
    alarm = _stopped(each for each in reached if not each.victim)
    mild = [each for each in lives if each.severity <= 2 and each.victim]
    averted = sum(each.averted_minor for each in told)
    waits = [(each.first_us - each.issued_us) / 1e6 for each in told if each.first_us is not None]
    groups: tuple[tuple[str, Callable[[Lived], object]], ...] = (
        ("channel", lambda each: each.channel),
        ("kind", lambda each: each.fraud_class),
        ("severity", lambda each: each.severity),
    )
    rows = [
        Row(f"{name} {value}", _stopped(each for each in reached if of(each) == value))
        for name, of in groups
        for value in sorted({of(each) for each in reached}, key=str)
    ]
    return Figures(
        warnings=len(lives),
        told=len(told),
        held_out=sum(each.held_out for each in lives),
        stop_rate=_stopped(reached),
        by=tuple(rows),
        victims_stopped=hit,
        over_caution=alarm,
        discrimination=discrimination(hit, alarm),
        lost_7d=Share(sum(each.lost_7d_minor > 0 for each in victims), len(victims)),
        lost_30d=Share(sum(each.lost_30d_minor > 0 for each in victims), len(victims)),
        lost_7d_minor=sum(each.lost_7d_minor for each in victims),
        lost_30d_minor=sum(each.lost_30d_minor for each in victims),
        first_contact_s=median(waits) if waits else math.nan,
        cost_per_averted=sum(each.cost_minor for each in told) / averted if averted else math.nan,
        told_lost=_lost(each for each in mild if not each.held_out),
        held_out_lost=_lost(each for each in mild if each.held_out),
    )


def named_rightly(warnings: Iterable[Warning], kinds: Mapping[str, str]) -> tuple[Row, ...]:
    """Return how often each kind was guessed rightly; `kinds` has what was found of payments that were scams.

    A genuine payment that was warned about counts as guessed wrongly.
    """
    right, all_ = Counter[str](), Counter[str]()
    for warning in warnings:
        if warning.fraud_class != "UNKNOWN":
            all_[warning.fraud_class] += 1
            right[warning.fraud_class] += kinds.get(warning.txn_id) == warning.fraud_class
    return tuple(Row(kind, Share(right[kind], count)) for kind, count in sorted(all_.items()))


def may_be_named(row: Row) -> bool:
    """Whether the guesses of a kind were right often enough for a policy to name it to victims.

    >>> may_be_named(Row("LOAN", Share(18, 20))), may_be_named(Row("LOAN", Share(4, 4)))
    (True, False)
    """
    return row.share.value >= NAMED_FROM and row.share.interval[0] >= BELIEVED_FROM


def discrimination(hit: Share, alarm: Share) -> float:
    """Return d': how far apart, in standard deviations, victims and others are in stopping.

    Half a case is added to each cell, so that shares of 0 and 1 have a place (Hautus, 1995).

    >>> round(discrimination(Share(46, 100), Share(12, 100)), 2), discrimination(Share(1, 4), Share(1, 4))
    (1.06, 0.0)
    """
    if not hit.of or not alarm.of:
        return math.nan
    ends = ((each.count + 0.5) / (each.of + 1) for each in (hit, alarm))
    high, low = map(_NORMAL.inv_cdf, ends)
    return high - low


def _stopped(lives: Iterable[Lived]) -> Share:
    found = list(lives)
    return Share(sum(each.verdict == "DISSUADED" for each in found), len(found))


def _lost(lives: Iterable[Lived]) -> Share:
    found = list(lives)
    return Share(sum(each.lost_30d_minor > 0 for each in found), len(found))
