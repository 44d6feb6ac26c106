"""Minor units count only in their currency: what is in another one is never compared, and never held."""

from measures.law.jurisdiction import Regime
from measures.refusal import Refusal
from measures.state.account import Account
from schemas.order import Order
from schemas.reply import Why


def comparable(currency: str, regime: Regime) -> bool:
    """Whether a sum can be held against the law's thresholds; unsaid, it is in the law's currency."""
    return currency in ("", regime.law.currency)


def currency_of(account: Account, regime: Regime, order: Order | None = None) -> str:
    """Give the currency of a measure: the account's, else the order's, else the law's."""
    sent = order.victim_transfer if order else None
    said = (order.currency if order else None) or (sent.currency if sent else "")
    return account.currency or said or regime.law.currency


def currency_fault(order: Order, account: Account) -> Refusal | None:
    """Refuse an order whose sums are in another currency than the account, or in two."""
    sent = order.victim_transfer
    said = {each for each in (order.currency, sent.currency if sent else None, account.currency) if each}
    if len(said) > 1:
        return Refusal(why=Why.CURRENCY_MISMATCH, detail=f"{', '.join(sorted(said))} are not one currency")
    return None
