"""`stopline lifecycle run`: legal orders carried out, for ever."""

from functools import partial
from typing import Annotated

import typer

from console.options import (
    BEAM_FLAGS,
    CreateTopics,
    Fresh,
    KeysFile,
    LawDir,
    MetricsAt,
    Partitions,
    Runner,
    StatusForm,
)
from pipelines.jobs.arguments import options_told

app = typer.Typer(add_completion=False)


@app.command(context_settings=BEAM_FLAGS, epilog=options_told("kafka", "seal"))
def run(
    context: typer.Context,
    *,
    keys: KeysFile,
    runner: Runner = "in-process",
    partitions: Partitions = 4,
    create_topics: CreateTopics = False,
    fresh: Fresh = False,
    status: StatusForm = "line",
    metrics: MetricsAt = "",
    law_dir: LawDir = None,
    replay: Annotated[
        bool, typer.Option(help="Read what is there, then stop; no journal is taken over.")
    ] = False,
) -> None:
    """Read orders and account messages; write the journal of measures, replies, refunds, dead letters.

    Starts where the journal on topic `measures` ends: accounts, order numbers and due times are rebuilt
    from it. The in-process runner (default) wakes accounts by messages; `--runner flink` keeps accounts and
    terms in checkpoints. At-least-once: after a crash messages may be read again; replies say DUPLICATE.
    Everything else is an option of Kafka, told below, or of Beam.

    Example: stopline lifecycle run --kafka_brokers 127.0.0.1:9092 --keys keys.json --create-topics
    """
    from console.running import run_job, run_over
    from console.status import LEGAL, say
    from measures.authority.keys import law_of_keys, read_keys
    from measures.law.country_file import read_laws
    from measures.law.horizon import calendar_cautions
    from pipelines.jobs import lifecycle
    from pipelines.jobs.options import kafka_settings
    from pipelines.jobs.runners import options_for
    from pipelines.kafka.seal import believed
    from pipelines.lifecycle.settings import LifecycleSettings
    from pipelines.received import wall_clock_us

    options = options_for(runner, context.args)
    laws = read_laws(law_dir)
    settings = LifecycleSettings(
        kafka_settings(options), read_keys(keys, laws), laws, keys_file=keys.resolve()
    )
    cautions = calendar_cautions(law_of_keys(settings.keys, laws), wall_clock_us())
    for said in (*cautions, *believed(settings.kafka.seal_key)):
        say(status, said)
    lifecycle.preflight(settings.kafka, partitions, create_topics=create_topics)
    if replay:
        run_over(partial(lifecycle.replay, settings, options), status, LEGAL)
    else:
        run_job(lifecycle.job(settings), runner, context.args, status, LEGAL, fresh=fresh, metrics=metrics)
