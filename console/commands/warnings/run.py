"""`stopline warnings run`: the ladder of every warned party, for ever."""

from dataclasses import replace
from functools import partial
from typing import Annotated

import typer

from console.options import BEAM_FLAGS, CreateTopics, Fresh, MetricsAt, Partitions, Runner, StatusForm
from pipelines.jobs.arguments import options_told

app = typer.Typer(add_completion=False)


@app.command(context_settings=BEAM_FLAGS, epilog=options_told("kafka", "seal", "policy", "country", "law"))
def run(
    context: typer.Context,
    *,
    runner: Runner = "in-process",
    partitions: Partitions = 4,
    create_topics: CreateTopics = False,
    fresh: Fresh = False,
    status: StatusForm = "line",
    metrics: MetricsAt = "",
    sender: Annotated[str, typer.Option(help="Registered name that messages go out under.")] = "",
    hold_out: Annotated[
        int, typer.Option(help="Percent of parties told nothing at severity 1 and 2, to measure.", max=10)
    ] = 5,
    replay: Annotated[bool, typer.Option(help="Read what is there, then stop.")] = False,
) -> None:
    """Read warnings, clues, answers and outcomes; write to `contacts` whom to try to reach now, and how.

    Starts where topic `contacts` ends: every party's ladder is rebuilt from it. Tries are carried out by
    `stopline warnings send`. At-least-once: what is read again after a crash changes nothing.

    Example: stopline warnings run --kafka_brokers 127.0.0.1:9092 --sender "Example Bank" --create-topics
    """
    from console.running import run_job, run_over
    from console.status import VICTIMS, say
    from pipelines.jobs import victims
    from pipelines.jobs.options import kafka_settings, policy_of
    from pipelines.jobs.runners import options_for
    from pipelines.kafka.seal import believed
    from pipelines.received import wall_clock_us
    from pipelines.victims.settings import VictimsSettings, check_sender

    options = options_for(runner, context.args)
    kafka, policy = kafka_settings(options), policy_of(options)
    check_sender(policy, sender, wall_clock_us())
    kafka = replace(kafka, group=f"{kafka.group}-victims")
    settings = VictimsSettings(kafka, policy, sender=sender, hold_out_percent=hold_out)
    for said in believed(kafka.seal_key):
        say(status, said)
    victims.preflight(kafka, partitions, create_topics=create_topics)
    if replay:
        run_over(partial(victims.replay, settings, options), status, VICTIMS)
    else:
        run_job(victims.job(settings), runner, context.args, status, VICTIMS, fresh=fresh, metrics=metrics)
