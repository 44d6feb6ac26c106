"""Apache Kafka on this machine: needs Java and Maven, starts in seconds and keeps its data on disk."""

import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pipelines.jars import verify
from pipelines.java import java_command
from pipelines.kafka.local.brokers import HOST, VAR, LocalBroker, free_port
from schemas.errors import BrokerError, ConfigError

POM = Path(__file__).with_name("pom.xml")
KAFKA_HEAP = "512m"


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
        java = [*java_command("Apache Kafka"), f"-Xmx{KAFKA_HEAP}", "-Dorg.apache.logging.log4j.level=WARN"]
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


def kafka_libs() -> Path:
    """Return the directory of Kafka's jars; Maven resolves them once for each state of the POM.

    Raises:
        ConfigError: Maven is not there, or a jar is another than this release runs.
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
    verify(libs, POM.with_name("jars.sha256"))
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
