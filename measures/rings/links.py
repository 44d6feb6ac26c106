"""From alerts, traces, clues and reports to links, and to what is suspected."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from measures.cases import campaigns
from schemas.alert import Alert, accused_of
from schemas.clue import Clue
from schemas.contract import is_token
from schemas.feedback import Feedback
from schemas.ids import derived_token
from schemas.report import Entity, Report, ReportCase
from schemas.ring import Link, LinkKind
from schemas.trace import Trace
from schemas.units import DAY_US

#: A call counts if the party paid a suspected account within so long after it.
CALL_TO_PAYMENT_US = 3 * DAY_US

#: Links of parties whose calls are looked at: who paid a suspected account, and who holds one.
CALLED_FOR = ("DECEIVED", "SAME_HOLDER")

#: What a report says of two entities -> the link, and whether it goes from the second to the first. Payments
#: are read from alerts and traces, which know their amounts.
REPORTED: Mapping[str, tuple[LinkKind, bool]] = {
    "CALLED": ("CALLED", False),
    "SENT": ("CALLED", False),
    "VISITED": ("SAME_KIT", True),
    "INSTALLED": ("SAME_KIT", True),
    "SAME_KIT": ("SAME_KIT", False),
    "SAME_TEMPLATE": ("SAME_TEMPLATE", False),
    "SHARED_DEVICE": ("SHARED_DEVICE", False),
    "SHARED_IP24": ("SHARED_IP24", False),
    "SAME_HOLDER": ("SAME_HOLDER", False),
    "CASHED_AT": ("CASHED_AT", True),
    "RECRUITED": ("RECRUITED", False),
}

#: What a link is known by: its kind, its left end, and what tells it from others of the two.
LinkKey = tuple[str, str, str]


class Known(NamedTuple):
    """What is known at an instant.

    Attributes:
        links: in order of time; a payment that only traces speak of once a case.
        suspected: accounts that an alert or a believed report named; that a trace reached them is no ground.
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
    reports: Iterable[ReportCase] = (),
) -> Known:
    """Put together what ties suspected accounts; a repeated record counts once, of a case its newest version.

    A payment that people found legitimate gives no link. What an alert speaks of counts whole, what only
    traces speak of by its tainted part.
    """
    cleared = {each.txn_id for each in feedback if each.verdict == "LEGITIMATE"}
    links: dict[LinkKey, Link] = {}
    suspected: set[str] = set()
    newest = 0
    for alert in alerts:
        newest = max(newest, alert.at_us)
        if alert.txn_id in cleared:
            continue
        suspected.add(accused_of(alert))
        links |= of_alert(alert)
    traced = list(traces)
    newest = max([newest, *(trace.at_us for trace in traced)])
    links = with_traces(links, traced)
    cases: dict[str, ReportCase] = {}
    for case in reports:
        newest = max(newest, case.report.at_us)
        if case.version >= cases.get(case.key, case).version:
            cases[case.key] = case
    for case in filter(believed, cases.values()):
        links |= of_report(case)
        suspected |= accounts_of(case)
    links |= of_campaigns(cases.values())
    tied = [*links.values(), *calls(clues, links.values())]
    return Known(in_order(tied), frozenset(suspected), newest)


def believed(case: ReportCase) -> bool:
    """Whether rings may rest on a report: an authority signed it or a person confirmed it, and it stands."""
    stands = case.state not in {"DISMISSED", "REVOKED"} and case.verdict != "REJECTED"
    return stands and (case.authority or case.verdict == "CONFIRMED")


def of_report(case: ReportCase) -> dict[LinkKey, Link]:
    """Return the links that a report names."""
    report = case.report
    found: dict[LinkKey, Link] = {}
    for edge in report.edges:
        if edge.kind not in REPORTED or max(edge.from_entity, edge.to_entity) >= len(report.entities):
            continue
        kind, turned = REPORTED[edge.kind]
        ends = [_named(report.entities[place]) for place in (edge.from_entity, edge.to_entity)]
        left, right = reversed(ends) if turned else ends
        found[kind, left, f"{right}/{report.report_id}"] = Link(
            kind=kind, left=left, right=right, at_us=edge.at_us or report.at_us, cause_id=report.report_id
        )
    return found


def of_campaigns(cases: Iterable[ReportCase]) -> dict[LinkKey, Link]:
    """Return the links of accounts that reports of one campaign name, two or more, all of them believed."""
    reports = [case.report for case in cases if believed(case)]
    found: dict[LinkKey, Link] = {}
    for group in campaigns.groups(reports):
        shared = campaigns.campaign_token(group)
        for report in group if len(group) > 1 else ():
            kind: LinkKind = "SAME_TEMPLATE" if report.template else "SAME_KIT"
            for account in suspects_of(report):
                found[kind, shared, f"{account}/{report.report_id}"] = Link(
                    kind=kind, left=shared, right=account, at_us=report.at_us, cause_id=report.report_id
                )
    return found


def _named(entity: Entity) -> str:
    """Return the token of an entity; what a report names in clear gets one that is the same each time."""
    if is_token(entity.value):
        return entity.value
    return derived_token("entity", entity.kind, entity.value)


def accounts_of(case: ReportCase) -> set[str]:
    """Return the accounts that a case's report suspects."""
    return suspects_of(case.report)


def suspects_of(report: Report) -> set[str]:
    """Return the accounts that a report suspects."""
    return {
        each.value for each in report.entities if each.kind == "ACCOUNT" and each.role in {"SUSPECT", "MULE"}
    }


def calls(clues: Iterable[Clue], links: Iterable[Link]) -> list[Link]:
    """Return the calls from numbers they did not know to parties who paid a suspected account soon after.

    And to those who hold one, before money left it. Each comes with its trunk, where the operator tells it.
    """
    paid = {link.left: link.at_us for link in in_order(links) if link.kind in CALLED_FOR}
    found: dict[LinkKey, Link] = {}
    for clue in clues:
        after = paid.get(clue.party, -1) - clue.at_us
        if clue.kind == "CALL" and clue.counterparty and not clue.known and 0 <= after <= CALL_TO_PAYMENT_US:
            found |= dict(of_call(clue))
    return list(found.values())


def in_order(links: Iterable[Link]) -> tuple[Link, ...]:
    """Return links by time."""
    return tuple(sorted(links, key=lambda link: (link.at_us, link.cause_id, link.left, link.right)))


def of_alert(alert: Alert) -> dict[LinkKey, Link]:
    """Return the payment an alert speaks of; of money that leaves, who holds the account as well."""
    deceived, accused = alert.leg == "CREDIT", accused_of(alert)
    paid = Link(
        kind="DECEIVED" if deceived else "PAID",
        left=alert.party_token if deceived else accused,
        right=accused if deceived else alert.counterparty_token,
        at_us=alert.at_us,
        cause_id=alert.alert_id,
        txn_id=alert.txn_id,
        amount_minor=alert.amount_minor,
        currency=alert.currency,
    )
    found: dict[LinkKey, Link] = {(paid.kind, paid.left, alert.txn_id): paid}
    if not deceived:
        found["SAME_HOLDER", alert.party_token, alert.txn_id] = Link(
            kind="SAME_HOLDER",
            left=alert.party_token,
            right=accused,
            at_us=alert.at_us,
            cause_id=alert.alert_id,
        )
    return found


def paid_by(trace: Trace) -> LinkKey:
    """Return the key of an alert's link about the payment that a trace speaks of."""
    return "PAID", trace.debtor_account, trace.txn_id


def with_traces(links: Mapping[LinkKey, Link], traces: Iterable[Trace]) -> dict[LinkKey, Link]:
    """Add the traces of payments that no alert speaks of; a repeated trace counts once."""
    traced = (of_trace(trace) for trace in traces if paid_by(trace) not in links)
    return {**links, **dict(traced)}


def of_trace(trace: Trace) -> tuple[LinkKey, Link]:
    """Return the link of a trace: the part of a payment that was one case's money.

    It tells where money went, and ties nobody: taint reaches shops and who sells currency as well.
    """
    return ("PAID", trace.debtor_account, trace.trace_id), Link(
        kind="PAID",
        left=trace.debtor_account,
        right=trace.creditor_account,
        at_us=trace.at_us,
        cause_id=trace.trace_id,
        txn_id=trace.txn_id,
        amount_minor=trace.amount_minor,
        currency=trace.currency,
        traced=True,
    )


def of_call(clue: Clue) -> Iterator[tuple[LinkKey, Link]]:
    """Yield the links of a call: its number's, and its trunk's where that is told."""
    ends: tuple[tuple[LinkKind, str], ...] = (("CALLED", clue.counterparty), ("SAME_ORIGID", clue.origid))
    for kind, left in ends:
        if left:
            yield (
                (kind, left, clue.party),
                Link(kind=kind, left=left, right=clue.party, at_us=clue.at_us, cause_id=clue.clue_id),
            )
