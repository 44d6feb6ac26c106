"""A few answers over HTTP, for other programs of the same place."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from schemas.errors import ConfigError


class Answer(NamedTuple):
    """Status, media type and body of an answer."""

    status: int
    kind: str
    body: bytes


def as_json(status: int, said: dict[str, object]) -> Answer:
    """Return an answer in JSON."""
    return Answer(status, "application/json", json.dumps(said, ensure_ascii=False).encode())


@contextmanager
def served(at: str, option: str, answer: Callable[[str], Answer]) -> Iterator[str]:
    """Answer GETs by their path while the block runs where `at` says, HOST:PORT or PORT; gives the address.

    Raises:
        ConfigError: that is no address, or somebody else listens there; names the option.

    """
    host, _, port = at.rpartition(":")

    class Served(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = answer(self.path)
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: who asks asks every few seconds, and a path may name a party."""

    try:
        server = ThreadingHTTPServer((host or "127.0.0.1", int(port)), Served)
    except (OSError, ValueError, OverflowError) as error:
        raise ConfigError(
            f"{option} {at!r}: {error}; give HOST:PORT or PORT of a port that is free"
        ) from error
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="served", daemon=True).start()
    try:
        yield "http://{}:{}".format(*server.server_address[:2])
    finally:
        server.shutdown()
        server.server_close()
