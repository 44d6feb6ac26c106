"""`stopline run`: the main job, for ever."""

from functools import partial
from typing import Annotated

import typer

from console.ending import end_on_signals
from console.options import BEAM_FLAGS, CreateTopics, Fresh, Partitions, Runner
from console.status import StatusFormat, reporting, say
from measures.law.horizon import calendar_cautions
from pipelines.hot.decision_log.append import close_all
from pipelines.hot.serving import trusted
from pipelines.jobs import main
from pipelines.jobs.options import JobSettings, options_told
from pipelines.jobs.runners import options_for, run_in_process, run_on_flink
from pipelines.kafka.seal import believed
from pipelines.received import wall_clock_us

app = typer.Typer(add_completion=False)


@app.command(context_settings=BEAM_FLAGS, epilog=options_told())
def run(
    context: typer.Context,
    *,
    runner: Runner = "in-process",
    partitions: Partitions = 4,
    create_topics: CreateTopics = False,
    fresh: Fresh = False,
    status: Annotated[StatusFormat, typer.Option(help="What to print every second.")] = "line",
) -> None:
    """Read payments and send alerts, warnings, traces and dead letters until stopped with Ctrl-C.

    At-least-once: after a crash messages may be read and sent again, under the same ids. The in-process
    runner (default) keeps its ledgers in memory; `--runner flink` keeps them in checkpoints.
    Everything else is an option of the job, told below, or of Beam.

    With --model_registry the registry's live bundle is followed while the job runs, without a restart.

    Example: stopline run --kafka_brokers 127.0.0.1:9092 --model_bundle var/bundle --create-topics
    """
    options = options_for(runner, context.args)
    settings = JobSettings.of(options)
    main.preflight(settings, partitions, create_topics=create_topics)
    cautions = calendar_cautions([settings.policy.law], wall_clock_us())
    for said in (*cautions, *trusted(settings.models), *believed(settings.kafka.seal_key)):
        say(status, said)
    job = main.job(settings)
    if runner == "flink":
        run_on_flink(job, context.args, typer.echo, fresh=fresh)
        return
    end_on_signals(partial(say, status), close_all)
    with reporting(status):
        run_in_process(job, context.args, partial(say, status))
