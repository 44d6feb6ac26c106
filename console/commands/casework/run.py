"""`stopline casework run`: reports, blocking entries and the registry, for ever."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from console.options import (
    BEAM_FLAGS,
    CreateTopics,
    Fresh,
    GuardFiles,
    LawDir,
    MetricsAt,
    Partitions,
    Runner,
    StatusForm,
    TokenKeys,
)
from pipelines.jobs.arguments import options_told

app = typer.Typer(add_completion=False)


@app.command(context_settings=BEAM_FLAGS, epilog=options_told("kafka", "seal"))
def run(
    context: typer.Context,
    *,
    keys: Annotated[
        Path | None, typer.Option(help="JSON file of the authorities' public keys; without it none is known.")
    ] = None,
    runner: Runner = "in-process",
    partitions: Partitions = 4,
    create_topics: CreateTopics = False,
    fresh: Fresh = False,
    law_dir: LawDir = None,
    status: StatusForm = "line",
    metrics: MetricsAt = "",
    guard: GuardFiles = [],  # noqa: B006
    token_keys: TokenKeys = None,
    replay: Annotated[bool, typer.Option(help="Read what is there, then stop.")] = False,
) -> None:
    """Take reports, ask recipients, keep blocking entries and the registry of suspicions and listings.

    Reads topics reports, casework and traces; writes report_actions, report_outcomes, indicators, blocks,
    suspicions, listings and dead letters. Begins with the states these topics hold. At-least-once: what comes
    again has its effect once. Options of Kafka are told below, the others are Beam's.

    Example: stopline casework run --kafka_brokers 127.0.0.1:9092 --keys keys.json --create-topics
    """
    from console.lab import blocklist
    from console.running import run_job, run_over
    from console.status import CASEWORK, say
    from measures.aggregate import Office
    from measures.authority.keys import read_keys
    from measures.law.country_file import read_laws
    from pipelines.casework.settings import CaseworkSettings
    from pipelines.jobs import casework
    from pipelines.jobs.options import kafka_settings
    from pipelines.jobs.runners import options_for
    from pipelines.kafka.seal import believed
    from pipelines.streams.iso20022 import tokens_of

    options = options_for(runner, context.args)
    laws = read_laws(law_dir)
    kept, lacking = blocklist.guard(guard)
    settings = CaseworkSettings(
        kafka_settings(options), Office(laws, kept), read_keys(keys, laws) if keys else (),
        keys_file=keys.resolve() if keys else None,
        token_keys=str(token_keys.absolute()) if token_keys else "",
    )  # fmt: skip
    tokens_of(settings.token_keys, "")
    for said in filter(None, (lacking, *believed(settings.kafka.seal_key))):
        say(status, said)
    casework.preflight(settings.kafka, partitions, create_topics=create_topics)
    if replay:
        run_over(partial(casework.replay, settings, options), status, CASEWORK)
    else:
        run_job(casework.job(settings), runner, context.args, status, CASEWORK, fresh=fresh, metrics=metrics)
