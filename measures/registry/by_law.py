"""What the law of a country makes of a suspicion: its effects by tier, its end, what a register calls it."""

from collections.abc import Callable

from msgspec.structs import replace

from measures.law.country_file import Laws
from measures.law.registry_rules import SuspicionRule
from schemas.errors import ConfigError
from schemas.subject import Suspicion


def rule_of(laws: Laws, country: str, at_us: int) -> SuspicionRule | None:
    """Return the rule in force; None where no country is named or its law says nothing."""
    try:
        return laws.of(country).on(at_us).suspicion if country else None
    except ConfigError:
        return None


def applied(
    was: Suspicion | None, known: Suspicion, laws: Laws, at_us: int, confirmed: Callable[[Suspicion], bool]
) -> Suspicion:
    """Return a suspicion that has changed as the law of its country has it now."""
    rule = rule_of(laws, known.jurisdiction, at_us)
    if rule is None:
        return replace(known, effects=(), marker="")
    marker = rule.markers.get(known.role, rule.markers.get("UNKNOWN", "")) if confirmed(known) else ""
    until_us = known.valid_to_us
    if known.state in ("ACTIVE", "IN_REVIEW") and (was is None or until_us > was.valid_to_us):
        until_us = min(until_us, laws.of(known.jurisdiction).calendar.add(at_us, rule.term))
    return replace(known, effects=rule.effects, marker=marker, valid_to_us=until_us)
