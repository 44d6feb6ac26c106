"""What a running job tells over HTTP: figures for Prometheus; whether it lives, and whether it reads."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from console.exposition import exposition, of_job
from pipelines.telemetry import TELEMETRY, Telemetry
from schemas.errors import ConfigError

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
    host, _, port = at.rpartition(":")

    class Probe(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = _answer(self.path, job, telemetry)
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: a probe comes every few seconds."""

    try:
        server = ThreadingHTTPServer((host or "127.0.0.1", int(port)), Probe)
    except (OSError, ValueError, OverflowError) as error:
        raise ConfigError(
            f"--metrics {at!r}: {error}; give HOST:PORT or PORT of a port that is free"
        ) from error
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="probe", daemon=True).start()
    try:
        yield "http://{}:{}".format(*server.server_address[:2])
    finally:
        server.shutdown()
        server.server_close()


def _answer(path: str, job: str, telemetry: Telemetry) -> tuple[int, str, bytes]:
    status, said = standing(telemetry)
    if path == "/metrics":
        figures = of_job(job, telemetry.counts(), up=status == 200)
        body, kind = exposition(figures, telemetry.histogram())
        return 200, kind, body
    if path == "/live/ready":
        return status, "text/plain", said.encode()
    if path == "/live/alive":
        return 200, "text/plain", b"alive"
    return 404, "text/plain", b"/metrics, /live/alive or /live/ready"
