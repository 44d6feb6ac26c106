"""A reporter's record: what share of its reports was confirmed weighs its next one."""

from typing import Any

from measures.aggregate import Aggregate, Applied, Office, Refuse, Send, moved
from schemas import topics
from schemas.casework import CountOutcome, OpenCase, TakeReport
from schemas.report import Reporter

#: Outcomes remembered by report, so that each counts once.
REMEMBERED = 1_024

#: A reporter with so many rejected reports, and a lower quality than this, asks nobody but a person.
REJECTED_MIN, DISCREDITED = 4, 250


def quality(record: Reporter | None) -> int:
    """Return of 1,000 reports how many may be expected to be right: 500 of a reporter nobody knows (Laplace).

    >>> quality(None), quality(Reporter(reporter="a", confirmed=8))
    (500, 900)
    """
    if record is None:
        return 500
    return 1000 * (record.confirmed + 1) // (record.confirmed + record.rejected + 2)


def discredited(record: Reporter | None) -> bool:
    """Tell whether most reports of a reporter were wrong."""
    return record is not None and record.rejected >= REJECTED_MIN and quality(record) < DISCREDITED


def apply(record: Reporter | None, key: str, command: Any, at_us: int, office: Office) -> Applied:
    """Hand a report on with its reporter's record, or count what became of one."""
    if isinstance(command, TakeReport):
        doubted = discredited(record) and not command.authority
        opened = OpenCase(
            report=command.report, authority=command.authority, quality=quality(record), discredited=doubted
        )
        return Applied(record, (Send("report", command.report.report_id, opened),))
    if isinstance(command, CountOutcome):
        known = record or Reporter(reporter=key, version=0)
        if command.report_id in known.counted:
            return Applied(record)
        return Applied(
            moved(
                known,
                confirmed=known.confirmed + (command.verdict == "CONFIRMED"),
                rejected=known.rejected + (command.verdict == "REJECTED"),
                revoked=known.revoked + command.revoked,
                counted=(*known.counted, command.report_id)[-REMEMBERED:],
                last_us=max(known.last_us, at_us),
            )
        )
    return Applied(record, (Refuse("a reporter's record takes reports and outcomes"),))


REPORTER = Aggregate(kind="reporter", topic=topics.REPORTERS, state=Reporter, apply=apply)
