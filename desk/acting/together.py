"""Many cases decided at once: two people for many accounts, or for a large sum that is freed in all."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from desk.acting.plan import Asked, Plan
from measures.authority.people import together_fault
from measures.law.country_file import Laws
from schemas.action import Action, ActionKind

#: What can be decided of many cases at once -> whether it frees money; nothing that a measure does or ends.
BULK: Mapping[ActionKind, bool] = {"CONFIRM": False, "DISMISS": True, "ESCALATE": False}

#: The field of `terms` that names the decision that an action is a part of.
TOGETHER = "together"


class Planned(NamedTuple):
    """A form, and what it would do; `known` is the action that it has become already."""

    asked: Asked
    plan: Plan
    known: Action | None


class Together(NamedTuple):
    """Proposals that one person made at once: their name, the actions, and their sums by currency."""

    name: str
    kind: ActionKind
    by: str
    actions: tuple[Action, ...]
    sums: tuple[tuple[str, int], ...]


def needs_two(planned: Sequence[Planned], laws: Laws) -> bool:
    """Tell whether what is decided at once takes two people, by the country of each case.

    Raises:
        ConfigError: a case's country has no file.

    """
    decided = [each for each in planned if each.asked.kind != "ESCALATE"]
    if len(planned) < 2 or not decided:
        return False
    countries = defaultdict[str, list[Planned]](list)
    for each in decided:
        countries[each.asked.jurisdiction].append(each)
    accounts = len({each.asked.account for each in decided})
    for country, own in countries.items():
        regime = laws.of(country).on(own[0].asked.at_us)
        frees = [each for each in own if BULK.get(each.asked.kind, True)]
        foreign = any(each.plan.currency not in ("", regime.law.currency) for each in frees)
        freed = sum(each.plan.amount_minor for each in frees)
        if together_fault(own[0].asked.people, accounts, freed, regime, foreign=foreign):
            return True
    return False


def waiting_together(proposals: Iterable[Action]) -> list[Together]:
    """Gather proposals by the decision that they are a part of."""
    found = defaultdict[str, list[Action]](list)
    for each in proposals:
        if name := each.terms.get(TOGETHER, ""):
            found[name].append(each)
    return [Together(name, own[0].kind, own[0].by, tuple(own), sums_of(own)) for name, own in found.items()]


def sums_of(actions: Iterable[Action | Plan]) -> tuple[tuple[str, int], ...]:
    """Return the sums of actions by currency, minor units."""
    sums = defaultdict[str, int](int)
    for each in actions:
        sums[each.currency] += each.amount_minor
    return tuple(sorted(sums.items()))
