"""`stopline flink savepoint`, `restore` and `cancel`: what becomes of a job on the cluster."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.flink import cluster, jobs, journal

app = typer.Typer(add_completion=False)

Name = Annotated[str, typer.Argument(help="The job's name, as `stopline flink status` lists it.")]


@app.command()
def savepoint(
    name: Name, stop: Annotated[bool, typer.Option("--stop", help="End the job with it.")] = False
) -> None:
    """Write a savepoint, which outlives upgrades, and show its folder.

    Example: stopline flink savepoint stopline --stop
    """
    typer.echo(str(jobs.savepoint(jobs.require(name), stop=stop)))


@app.command()
def restore(name: Name, state: Annotated[Path, typer.Argument(help="Folder of a savepoint.")]) -> None:
    """Let the next run of the job begin with this savepoint or checkpoint instead of the newest.

    Example: stopline flink restore stopline var/flink/savepoints/savepoint-1a2b3c-4d5e6f
    """
    journal.restore(name, state, cluster.DEFAULT)
    typer.echo(f"the next run of {name} begins with {state}")


@app.command()
def cancel(name: Name) -> None:
    """End a job without a savepoint; the next run goes on from its last checkpoint.

    Example: stopline flink cancel stopline
    """
    jobs.cancel(jobs.require(name))
    typer.echo(f"{name} is cancelled")
