"""A policy tried on the payments that a broker holds, beside a desk: one at a time, in a process of its own.

The replay loads Beam and takes a core for minutes; in the desk's own process it would hold up its pages. What
the child is told comes by its standard input, so that no secret stands on a command line.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NamedTuple

from measures.law.country_file import read_laws
from models import SHIPPED
from pipelines import policy
from pipelines.kafka.port import KafkaSettings
from schemas import strict_yaml
from schemas.errors import ConfigError, StoplineError
from schemas.strict_text import read_bytes

#: A child is asked to yield to everything else by so much.
NICE = 10

#: How often a child tells how far it is, seconds.
TELL_S = 0.5

State = Literal["NONE", "RUNNING", "DONE", "FAILED", "STOPPED"]


class InForce(NamedTuple):
    """What a trial is held against: broker, policy file, bundle, and folder of country files if not ours."""

    kafka: KafkaSettings
    policy_file: Path
    bundle: Path = SHIPPED
    law_dir: Path | None = None


class Trial(NamedTuple):
    """One trial as it stands; `done` is the share of the work, 0 to 1, `result` as `compared` tells it."""

    state: State = "NONE"
    by: str = ""
    stamp: str = ""
    since: str = ""
    done: float = 0.0
    result: Mapping[str, Any] = {}
    wrong: str = ""


class Trials:
    """Starts trials and tells how far the newest is; thread-safe."""

    def __init__(self, in_force: InForce) -> None:
        self.in_force = in_force
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._now = Trial()
        self._folder = Path(tempfile.mkdtemp(prefix="stopline-trial-"))

    @property
    def now(self) -> Trial:
        """The newest trial."""
        return self._now

    def text(self) -> str:
        """Return the policy in force as its file has it."""
        return read_bytes(self.in_force.policy_file).decode()

    def start(self, text: str, since: str, by: str) -> Trial:
        """Begin a trial of a policy given as YAML, over payments received from `since` on, a date.

        Raises:
            ConfigError: the policy or the date cannot be used, or a trial is under way.

        """
        from console.lab.values import instant_us  # noqa: PLC0415 - pandas is loaded by who asks only

        file = self._folder / "policy.yaml"
        with self._lock:
            if self._now.state == "RUNNING":
                raise ConfigError("a trial is under way; wait for it, or stop it")
            if self._child is not None:  # it has told how it ended, and may take a moment to
                self._child.kill()
                self._child.wait()
            file.write_text(text)
            self._bring_words(file)
            rules = policy.load(file, read_laws(self.in_force.law_dir))
            told = _told(self.in_force, file) | {"since_us": instant_us(since)}
            self._child = subprocess.Popen(
                [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
            self._now = Trial("RUNNING", by, rules.stamp, since)
            assert self._child.stdin is not None
            with self._child.stdin as to_child:
                to_child.write(json.dumps(told).encode())
            threading.Thread(target=self._follow, args=(self._child,), name="trial", daemon=True).start()
            return self._now

    def stop(self) -> None:
        """End the trial that is under way, if any."""
        with self._lock:
            if self._child is not None and self._child.poll() is None:
                self._now = self._now._replace(state="STOPPED")
                self._child.kill()

    def close(self) -> None:
        """End what is under way and forget everything."""
        self.stop()
        if self._child is not None:
            self._child.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _bring_words(self, file: Path) -> None:
        """Copy the words that a policy names beside it, as they lie beside the one in force."""
        data = strict_yaml.parse(read_bytes(file), "policy").data
        name = data.get("words") if isinstance(data, dict) else None
        mine = self.in_force.policy_file.parent
        if isinstance(name, str) and (mine / name).resolve().parent == mine.resolve():
            with contextlib.suppress(OSError):
                shutil.copy(mine / name, file.parent / name)

    def _follow(self, child: "subprocess.Popen[bytes]") -> None:
        assert child.stdout is not None and child.stderr is not None
        tail: list[bytes] = []
        reader = threading.Thread(target=lambda: tail.extend(child.stderr or ()), daemon=True)
        reader.start()
        for line in child.stdout:
            told = json.loads(line)
            with self._lock:
                if child is self._child and self._now.state == "RUNNING":
                    self._now = self._now._replace(**told)
        child.wait()
        reader.join(1.0)
        child.stdout.close()
        child.stderr.close()
        with self._lock:
            if child is self._child and self._now.state == "RUNNING":
                said = tail[-1].decode(errors="replace").strip() if tail else f"ended with {child.returncode}"
                self._now = self._now._replace(state="FAILED", wrong=said)


def _told(in_force: InForce, file: Path) -> dict[str, Any]:
    paths = {"policy_file": in_force.policy_file, "bundle": in_force.bundle, "law_dir": in_force.law_dir}
    said = {name: str(path.resolve()) if path else "" for name, path in paths.items()}
    return {"kafka": asdict(in_force.kafka), "new": str(file), **said}


def compared(in_force: InForce, new: Path, since_us: int, tell: Callable[[float], None]) -> dict[str, Any]:
    """Replay what a broker holds under the policy in force and a new one; `tell` hears what share is done.

    Raises:
        StoplineError: something cannot be read, or there is nothing to replay.

    """
    from console.lab import comparing  # noqa: PLC0415 - Beam is loaded in the child only
    from console.lab.feedback import of_broker  # noqa: PLC0415
    from pipelines.hot import serving  # noqa: PLC0415
    from pipelines.kafka.reading.bounds import captured_bounds  # noqa: PLC0415
    from pipelines.telemetry import TELEMETRY  # noqa: PLC0415
    from schemas import topics  # noqa: PLC0415

    kafka, live, bundle, law_dir = in_force
    laws = read_laws(law_dir)
    rules = {name: policy.load(path, laws) for name, path in (("live", live), ("new", new))}
    for each in rules.values():
        serving.check(bundle, each)
    whole = sum(bound.end - bound.start for bound in captured_bounds(kafka, [topics.PAYMENTS]))
    if not whole:
        raise ConfigError(f"{kafka.brokers} holds no payments to replay")
    with comparing.of_stream(kafka, since_us, of_broker(kafka), rules["live"]) as recording:
        with _telling(lambda: tell(min(TELEMETRY.counts().get("observed", 0) / (2 * whole), 0.99))):
            runs = {name: comparing.replayed(recording, bundle, each) for name, each in rules.items()}
        found = {name: comparing.outcome(recording.board, run)._asdict() for name, run in runs.items()}
        return {
            **found, "payments": recording.board.payments, "changed": comparing.changed(runs),
            "currency": rules["live"].reference, "stamps": {name: each.stamp for name, each in rules.items()},
        }  # fmt: skip


@contextmanager
def _telling(tell: Callable[[], None]) -> Iterator[None]:
    over = threading.Event()

    def telling() -> None:
        while not over.wait(TELL_S):
            tell()

    thread = threading.Thread(target=telling, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def main() -> None:
    """Read what to try from standard input, and write JSON Lines of `Trial` fields to standard output."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever else is printed is no line of ours

    def say(**fields: Any) -> None:
        out.write(json.dumps(fields) + "\n")

    os.nice(NICE)
    told = json.load(sys.stdin)
    law_dir = Path(told["law_dir"]) if told["law_dir"] else None
    try:
        kafka = KafkaSettings(**told["kafka"])
        in_force = InForce(kafka, Path(told["policy_file"]), Path(told["bundle"]), law_dir)
        found = compared(in_force, Path(told["new"]), told["since_us"], lambda done: say(done=done))
        say(state="DONE", done=1.0, result=found)
    except StoplineError as error:
        say(state="FAILED", wrong=str(error))


if __name__ == "__main__":
    main()
