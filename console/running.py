"""A job run by a command, on the runner it names, with its status beside it."""

from collections.abc import Callable, Sequence
from functools import partial

from console.ending import end_on_signals
from console.probing import probed
from console.status import Status, StatusFormat, reporting, say
from pipelines.jobs.job import Job
from pipelines.jobs.runners import RunnerName, run_in_process, run_on_flink
from schemas.errors import ConfigError


def run_job(
    job: Job,
    runner: RunnerName,
    words: Sequence[str],
    form: StatusFormat,
    status: Status,
    *,
    fresh: bool = False,
    metrics: str = "",
    finish: Callable[[], None] = lambda: None,
) -> None:
    """Run a job for ever; `finish` is done before the process is ended.

    `metrics` is where figures and health of a job in this process are told, HOST:PORT.

    Raises:
        StoplineError: the runner, its state or the job refuses to start.

    """
    if runner == "flink" and metrics:
        raise ConfigError(
            f"--metrics {metrics!r} tells the figures of this process, and on Flink the job runs in others; "
            "leave it out, `stopline flink status` tells how it does; or take --runner in-process"
        )
    if runner == "flink":
        run_on_flink(job, words, partial(say, "none" if form == "none" else "line"), fresh=fresh)
        return
    end_on_signals(partial(say, form), finish)
    with probed(metrics, job.name), reporting(form, status):
        run_in_process(job, words, partial(say, form))


def run_over(replay: Callable[[], None], form: StatusFormat, status: Status) -> None:
    """Run a job over what its topics hold now, and say what came of it."""
    with reporting(form, status):
        replay()
