"""What is done in a round: processes killed or paused, a checkpoint damaged, junk sent, the broker held."""

import os
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipelines.flink import cluster, journal
from pipelines.flink.cluster import Cluster
from pipelines.kafka.local.brokers import LocalBroker
from pipelines.kafka.port import KafkaSettings, open_producer
from tests.damage.rounds import DEEDS

Deed = Literal["kill", "pause", "damage", "poison", "broker"]
Target = Literal[
    "worker", "workers", "taskmanager", "jobmanager", "jobserver", "all",
    "flip", "cut", "remove", "payments", "restart", "hold",
]  # fmt: skip

#: Losing the TaskManager or the workers is what happens most; losing everything is a machine that restarts.
KILLS: tuple[Target, ...] = ("worker", "workers", "taskmanager", "jobmanager", "jobserver", "all")
PAUSES: tuple[Target, ...] = ("worker", "taskmanager", "jobmanager")
DAMAGES: tuple[Target, ...] = ("flip", "cut", "remove")


@dataclass(frozen=True)
class Fault:
    """A deed to a target, `at_s` into the round; a pause lasts `for_s`.

    `damage` is done to a file of the newest checkpoint, with a crash of all that makes it be read; `poison`
    are messages that nobody can decide; the `broker` is killed and started again, or held where it would
    forget all.
    """

    at_s: float
    deed: Deed
    target: Target
    for_s: float = 0.0


@dataclass(frozen=True)
class Scene:
    """What faults are done to: a cluster, the job of a name on it, its broker, and `junk` to send."""

    on: Cluster
    name: str
    broker: LocalBroker
    settings: KafkaSettings
    junk: Sequence[bytes]


def schedule(seed: int, seconds: float, *, broker: Target = "hold") -> list[Fault]:
    """Draw the faults of a round that feeds the job for `seconds`; equal seeds, equal faults.

    One to three kills and pauses; junk in every round, in every third a damaged checkpoint, in every third
    after those a broker.
    """
    rng = random.Random(seed)
    others = [Fault(rng.uniform(0.1, 0.9) * seconds, "poison", "payments")]
    if seed % 3 == 1:
        others.append(Fault(rng.uniform(0.5, 0.9) * seconds, "damage", DAMAGES[seed // 3 % 3]))
    if seed % 3 == 2:
        others.append(Fault(rng.uniform(0.1, 0.9) * seconds, "broker", broker, rng.uniform(1.0, 8.0)))
    return sorted([*others, *_crashes(rng, seconds)], key=lambda fault: fault.at_s)


def _crashes(rng: random.Random, seconds: float) -> list[Fault]:
    moments = sorted(rng.uniform(0.1, 0.9) * seconds for _ in range(rng.randint(1, 3)))
    faults = []
    for at_s in moments:
        if rng.random() < 0.7:
            faults.append(Fault(at_s, "kill", rng.choice(KILLS)))
        else:
            faults.append(Fault(at_s, "pause", rng.choice(PAUSES), rng.uniform(1.0, 10.0)))
    return faults


def commit(fault: Fault, scene: Scene, rng: random.Random) -> str:
    """Do it; return to what it was done."""
    on = scene.on
    if fault.deed == "poison":
        return _poisoned(scene)
    if fault.deed == "broker":
        return _broken(fault, scene)
    if fault.deed == "damage":
        return _damaged(fault, scene, rng)
    pids = _pids(fault.target, on, rng)
    _signal(pids, signal.SIGKILL if fault.deed == "kill" else signal.SIGSTOP)
    if fault.deed == "pause":
        time.sleep(fault.for_s)
        _signal(pids, signal.SIGCONT)
    return f"{len(pids)} processes"


def _poisoned(scene: Scene) -> str:
    producer = open_producer(scene.settings)
    for value in scene.junk:
        producer.send("payments", b"", value, (), time.time_ns() // 1000, partition=0)
    producer.flush()
    return f"{len(scene.junk)} messages"


def _broken(fault: Fault, scene: Scene) -> str:
    if fault.target == "restart":
        scene.broker.kill()
        time.sleep(fault.for_s)
        scene.broker.start(tied=False)  # the thread of this fault ends before the round
        return "killed and started again"
    pids = [scene.broker.pid]
    _signal(pids, signal.SIGSTOP)
    time.sleep(fault.for_s)
    _signal(pids, signal.SIGCONT)
    return "held"


def _damaged(fault: Fault, scene: Scene, rng: random.Random) -> str:
    """Damage the largest file of the newest state, or what says what is in it, and kill everything."""
    newest = journal.newest_state(scene.name, scene.on)
    if newest is None:
        return "nothing, there was no state"
    size = {path: path.stat().st_size for path in newest.iterdir()}
    path = max(size, key=lambda each: size[each]) if rng.random() < 0.5 else newest / "_metadata"
    pids = _pids("all", scene.on, rng)
    _signal(pids, signal.SIGKILL)
    if (content := DEEDS[fault.target](path.read_bytes(), rng)) is None:
        path.unlink()
    else:
        path.write_bytes(content)
    return f"{path.parent.name}/{path.name} of {size[path]} octets"


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _pids(target: Target, on: Cluster, rng: random.Random) -> list[int]:
    running = {name: pid for name, pid in cluster.status(on).items() if pid is not None}
    workers = worker_pids(running["workers"]) if "workers" in running else []
    if target == "worker":
        return [rng.choice(workers)] if workers else []
    if target == "all":
        return [*running.values(), *workers]
    chosen = [pid for name, pid in running.items() if name == target]
    return chosen + (workers if target == "workers" else [])


def worker_pids(pool: int) -> list[int]:
    """Process ids of a pool's workers: children of the fork server, its child."""
    return [worker for child in children(pool) for worker in children(child)]


def children(parent: int) -> list[int]:
    """Process ids whose parent is `parent`, in order."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, ppid = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(ppid) == parent and state != "Z":
            found.append(int(stat.parent.name))
    return sorted(found)
