"""A real Flink cluster on this machine: JobManager, TaskManager, Beam job server, Python workers.

Every process leaves a pid file and a log under `home` (var/flink). `up` starts what is not running,
so it is also how a killed process comes back; `down` stops everything this module started.
Production runs the same jobs on the images named in docs/flink.md.
"""

import json
import os
import re
import shutil
import signal
import string
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pipelines import release
from pipelines.jars import verify
from pipelines.java import java_command
from pipelines.kafka.local.brokers import answers
from pipelines.listening import off_loopback
from schemas.errors import ConfigError, StoplineError

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy" / "flink"

#: Our classes, which come before Beam's of the same name; a change of them takes another version in the pom.
JAR = "stopline-flink-2.jar"

Process = Literal["jobmanager", "taskmanager", "jobserver", "workers"]
PROCESSES: tuple[Process, ...] = ("jobmanager", "taskmanager", "jobserver", "workers")

#: Where the TaskManager holds state: on its heap, or in RocksDB on disk with incremental checkpoints.
StateBackend = Literal["hashmap", "rocksdb"]

#: How long a process that was killed may go on listening.
RELEASE_S = 2.0

#: Java 17 keeps these packages from the reflection Flink 1.16 serializes with.
OPENED_PACKAGES = (
    "java.lang", "java.util", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio",
    "java.util.concurrent", "java.util.concurrent.atomic", "java.time", "sun.nio.ch",
)  # fmt: skip


class FlinkError(StoplineError):
    """A Flink process that does not start, or a job it refuses."""


@dataclass(frozen=True)
class Cluster:
    """Where a one-machine cluster lives; all ports are loopback.

    Attributes:
        home: jars, configuration, pid files, logs, checkpoints and savepoints; `var/flink` of the folder
            one works in.
        slots: task slots of the TaskManager, which is the job's parallelism.
        rest_port: Flink's REST interface and web page.
        rpc_port: JobManager to TaskManager.
        job_port: Beam's job server; the next two ports are its artifact and expansion services.
        worker_port: the pool that starts Python workers.

    """

    home: Path = field(default_factory=lambda: Path("var/flink").resolve())
    slots: int = 2
    rest_port: int = 8081
    rpc_port: int = 6123
    job_port: int = 8099
    worker_port: int = 8102

    @property
    def jars(self) -> Path:
        """Folder of `libs` and `build`; an image has them somewhere else than state (STOPLINE_FLINK_JARS)."""
        return Path(os.environ.get("STOPLINE_FLINK_JARS", self.home))

    @property
    def rest(self) -> str:
        """Address of the REST interface."""
        return f"http://127.0.0.1:{self.rest_port}"


DEFAULT = Cluster()


def resolve_jars(cluster: Cluster = DEFAULT) -> None:
    """Fetch the jars `deploy/flink/pom.xml` names into `home/libs`, once, and look at them each time.

    Raises:
        ConfigError: Java or Maven is missing, or a jar is another than this release runs.
        FlinkError: Maven could not resolve them.

    """
    java_command("Flink")
    if not (cluster.jars / "build" / JAR).exists():
        _resolve(cluster)
    verify(cluster.jars / "libs", DEPLOY / "jars.sha256")


def _resolve(cluster: Cluster) -> None:
    if shutil.which("mvn") is None:
        raise ConfigError(
            "Flink's jars come from Maven, and `mvn` is not on the path; install it, or set "
            "STOPLINE_FLINK_JARS to a folder where `mvn package` of deploy/flink/pom.xml put them"
        )
    done = subprocess.run(
        ["mvn", "-q", "-B", "-f", DEPLOY / "pom.xml", "package",
         f"-Dlibs={cluster.jars / 'libs'}", f"-Dbuild={cluster.jars / 'build'}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise FlinkError(f"Maven could not resolve the Flink jars: {done.stdout.strip()[:500]}")


def up(
    cluster: Cluster = DEFAULT, *, state_backend: StateBackend | None = None, timeout_s: float = 120.0
) -> None:
    """Start every process that is not running and wait until the cluster takes jobs.

    Without a `state_backend` the cluster keeps the one it had; the first is `hashmap`.

    Raises:
        FlinkError: a process died or a port did not open within `timeout_s`, and names its log; processes
            run with another backend; or somebody else listens on a port.

    """
    kept = _state_backend(cluster)
    if state_backend not in {None, kept} and any(status(cluster).values()):
        raise FlinkError(
            f"the cluster runs with {kept}; before it can change to {state_backend}: stopline flink down"
        )
    missing = [name for name in PROCESSES if _pid(cluster, name) is None]
    for name, port in _ports(cluster):
        if name in missing:
            _wait_for_port(name, port)
    resolve_jars(cluster)
    _write_configuration(cluster, state_backend or kept)
    _stopped_file(cluster).unlink(missing_ok=True)
    for name in missing:
        _start(cluster, name)
    deadline = time.monotonic() + timeout_s
    while waiting := _waiting_for(cluster):
        if dead := [name for name, pid in status(cluster).items() if pid is None]:
            raise FlinkError(f"the {dead[0]} ended while the cluster started; see {_log(cluster, dead[0])}")
        if time.monotonic() > deadline:
            raise FlinkError(
                f"the {waiting} was not ready within {timeout_s:.0f} s; see {_log(cluster, waiting)}"
            )
        time.sleep(0.2)
    require_loopback(cluster)


def require_loopback(cluster: Cluster = DEFAULT) -> None:
    """Stop a cluster that other machines can reach: whoever reaches its job server runs code here.

    Raises:
        FlinkError: a process listens off the loopback address; names it.

    """
    running = {pid: name for name, pid in status(cluster).items() if pid is not None}
    if found := off_loopback(running):
        down(cluster)
        where = ", ".join(f"{running.get(each.pid, 'worker')} on {each.host}:{each.port}" for each in found)
        raise FlinkError(
            f"the cluster could be reached from other machines ({where}), so it was stopped; "
            f"remove {cluster.jars / 'build'} and start again"
        )


def down(cluster: Cluster = DEFAULT) -> None:
    """Stop every process `up` started, Python workers included; running jobs end without a savepoint."""
    if any(status(cluster).values()):
        _stopped_file(cluster).touch()
    _stop(cluster, PROCESSES)


def _stop(cluster: Cluster, names: Sequence[Process]) -> None:
    for name in reversed(names):
        if (pid := _pid(cluster, name)) is not None:
            os.killpg(pid, signal.SIGTERM)
    deadline = time.monotonic() + 10
    for name in names:
        while (pid := _pid(cluster, name)) is not None:
            if time.monotonic() > deadline:
                os.killpg(pid, signal.SIGKILL)
            time.sleep(0.1)
        _pid_file(cluster, name).unlink(missing_ok=True)


def was_stopped(cluster: Cluster = DEFAULT) -> bool:
    """Tell whether `down` was what ended the processes, so that nobody starts them again unasked."""
    return _stopped_file(cluster).exists()


def status(cluster: Cluster = DEFAULT) -> dict[Process, int | None]:
    """Process id of each process, `None` where it is not running."""
    return {name: _pid(cluster, name) for name in PROCESSES}


def ask(cluster: Cluster, path: str, body: object = None, *, method: str | None = None) -> Any:
    """Ask the REST interface.

    Raises:
        FlinkError: it does not answer, or says no.

    """
    request = urllib.request.Request(
        cluster.rest + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        raise FlinkError(f"Flink refused {path}: {error.read().decode()[:300]}") from error
    except (OSError, ValueError) as error:
        raise FlinkError(
            f"Flink's JobManager does not answer at {cluster.rest}: {error}; start it with: stopline flink up"
        ) from error


#: The first compiler alone. Most processes only coordinate: starting soon matters more than running fast. The
#: TaskManager hands bytes on: the second compiler took a quarter of all processor time in the first minutes
#: there and made nothing measurably faster.
_COMPILER = "-XX:TieredStopAtLevel=1"


def _java(cluster: Cluster, heap: str, main: str, *arguments: str, collector: str = "Serial") -> list[str]:
    opens = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED_PACKAGES]
    path = f"{cluster.jars}/build/{JAR}:{cluster.jars}/libs/*"
    return [
        *java_command("Flink"), f"-Xmx{heap}", f"-XX:+Use{collector}GC", _COMPILER, *opens,
        "--add-exports=java.base/sun.net.util=ALL-UNNAMED",
        f"-Djava.io.tmpdir={cluster.home / 'tmp'}", "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
        "-cp", path, main, *arguments,
    ]  # fmt: skip


def _command(cluster: Cluster, name: Process) -> Sequence[str]:
    configuration = str(cluster.home / "conf")
    entrypoints = "org.apache.flink.runtime"
    match name:
        case "jobmanager":
            main = f"{entrypoints}.entrypoint.StandaloneSessionClusterEntrypoint"
            return _java(cluster, "768m", main, "--configDir", configuration)
        case "taskmanager":
            main = f"{entrypoints}.taskexecutor.TaskManagerRunner"
            return _java(cluster, "1280m", main, "--configDir", configuration, collector="G1")
        case "jobserver":
            return _java(
                cluster, "512m", "org.apache.beam.runners.flink.FlinkJobServerDriver",
                "--flink-master", f"127.0.0.1:{cluster.rest_port}", "--flink-conf-dir", configuration,
                "--job-host", "127.0.0.1", "--job-port", str(cluster.job_port),
                "--artifact-port", str(cluster.job_port + 1), "--expansion-port", str(cluster.job_port + 2),
                "--artifacts-dir", str(cluster.home / "artifacts"),
            )  # fmt: skip
        case "workers":
            return [sys.executable, "-m", "pipelines.flink.pool", f"--port={cluster.worker_port}"]


def _start(cluster: Cluster, name: Process) -> None:
    environment = os.environ | {
        "MALLOC_ARENA_MAX": "1",  # what `long_lived.settle` asks for, before any thread has a heap of its own
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
    }
    with _log(cluster, name).open("ab") as log:
        process = subprocess.Popen(
            _command(cluster, name), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
            cwd=cluster.home, start_new_session=True, umask=0o077,
        )  # fmt: skip
    _pid_file(cluster, name).write_text(f"{process.pid} {_born(process.pid)}")
    if name == "workers":
        _release_file(cluster).write_text(release.stamp())


def _state_backend(cluster: Cluster) -> str:
    """Return the backend of the configuration written last."""
    with suppress(FileNotFoundError):
        written = (cluster.home / "conf" / "flink-conf.yaml").read_text()
        if found := re.search(r"^state\.backend: (\w+)$", written, re.MULTILINE):
            return found[1]
    return "hashmap"


def _write_configuration(cluster: Cluster, state_backend: str) -> None:
    for folder in ("conf", "run", "log", "tmp", "checkpoints", "savepoints", "web"):
        (cluster.home / folder).mkdir(parents=True, exist_ok=True)
    cluster.home.chmod(0o700)  # checkpoints hold what accounts did
    template = string.Template((DEPLOY / "flink-conf.yaml").read_text())
    values = {
        "home": cluster.home, "slots": cluster.slots,
        "rest_port": cluster.rest_port, "rpc_port": cluster.rpc_port, "state_backend": state_backend,
    }  # fmt: skip
    (cluster.home / "conf" / "flink-conf.yaml").write_text(template.substitute(values))


def _ports(cluster: Cluster) -> Iterator[tuple[Process, int]]:
    yield "jobmanager", cluster.rest_port
    yield "jobserver", cluster.job_port
    yield "workers", cluster.worker_port


def _wait_for_port(name: Process, port: int) -> None:
    """Wait until nobody listens where a process is to; one that was killed does for a moment."""
    deadline = time.monotonic() + RELEASE_S
    while answers(port):
        if time.monotonic() > deadline:
            raise FlinkError(
                f"port {port}, which the {name} needs, is taken by another process, perhaps by a cluster of "
                "another folder; there: stopline flink down"
            )
        time.sleep(0.05)


def _waiting_for(cluster: Cluster) -> Process | None:
    """Process that keeps the cluster from taking jobs, if one does."""
    for name, port in _ports(cluster):
        if not answers(port):
            return name
    try:
        ready = ask(cluster, "/overview")["slots-total"] >= cluster.slots
    except FlinkError:
        return "jobmanager"
    return None if ready else "taskmanager"


def _pid(cluster: Cluster, name: Process) -> int | None:
    """Process id from the pid file, if the very process it names still runs."""
    try:
        pid, born = _pid_file(cluster, name).read_text().split()
        return int(pid) if _born(int(pid)) == born else None
    except (OSError, ValueError):
        return None


def _born(pid: int) -> str:
    """When a process started, in clock ticks since boot; no two processes share it and a process id.

    Raises:
        OSError: it runs no more.

    """
    state, *others = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    if state == "Z":
        raise ProcessLookupError(pid)
    return others[18]


def renew_workers(cluster: Cluster = DEFAULT, *, timeout_s: float = 60.0) -> bool:
    """Start the pool of workers anew if it runs the code of another release; tells whether it did.

    Its processes keep the modules they loaded, and would run the old release under the new one's settings.

    Raises:
        FlinkError: it did not come back within `timeout_s`.

    """
    if _pid(cluster, "workers") is None or runs_this_release(cluster):
        return False
    _stop(cluster, ["workers"])
    up(cluster, timeout_s=timeout_s)
    return True


def runs_this_release(cluster: Cluster = DEFAULT) -> bool:
    """Tell whether the pool of workers runs the code that this process runs."""
    try:
        return _release_file(cluster).read_text() == release.stamp()
    except FileNotFoundError:
        return False


def _release_file(cluster: Cluster) -> Path:
    return cluster.home / "run" / "workers.release"


def _stopped_file(cluster: Cluster) -> Path:
    return cluster.home / "run" / "stopped"


def _pid_file(cluster: Cluster, name: Process) -> Path:
    return cluster.home / "run" / f"{name}.pid"


def _log(cluster: Cluster, name: Process) -> Path:
    return cluster.home / "log" / f"{name}.log"
