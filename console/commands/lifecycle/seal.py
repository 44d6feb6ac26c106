"""`stopline lifecycle seal`: what the journals held before there was a job key."""

import typer

from console.options import BEAM_FLAGS
from pipelines.jobs.arguments import options_told

app = typer.Typer(add_completion=False)


@app.command(context_settings=BEAM_FLAGS, epilog=options_told("kafka", "seal"))
def seal(context: typer.Context) -> None:
    """Send what topics `measures` and `traces` hold without a seal once more, sealed with --seal_key.

    Once, before the jobs are first started with a key, while nobody writes: all that is there is believed.
    A second time nothing happens. Make the key with: stopline tokens keygen seal.json

    Example: stopline lifecycle seal --seal_key seal.json --kafka_brokers 127.0.0.1:9092
    """
    from pipelines.jobs.options import in_process_options, kafka_settings
    from pipelines.lifecycle.sealing import seal_past

    count = seal_past(kafka_settings(in_process_options(context.args)))
    typer.echo(f"{count:,} entries sealed")
