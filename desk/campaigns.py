"""The campaign a report is of, put together from the reports that the desk knows."""

from typing import Any, NamedTuple

import msgspec

from desk.sight import EVERYTHING, Sight
from desk.sql import among
from desk.store import Store, unpacked
from measures.cases import campaigns
from schemas import topics
from schemas.report import Report, ReportCase

#: Reports of one campaign that are looked at; a page says that there are more.
MOST = 200

_CASE = msgspec.json.Decoder(ReportCase).decode


class Campaign(NamedTuple):
    """Reports of one campaign, the oldest first.

    Attributes:
        campaign_id: derived from the oldest of them.
        reports: of which one may see.
        hidden: how many more there are.
        more: whether there may be still others, which were not looked at.
        shared: what is known of its sites and apps, by fact.

    """

    campaign_id: str
    reports: tuple[Report, ...]
    hidden: int
    more: bool
    shared: dict[str, list[str]]


def campaign_of(store: Store, record: Any, sight: Sight = EVERYTHING) -> Campaign | None:
    """Return the campaign of a report's case; None if no other report is of it, or it is another record."""
    if not isinstance(record, ReportCase):
        return None
    report = record.report
    found, ahead = {report.report_id: report}, [report]
    while ahead and len(found) < MOST:
        one = ahead.pop()
        for other in _near(store, one):
            if other.report_id not in found and campaigns.together(one, other):
                found[other.report_id] = other
                ahead.append(other)
    if len(found) == 1:
        return None
    group = sorted(found.values(), key=lambda each: (each.at_us, each.report_id))
    seen = tuple(each for each in group if sight.sees_record(store, topics.REPORT_ACTIONS, each.report_id))
    hidden = len(group) - len(seen)
    return Campaign(campaigns.campaign_id(group), seen, hidden, bool(ahead), campaigns.shared(seen))


def _near(store: Store, report: Report) -> list[Report]:
    marks = campaigns.marks(report)
    rows = store.rows(
        "SELECT record FROM aggregates WHERE topic = ? AND id IN (SELECT id FROM marks WHERE topic = ? "
        f"AND {among('mark', marks)}) ORDER BY at_us, id LIMIT {MOST}",
        topics.REPORT_ACTIONS, topics.REPORT_ACTIONS, *marks,
    )  # fmt: skip
    return [_CASE(unpacked(row["record"])).report for row in rows]
