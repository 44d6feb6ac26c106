"""`stopline flink up` and `down`: the processes of a cluster on this machine."""

from typing import Annotated

import typer

from pipelines.flink import cluster
from pipelines.flink.cluster import StateBackend

app = typer.Typer(add_completion=False)


@app.command()
def up(
    state_backend: Annotated[
        StateBackend | None,
        typer.Option(
            "--state_backend",
            help="Where state is held: on the heap, or in RocksDB with incremental checkpoints. Kept until "
            "changed; hashmap at first.",
        ),
    ] = None,
) -> None:
    """Start JobManager, TaskManager, job server and Python worker pool, those that are not running.

    A job goes on under the other backend from a savepoint, not from a checkpoint.

    Example: stopline flink up --state_backend rocksdb
    """
    cluster.up(state_backend=state_backend)
    typer.echo(f"Flink is up; its web page is {cluster.DEFAULT.rest}")


@app.command()
def down() -> None:
    """Stop them all; jobs end, their checkpoints stay and the next run goes on from there.

    Example: stopline flink down
    """
    cluster.down()
    typer.echo("Flink is down")
