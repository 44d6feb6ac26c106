"""What `stopline check` prints."""

from collections.abc import Iterator

from rich.console import RenderableType

from console.lab.checking import Checked, Finding
from console.views.tables import figures


def told(found: Checked) -> Iterator[RenderableType]:
    """Yield what was found, the gravest first."""
    accepted, refused = len(found.rows), found.messages - len(found.rows)
    yield f"{found.messages:,} messages: {accepted:,} accepted, {refused:,} refused"
    yield from _findings("refused: not scored at all", found.refused)
    yield from _findings("look at this", found.doubtful)
    if found.lacking:
        table = figures("optional field", "lacks in", "the model was trained", title="not sent")
        for each in found.lacking:
            share = "all" if each.share == 1 else f"{each.share:.1%}"
            usually = "with it" if each.trained else "mostly without it"
            trained = usually if each.trained_without is None else f"{each.trained_without:.0%} without it"
            table.add_row(each.field, share, trained)
        yield table
        yield "A model is weaker without what it was trained with: docs/models.md, `stopline stress`."
    if not found.acted:
        yield "no payment would be warned about, delayed, held or stopped"
        return
    table = figures("outcome", "leg", "payments", "accounts", "most of one account", title="the model would")
    for act in found.acted:
        about = "payee" if act.leg == "CREDIT" else "payer"
        most = f"{act.most:,} of {act.most_about}"
        table.add_row(act.outcome, act.leg, f"{act.legs:,}", f"{act.accounts:,} ({about})", most)
    yield table
    yield "Ledgers begin empty here, so that the model knows nobody yet; a running job does after some days."


def _findings(title: str, findings: list[Finding]) -> Iterator[RenderableType]:
    if findings:
        table = figures("what", "payments", "first", "mend", title=title)
        for each in findings:
            table.add_row(
                each.what, f"{each.payments:,}", "" if each.first < 0 else f"{each.first:,}", each.mend
            )
        yield table
