"""`stopline run`: the main job, for ever."""

import typer

from console.options import BEAM_FLAGS, CreateTopics, Fresh, MetricsAt, Partitions, Runner, StatusForm
from pipelines.jobs.arguments import options_told

app = typer.Typer(add_completion=False)


@app.command(context_settings=BEAM_FLAGS, epilog=options_told())
def run(
    context: typer.Context,
    *,
    runner: Runner = "in-process",
    partitions: Partitions = 4,
    create_topics: CreateTopics = False,
    fresh: Fresh = False,
    status: StatusForm = "line",
    metrics: MetricsAt = "",
) -> None:
    """Read payments and send alerts, warnings, traces and dead letters until stopped with Ctrl-C.

    At-least-once: after a crash messages may be read and sent again, under the same ids. The in-process
    runner (default) keeps its ledgers in memory; `--runner flink` keeps them in checkpoints.
    Everything else is an option of the job, told below, or of Beam.

    With --model_registry the registry's live bundle is followed while the job runs, without a restart.

    Example: stopline run --kafka_brokers 127.0.0.1:9092 --model_bundle var/bundle --create-topics
    """
    from console.running import run_job
    from console.status import MAIN, say
    from measures.law.horizon import calendar_cautions
    from pipelines.hot.decision_log.append import close_all
    from pipelines.hot.serving import trusted
    from pipelines.jobs import main
    from pipelines.jobs.options import JobSettings
    from pipelines.jobs.runners import options_for
    from pipelines.kafka.seal import believed
    from pipelines.received import wall_clock_us

    options = options_for(runner, context.args)
    settings = JobSettings.of(options)
    main.preflight(settings, partitions, create_topics=create_topics)
    cautions = calendar_cautions([settings.policy.law], wall_clock_us())
    for said in (*cautions, *trusted(settings.models), *believed(settings.kafka.seal_key)):
        say(status, said)
    job = main.job(settings)
    run_job(job, runner, context.args, status, MAIN, fresh=fresh, metrics=metrics, finish=close_all)
