"""What a running job tells over HTTP: figures for Prometheus; whether it lives, and whether it reads."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from console.served import Answer, served
from pipelines.telemetry import TELEMETRY, Telemetry

#: A job that has not looked for messages for so long is not ready.
STALLED_S = 30.0


def standing(telemetry: Telemetry) -> tuple[int, str]:
    """Say whether a job reads its topics: an HTTP status, and a sentence.

    >>> standing(Telemetry())
    (503, 'reading has not begun')
    """
    silent = time.monotonic() - telemetry.beaten
    if silent == float("inf"):
        return 503, "reading has not begun"
    if silent > STALLED_S:
        return 503, f"has not looked for messages for {silent:.0f} s"
    return 200, "ready"


@contextmanager
def probed(at: str, job: str, telemetry: Telemetry = TELEMETRY) -> Iterator[str]:
    """Serve while the block runs where `at` says, HOST:PORT or PORT; "" serves nothing. Gives the address.

    Raises:
        ConfigError: that is no address, or somebody else listens there.

    """
    if not at:
        yield ""
        return
    with served(at, "--metrics", lambda path: _answer(path, job, telemetry)) as address:
        yield address


def _answer(path: str, job: str, telemetry: Telemetry) -> Answer:
    status, said = standing(telemetry)
    if path == "/metrics":
        from console.exposition import exposition, of_job  # noqa: PLC0415 - takes 50 ms of every start

        figures = of_job(job, telemetry.counts(), up=status == 200)
        body, kind = exposition(figures, telemetry.histogram())
        return Answer(200, kind, body)
    if path == "/live/ready":
        return Answer(status, "text/plain", said.encode())
    if path == "/live/alive":
        return Answer(200, "text/plain", b"alive")
    return Answer(404, "text/plain", b"/metrics, /live/alive or /live/ready")
