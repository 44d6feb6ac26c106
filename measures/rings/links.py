"""From alerts, traces and clues to links, and to what is suspected."""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.alert import Alert
from schemas.clue import Clue
from schemas.feedback import Feedback
from schemas.ring import Link
from schemas.trace import Trace
from schemas.units import DAY_US

#: A call counts if the party paid a suspected account within so long after it.
CALL_TO_PAYMENT_US = 3 * DAY_US


class Known(NamedTuple):
    """What is known at an instant.

    Attributes:
        links: in order of time, each payment between two accounts once.
        suspected: accounts that an alert named or whose money a trace follows.
        at_us: event time of the newest fact.

    """

    links: tuple[Link, ...]
    suspected: frozenset[str]
    at_us: int


def known(
    alerts: Iterable[Alert],
    traces: Iterable[Trace] = (),
    clues: Iterable[Clue] = (),
    feedback: Iterable[Feedback] = (),
) -> Known:
    """Put together what ties suspected accounts; a repeated record counts once.

    A payment that people found legitimate gives no link. A trace's tainted part goes before the whole
    amount of an alert about the same payment.
    """
    cleared = {each.txn_id for each in feedback if each.verdict == "LEGITIMATE"}
    links: dict[tuple[str, str, str], Link] = {}
    suspected: set[str] = set()
    newest = 0
    for alert in alerts:
        newest = max(newest, alert.at_us)
        if alert.txn_id in cleared:
            continue
        suspected.add(alert.account_token)
        link = of_alert(alert)
        links[link.kind, link.left, alert.txn_id] = link
    for trace in traces:
        newest = max(newest, trace.at_us)
        suspected.add(trace.debtor_account)
        if trace.followed:
            suspected.add(trace.creditor_account)
        links["PAID", trace.debtor_account, trace.txn_id] = of_trace(trace)
    tied = [*links.values(), *calls(clues, links.values())]
    return Known(in_order(tied), frozenset(suspected), newest)


def calls(clues: Iterable[Clue], links: Iterable[Link]) -> list[Link]:
    """Return the calls from numbers they did not know to parties who paid a suspected account soon after."""
    paid = {link.left: link.at_us for link in in_order(links) if link.kind == "DECEIVED"}
    found = {}
    for clue in clues:
        after = paid.get(clue.party, -1) - clue.at_us
        if clue.kind == "CALL" and clue.counterparty and not clue.known and 0 <= after <= CALL_TO_PAYMENT_US:
            found[clue.counterparty, clue.party] = of_call(clue)
    return list(found.values())


def in_order(links: Iterable[Link]) -> tuple[Link, ...]:
    """Return links by time."""
    return tuple(sorted(links, key=lambda link: (link.at_us, link.cause_id, link.left, link.right)))


def of_alert(alert: Alert) -> Link:
    """Return the link an alert speaks of."""
    deceived = alert.leg == "CREDIT"
    return Link(
        kind="DECEIVED" if deceived else "PAID",
        left=alert.party_token if deceived else alert.account_token,
        right=alert.account_token if deceived else alert.counterparty_token,
        at_us=alert.at_us,
        cause_id=alert.alert_id,
        txn_id=alert.txn_id,
        amount_minor=alert.amount_minor,
        currency=alert.currency,
    )


def of_trace(trace: Trace) -> Link:
    """Return the link a trace speaks of, with the tainted part alone."""
    return Link(
        kind="PAID",
        left=trace.debtor_account,
        right=trace.creditor_account,
        at_us=trace.at_us,
        cause_id=trace.trace_id,
        txn_id=trace.txn_id,
        amount_minor=trace.amount_minor,
        currency=trace.currency,
    )


def of_call(clue: Clue) -> Link:
    """Return the link of a call."""
    return Link(
        kind="CALLED", left=clue.counterparty, right=clue.party, at_us=clue.at_us, cause_id=clue.clue_id
    )
