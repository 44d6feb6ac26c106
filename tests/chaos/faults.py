"""What is done to the cluster in a round: which process is killed or paused, and when."""

import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipelines.flink import cluster
from pipelines.flink.cluster import Cluster

Deed = Literal["kill", "pause"]
Target = Literal["worker", "workers", "taskmanager", "jobmanager", "jobserver", "all"]

#: Losing the TaskManager or the workers is what happens most; losing everything is a machine that restarts.
KILLS: tuple[Target, ...] = ("worker", "workers", "taskmanager", "jobmanager", "jobserver", "all")
PAUSES: tuple[Target, ...] = ("worker", "taskmanager", "jobmanager")


@dataclass(frozen=True)
class Fault:
    """A deed to a target, `at_s` into the round; a pause lasts `for_s`."""

    at_s: float
    deed: Deed
    target: Target
    for_s: float = 0.0


def schedule(seed: int, seconds: float) -> list[Fault]:
    """Draw one to three faults of a round that feeds the job for `seconds`; equal seeds, equal faults."""
    rng = random.Random(seed)
    moments = sorted(rng.uniform(0.1, 0.9) * seconds for _ in range(rng.randint(1, 3)))
    faults = []
    for at_s in moments:
        if rng.random() < 0.7:
            faults.append(Fault(at_s, "kill", rng.choice(KILLS)))
        else:
            faults.append(Fault(at_s, "pause", rng.choice(PAUSES), rng.uniform(1.0, 10.0)))
    return faults


def commit(fault: Fault, on: Cluster, rng: random.Random) -> list[int]:
    """Do it; return the processes it was done to."""
    pids = _pids(fault.target, on, rng)
    _signal(pids, signal.SIGKILL if fault.deed == "kill" else signal.SIGSTOP)
    if fault.deed == "pause":
        time.sleep(fault.for_s)
        _signal(pids, signal.SIGCONT)
    return pids


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
