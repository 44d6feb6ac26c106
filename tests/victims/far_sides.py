"""Far sides of channels: an HTTP side and a message centre, each in a thread of its own."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import smpp34

from pipelines.kafka.local.brokers import free_port


class Far:
    """An HTTP side that records posts and answers as told."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[tuple[int, bytes]] = []
        self.wait_s = 0.0
        far = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                head = {**self.headers, "came-us": str(time.time_ns() // 1000)}
                far.posts.append((self.path, head, body))
                time.sleep(far.wait_s)
                status, said = far.answers.pop(0) if far.answers else (200, b"{}")
                self.send_response(status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/warnings"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Take no more posts."""
        self.server.shutdown()
        self.server.server_close()


class Centre:
    """A message centre: an SMPP server of another library, in a thread with a loop of its own."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, str, bytes, int]] = []
        self.rejects: list[int] = []
        self.mute = False
        self.receipt = "DELIVRD"
        self.answer_after_s = 0.0
        self.port = 0
        self._deliveries: list[Any] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self) -> None:
        self._serving = self._loop.create_task(self._serve())
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._serving)
        self._loop.close()

    def close(self) -> None:
        """Stop the server and its thread."""
        self._loop.call_soon_threadsafe(self._serving.cancel)
        self._thread.join(10)
        assert not self._thread.is_alive()

    async def _serve(self) -> None:
        self.port = free_port()
        self.server = smpp34.Server("127.0.0.1", self.port, system_id="centre")
        await self.server.start()
        self._ready.set()
        sessions: dict[str, Any] = {}
        held = []
        try:
            while True:
                event = await self.server.next()
                if isinstance(event, smpp34.Esme):
                    sessions[event.session_id] = event
                elif isinstance(event, smpp34.SubmitSmEvent):
                    taken = (
                        event.source_addr,
                        event.destination_addr,
                        event.short_message,
                        event.data_coding,
                    )
                    self.texts.append(taken)
                    if self.mute:
                        held.append(event)
                    elif self.rejects:
                        event.reject(self.rejects.pop(0))
                    else:
                        self._accept(event, sessions.get(event.session_id))
        finally:
            await self.server.stop()

    def _accept(self, event: Any, session: Any) -> None:
        number = f"m{len(self.texts)}"
        self._loop.call_later(self.answer_after_s, event.accept, number)
        if self.receipt and session is not None:
            said = (
                f"id:{number} sub:001 dlvrd:001 submit date:2611300000 done date:2611300001 "
                f"stat:{self.receipt} err:000 text:"
            )
            delivery = session.deliver_sm(
                event.source_addr or "0", said.encode(), source_addr=event.destination_addr, esm_class=4
            )
            self._deliveries.append(asyncio.ensure_future(delivery))


def wait_for(done: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)
