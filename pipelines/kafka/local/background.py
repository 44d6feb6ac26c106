"""The broker of `stopline broker up`: it outlives its command, and later ones find it by a state file."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pipelines.kafka.local.apache import ApacheKafka
from pipelines.kafka.local.brokers import HOST, STOP_TIMEOUT_S, VAR, BrokerKind, EmbeddedBroker
from schemas.errors import ConfigError, cause

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
    try:
        running = Running(**json.loads(_state().read_text()))
        _KINDS[running.kind]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ConfigError(
            f"{_state()} does not say which broker runs ({cause(error)}); stop one that runs by hand and "
            "delete the file"
        ) from error
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
