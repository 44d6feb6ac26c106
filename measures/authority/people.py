"""Human rules of a country file: officers per order, four eyes above a sum, proportion for small sums."""

from measures.law.jurisdiction import Regime
from measures.law.rules import TWO_PEOPLE, Deed
from measures.refusal import Refusal
from schemas.measure import Measure
from schemas.names import how_many
from schemas.order import Order, Scope
from schemas.reply import Why


def officers_of(order: Order) -> tuple[str, ...]:
    """Tokens of the different people who sign an order."""
    return tuple(dict.fromkeys(officer.officer_token for officer in order.officers))


def officers_fault(order: Order, regime: Regime) -> Refusal | None:
    """Refuse an order signed by fewer different officers than the country asks for."""
    signed, needed = len(officers_of(order)), regime.people.officers
    if signed < needed:
        return Refusal(why=Why.OFFICERS_MISSING, detail=f"{signed} of {needed} officers signed")
    return None


def release_fault(
    by: tuple[str, ...], reason: str, weight_minor: int, regime: Regime, *, currency: str = ""
) -> Refusal | None:
    """Refuse a release without a reason, by nobody, or of a large sum by one person alone.

    A sum in another `currency` than the law's cannot be called small.
    """
    if not reason.strip():
        return Refusal(why=Why.REASON_MISSING, detail="a release names its reason")
    foreign = currency not in ("", regime.law.currency)
    needed = 2 if foreign or weight_minor >= regime.people.four_eyes_from else 1
    if how_many(by) < needed:
        return Refusal(why=Why.TWO_PEOPLE_NEEDED, detail=f"{how_many(by)} of {needed} people decided")
    return None


def together_fault(
    by: tuple[str, ...], accounts: int, freed_minor: int, regime: Regime, *, foreign: bool = False
) -> Refusal | None:
    """Refuse one decision about many accounts, or that frees a large sum in all, by one person alone.

    Sums in `foreign` currencies cannot be called small.
    """
    large = foreign or freed_minor >= regime.people.four_eyes_from
    needed = 2 if large or accounts >= regime.people.four_eyes_accounts else 1
    if how_many(by) < needed:
        return Refusal(why=Why.TWO_PEOPLE_NEEDED, detail=f"{how_many(by)} of {needed} people decided")
    return None


def deed_fault(deed: Deed, by: tuple[str, ...], reason: str, regime: Regime | None) -> Refusal | None:
    """Refuse what people do to a block or a listing without a reason or by too few; None: no country."""
    two = regime.people.two_people if regime else TWO_PEOPLE
    needed = 2 if deed in two else 1
    if not reason.strip():
        return Refusal(why=Why.REASON_MISSING, detail="who decides names a reason")
    if how_many(by) < needed:
        return Refusal(why=Why.TWO_PEOPLE_NEEDED, detail=f"{how_many(by)} of {needed} people decided")
    return None


def weight(measure: Measure, balance_minor: int) -> int:
    """How much money a measure is about: its limit, or the whole balance (minor units).

    A payment whose sum nobody said is taken for all that is there.
    """
    unsaid = measure.scope is Scope.TRANSACTION and not measure.limit_minor
    if unsaid or measure.scope is Scope.ALL_OUTFLOW:
        return max(balance_minor, measure.held_minor)
    return measure.limit_minor


def proportionate(scope: Scope, disputed_minor: int | None, currency: str, regime: Regime) -> Scope:
    """Narrow a measure over a small disputed sum of the law's currency to that sum (domain.md 7, trap 5)."""
    small = disputed_minor is not None and 0 < disputed_minor < regime.people.small_sum
    small = small and currency in ("", regime.law.currency)
    return Scope.AMOUNT if scope is Scope.ALL_OUTFLOW and small else scope
