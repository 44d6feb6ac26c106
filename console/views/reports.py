"""Cases of reports on a terminal."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from rich.table import Table

from measures.cases import campaigns as grouping
from measures.registry.rectification import Standing
from schemas.names import how_many
from schemas.rectification import Rectification
from schemas.report import Action, Report, ReportCase


def overview(cases: Mapping[str, ReportCase]) -> Table:
    """Return every open case in a line, those with somebody's clock run out first."""
    shown = Table(
        "report", "reporter", "state", "asked", "acted", "refused", "late", "since", title="Open reports"
    )
    running = [each for each in cases.values() if not each.closed_us]
    for each in sorted(running, key=lambda case: (-_late(case), case.received_us)):
        results = [action.result for action in each.actions]
        counts = (len(results), results.count("ACTED"), results.count("REFUSED"), _late(each))
        shown.add_row(each.key, each.report.reporter, each.state, *map(str, counts), _at(each.received_us))
    return shown


def case(found: ReportCase) -> Table:
    """Return who was asked what, in order."""
    word = "authority" if found.authority else f"private, quality {found.quality / 10:.0f} %"
    title = f"{found.key} of {found.report.reporter} ({word}): {found.state} {found.verdict} {found.why}"
    shown = Table(
        "recipient", "asked", "entity", "sent", "acknowledged", "done", "result", title=title.strip()
    )
    for each in found.actions:
        entity = found.report.entities[each.entity]
        shown.add_row(
            each.recipient, each.kind, f"{entity.kind} {entity.value}", _at(each.sent_us), _at(each.acked_us),
            _at(each.done_us), _said(each),
        )  # fmt: skip
    return shown


def campaigns(reports: Iterable[Report]) -> Table:
    """Return the campaigns of two or more reports, the newest first."""
    shown = Table(
        "campaign", "reports", "reporters", "first seen", "last", "what", "shared", title="Campaigns"
    )
    groups = [each for each in grouping.groups(reports) if len(each) > 1]
    for group in sorted(groups, key=lambda each: -each[-1].at_us):
        classes = Counter(each.fraud_class for each in group)
        named = (f"{name} {value}" for name, values in grouping.shared(group).items() for value in values[:3])
        shown.add_row(
            grouping.campaign_id(group), str(len(group)), str(how_many(each.reporter for each in group)),
            _at(group[0].at_us), _at(group[-1].at_us), classes.most_common(1)[0][0], ", ".join(named),
        )  # fmt: skip
    return shown


def league(lines: Sequence[Standing], known: Mapping[str, Rectification]) -> Table:
    """Return institutions in the order of a league, with the notices that are open."""
    shown = Table(
        "institution", "mules of 100,000", "refused of 10,000", "wrong limits", "stands out", "open"
    )
    for line in lines:
        notices = [each for each in known[line.institution].notices if each.state != "VERIFIED"]
        open_ = ", ".join(f"{each.track} {each.state} tier {each.tier}" for each in notices)
        shown.add_row(
            line.institution, f"{line.rate:.1f}", str(line.refusal_per_10k), str(line.wrongly_limited),
            " ".join(line.flags), open_,
        )  # fmt: skip
    return shown


def _said(action: Action) -> str:
    late = f"ESCALATED {_at(action.escalated_us)} " if action.escalated_us else ""
    said = " ".join(filter(None, (action.result, action.reason, action.known, action.proof)))
    return late + said if said else f"{late}due {_at(action.act_due_us)}"


def _late(case: ReportCase) -> int:
    return sum(each.escalated_us > 0 and not each.done_us for each in case.actions)


def _at(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(" ", "seconds") if at_us else ""
