"""What came of blocks, in lines."""

from collections.abc import Iterator

from measures.blocking.effect import HOURS, Effect
from schemas.units import MINUTE_US


def told(of: Effect) -> Iterator[str]:
    """Yield lines: what stops, what was taken down, what is up after a time, what operators still see."""
    wrongly = of.wrongful_us / MINUTE_US
    yield f"{of.stopping:,} entries stop something now; stopped wrongly: {wrongly:,.0f} minutes in all"
    yield f"{of.asked:,} take-downs asked, {of.gone:,} gone, {of.again:,} came back, {of.overdue:,} overdue"
    shares = [
        f"{hours} h {share:.0%}" for hours, share in zip(HOURS, of.up, strict=True) if share is not None
    ]
    if shares:
        yield f"still up after {', '.join(shares)} (Kaplan-Meier)"
    for operator, count in of.sighted.most_common():
        yield f"{operator} saw what is blocked {count:,} times"
    if of.stopping and not of.sighted:
        yield "no operator has told how often it sees it; that is SIGHT_BLOCKED on topic casework"
