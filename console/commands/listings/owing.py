"""`stopline listings report`: what the law has an institution report of its suspected accounts."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from console.lab import listing
from console.options import BEAM_FLAGS, BeamCommand, LawDir
from measures.law.country_file import read_laws
from measures.registry import reporting
from pipelines.jobs.options import in_process_options, kafka_settings
from pipelines.received import wall_clock_us
from schemas import topics
from schemas.subject import Suspicion

app = typer.Typer(add_completion=False)

Day = Annotated[
    datetime | None,
    typer.Option(help="The period ended before it; without it today.", formats=["%Y-%m-%d"]),
]


@app.command(cls=BeamCommand, context_settings=BEAM_FLAGS)
def report(
    context: typer.Context,
    country: Annotated[str, typer.Argument(help="Under whose law, such as VN or BR.")],
    institution: Annotated[str, typer.Argument(help="Whose accounts.")],
    *,
    out: Annotated[Path, typer.Option(help="CSV file to write.")],
    day: Day = None,
    law_dir: LawDir = None,
) -> None:
    """Write the newest report that is owed: Viet Nam's by the month, Brazil's by the half-year.

    Example: stopline listings report VN bank-1 --out simo.csv --kafka_brokers 127.0.0.1:9092
    """
    law = read_laws(law_dir).of(country.upper())
    now_us = int(day.replace(tzinfo=UTC).timestamp() * 1e6) if day else wall_clock_us()
    rule = reporting.rule_of(law, now_us)
    period = reporting.period_of(law, rule, now_us)
    known = listing.newest(kafka_settings(in_process_options(context.args)), topics.SUSPICIONS, Suspicion)
    under = (each for each in known.values() if each.jurisdiction == law.id)
    lines = reporting.rows(under, rule, period, institution)
    out.write_text(reporting.csv(rule, lines), "utf-8")
    due = law.calendar.local(period.due_us - 1)
    typer.echo(f"{out}: {len(lines):,} subjects of {institution} for {period.name}, due by {due:%Y-%m-%d}")
    if own := reporting.own_columns(rule):
        typer.echo(f"yours to fill, with numbers in place of tokens: {', '.join(own)}")
