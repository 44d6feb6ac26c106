"""`stopline whatif`: what another policy would have done to a recorded stream, before it goes live."""

import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import apache_beam as beam
import msgspec
import numpy as np
import pyarrow.compute as pc
import typer
from rich.console import Console
from rich.table import Table

from console.commands.demo import SHIPPED_BUNDLE
from console.commands.replay import job_settings, streamed
from console.lab.recorded import KafkaSecurity, brokers_at, instant_us, read_feedback
from console.lab.scoreboard import Fact, Scoreboard
from console.lab.tables import figures
from fixtures.scenario import load
from models.learning import labels
from pipelines import policy
from pipelines.hot import decode, graph, serving
from pipelines.in_process import runner
from pipelines.jobs.options import JobSettings
from pipelines.kafka.port import KafkaSettings, open_admin
from pipelines.kafka.reading import process
from pipelines.kafka.reading.bounded import ReadChunksBounded
from pipelines.kafka.reading.bounds import Bound, captured_bounds, chunks_within
from pipelines.kafka.reading.start import start_offsets
from pipelines.kafka.sink import OutRecord
from pipelines.policy import Policy
from schemas import topics
from schemas.alert import Alert
from schemas.errors import ConfigError
from schemas.feedback import Feedback
from schemas.rows.tokens import token_text
from schemas.warning import Warning

app = typer.Typer(add_completion=False)


class Outcome(NamedTuple):
    """What one policy did; money in minor units."""

    saved_minor: int
    scam_minor: int
    delayed: int
    held: int
    stopped: int
    warned: int
    innocent_held: int
    customers_disturbed: int


class Replayed(NamedTuple):
    """Alerts and warnings of one run."""

    alerts: list[Alert]
    warnings: list[Warning]


@app.command()
def whatif(
    scenario: Annotated[str, typer.Argument(help="A scenario or a YAML file like theirs.")] = "",
    *,
    new: Annotated[Path, typer.Option("--policy", help="YAML policy to try.")],
    live: Annotated[Path, typer.Option(help="YAML policy in force.")] = policy.DEFAULT,
    feedback: Annotated[
        list[str], typer.Option(help="What is known of a stream: JSONL file or kafka://host:port.")
    ] = [],  # noqa: B006
    kafka_brokers: Annotated[
        str, typer.Option("--kafka_brokers", help="Broker whose recorded payments to replay.")
    ] = "",
    kafka_security: KafkaSecurity = [],  # noqa: B006
    model_bundle: Annotated[
        Path, typer.Option("--model_bundle", help="Bundle to score with.")
    ] = SHIPPED_BUNDLE,
    since: Annotated[
        str, typer.Option(help="Compare from this time on; payments before only fill the ledgers.")
    ] = "1970-01-01",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Replay a recorded stream under the live policy and a new one and show what would change.

    Both run through the main job itself; nothing is sent. Saved is scam money that was delayed, held or
    stopped at the victim or caught leaving a mule. Disturbed are customers whose good payment was held, or
    who were warned and were no victims. Of a stream the truth is its feedback: scams never reported are
    counted as good.
    Example: stopline whatif police_call --policy new.yaml
    """
    rules = {"live": policy.load(live), "new": policy.load(new)}
    if bool(scenario) == bool(kafka_brokers):
        raise ConfigError("name what to replay: a scenario, or a broker with --kafka_brokers; one of them")
    for each in rules.values():
        serving.check(model_bundle.resolve(), each)
    recorded = (
        streamed(load(scenario))
        if scenario
        else nullcontext(_stream(brokers_at(kafka_brokers, kafka_security), since))
    )
    with recorded as (settings, decided):
        job = job_settings(settings, "--model_bundle", str(model_bundle))
        job = replace(job, kafka=settings, decided=decided)
        runs = {name: replayed(replace(job, policy=each)) for name, each in rules.items()}
        board = (
            _board_of_scenario(scenario) if scenario else _board(job, read_feedback(feedback, kafka_security))
        )
        process.close_connections()
    outcomes = {name: outcome(board, run) for name, run in runs.items()}
    changed = _changed(runs)
    if as_json:
        found: dict[str, Any] = {name: each._asdict() for name, each in outcomes.items()}
        print(json.dumps({**found, "payments": board.payments, "changed": changed}, indent=1))
        return
    console = Console(highlight=False)
    console.print(_table(outcomes, rules, board.payments))
    console.print(
        f"acted on only under the new policy: {changed['more']:,} legs; only under the live one: "
        f"{changed['fewer']:,}; another measure: {changed['other']:,}",
        soft_wrap=True,
    )
    if not board.facts:
        console.print("nothing is known of scams in this stream: add --feedback to see money saved")


def replayed(job: JobSettings) -> Replayed:
    """Run the main job over everything in its topics; return what it would have sent."""
    with tempfile.TemporaryDirectory() as folder:
        with beam.Pipeline(runner=runner.in_process()) as pipeline:
            chunks = pipeline | "Read" >> ReadChunksBounded(job.kafka, *topics.READ)
            outputs = graph.build(chunks, job)
            for name in ("alerts", "warnings"):
                _ = getattr(outputs, name) | f"Keep {name}" >> beam.ParDo(KeepFn(Path(folder) / name))
        alerts, warnings = (_lines(Path(folder) / name) for name in ("alerts", "warnings"))
    return Replayed(
        [msgspec.json.decode(line, type=Alert) for line in alerts],
        [msgspec.json.decode(line, type=Warning) for line in warnings],
    )


class KeepFn(beam.DoFn):  # type: ignore[misc]
    """Append values to a file, a line each, instead of sending them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def process(self, record: OutRecord) -> None:
        """Append one record."""
        with self._path.open("ab") as file:
            file.write(record.value + b"\n")


def _lines(path: Path) -> list[bytes]:
    return sorted(set(path.read_bytes().splitlines())) if path.exists() else []


def _stream(settings: KafkaSettings, since: str) -> tuple[KafkaSettings, dict[int, int]]:
    """Return a broker and the offsets of payments from which on policies are compared."""
    since_us = instant_us(since)
    bounds = captured_bounds(settings, [topics.PAYMENTS])
    with closing(open_admin(settings)) as admin:
        found = start_offsets(admin, settings, [bound.at for bound in bounds], since_us)
    return settings, {
        bound.at[1]: _first_since(settings, bound._replace(start=found[bound.at]), since_us)
        for bound in bounds
    }


def _first_since(settings: KafkaSettings, bound: Bound, since_us: int) -> int:
    """Return the offset of the first message since a time: a broker may name the start of its batch only."""
    for chunk in chunks_within(settings, [bound]):
        if (chunk.timestamps >= since_us).any():
            return int(chunk.offsets[np.argmax(chunk.timestamps >= since_us)])
    return bound.end


def _board_of_scenario(name: str) -> Scoreboard:
    scenario = load(name)
    world = scenario.world()
    shown = pc.greater_equal(world.payments["accepted_at_us"], scenario.begins_us)
    return Scoreboard.of(world.payments.filter(shown), world.truth.filter(shown))


def _board(job: JobSettings, feedback: list[Feedback]) -> Scoreboard:
    """Return a board of the recorded payments with what feedback says of them."""
    case_of = {each.txn_id: each.case_family_id or each.txn_id for each in feedback}
    known, payments = labels.table(feedback), 0
    facts: dict[str, Fact] = {}
    bounds = [
        bound._replace(start=max(bound.start, job.decided[bound.at[1]]))
        for bound in captured_bounds(job.kafka, [topics.PAYMENTS])
    ]
    for chunk in chunks_within(job.kafka, bounds):
        rows = decode.decode(chunk, job.policy)[0]
        payments += len(rows)
        verdict = labels.verdicts(known, rows["txn_id"], np.inf)
        for place in np.flatnonzero((verdict == labels.SCAM) | (verdict == labels.LAUNDERING)).tolist():
            row, txn_id = rows[place], rows[place]["txn_id"].decode()
            scam = bool(verdict[place] == labels.SCAM)
            facts[txn_id] = Fact(scam, case_of[txn_id], int(row["amount_minor"]), token_text(row["debtor"]))
    return Scoreboard(payments, facts)


def outcome(board: Scoreboard, run: Replayed) -> Outcome:
    """Hold one run against the truth."""
    board = Scoreboard(board.payments, board.facts)
    board.add_alerts(run.alerts)
    board.add_warnings(run.warnings)
    result = board.result()
    measures = Counter(alert.outcome for alert in run.alerts)
    victims = {fact.payer for fact in board.facts.values() if fact.scam}
    innocent = {alert.party_token for alert in run.alerts if alert.txn_id not in board.facts}
    return Outcome(
        saved_minor=result.stopped_minor + result.caught_minor,
        scam_minor=result.scam_minor,
        delayed=measures["DELAY"],
        held=measures["HOLD"],
        stopped=measures["STOP"],
        warned=len(board.warned),
        innocent_held=result.innocent_held,
        customers_disturbed=len(innocent | (board.warned - victims)),
    )


def _changed(runs: Mapping[str, Replayed]) -> dict[str, int]:
    live, new = (
        {(alert.txn_id, alert.leg): alert.outcome for alert in runs[name].alerts} for name in ("live", "new")
    )
    return {
        "more": len(new.keys() - live.keys()),
        "fewer": len(live.keys() - new.keys()),
        "other": sum(new[leg] != live[leg] for leg in new.keys() & live.keys()),
    }


def _table(outcomes: Mapping[str, Outcome], rules: Mapping[str, Policy], payments: int) -> Table:
    live, new = outcomes["live"], outcomes["new"]
    law = rules["live"].law
    table = figures(
        "", "live", "new", "difference",
        title=f"{payments:,} payments under {rules['live'].stamp} and {rules['new'].stamp}",
    )  # fmt: skip
    for column in table.columns[1:]:
        column.justify = "right"

    def money(minor: int, sign: str = "") -> str:
        return f"{minor / 10**law.minor_digits:{sign},.0f} {law.currency}"

    saved = new.saved_minor - live.saved_minor
    table.add_row("scam money", money(live.scam_minor), money(new.scam_minor), "")
    table.add_row("  saved", money(live.saved_minor), money(new.saved_minor), money(saved, "+"))
    for name, text in (
        ("delayed", "legs delayed"), ("held", "legs held"), ("stopped", "legs stopped"),
        ("warned", "customers warned"), ("innocent_held", "good payments held"),
        ("customers_disturbed", "customers disturbed"),
    ):  # fmt: skip
        before, after = getattr(live, name), getattr(new, name)
        table.add_row(text, f"{before:,}", f"{after:,}", f"{after - before:+,}")
    return table
