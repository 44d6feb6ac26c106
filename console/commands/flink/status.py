"""`stopline flink status`: processes and jobs of the cluster on this machine."""

import typer

from pipelines.flink import cluster, jobs, watch

app = typer.Typer(add_completion=False)


@app.command()
def status() -> None:
    """Show processes and jobs; exit code 1 if a process is missing.

    Example: stopline flink status
    """
    running = cluster.status()
    for name, pid in running.items():
        typer.echo(f"{name:<12} {'not running' if pid is None else f'pid {pid}'}")
    if running["jobmanager"] is not None:
        for job in jobs.jobs():
            typer.echo(f"job {job.name:<20} {job.status:<10} {job.id} {watch.described(watch.progress(job))}")
    if None in running.values():
        typer.echo("start what is missing with: stopline flink up")
        raise typer.Exit(1)
