"""What ten million listed subjects and blocked sites cost: memory, look-ups, and payments a second.

    python -m tests.bench.registry                       10,000,000 entries, four runs with and four without
    python -m tests.bench.registry --entries 100000 --pairs 1 --messages 100000

A backlog is drained with a registry and without, each as often first as last, for runs may slow down from one
to the next; one before them is not counted. None of its accounts is listed, as of most payments none is.
Writes bench/registry.json.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from console.lab.signing import new_key, private_key
from measures.blocking.lookup import BlockList
from measures.law.country_file import SHIPPED as LAWS
from measures.registry import snapshot
from measures.registry.table import Entries, Lists, Table
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin
from pipelines.lookup.following import READ, loaded
from schemas.order import Actor
from tests.bench import figures, load
from tests.bench.__main__ import QUICK, SHIPPED, SKIP, Size, backlog, broker, drained, machine, step
from tests.bench.job import Job, options_of

RESULT = Path("bench/registry.json")

#: Look-ups of a batch, batches that are timed, and looks of one address that has a long path.
BATCH, BATCHES, PROBES = 2_000, 1_000, 30

Words = NDArray[np.uint64]


def main() -> None:
    """Take all figures, print them and write them down."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=10_000_000)
    parser.add_argument("--pairs", type=int, default=2, help="pairs of pairs, in both orders")
    parser.add_argument("--messages", type=int, default=QUICK.backlog)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stopline-bench-") as scratch:
        found = {
            "machine": machine(), "entries": given.entries,
            **blocked(given.entries), **listed(given.entries, Path(scratch)),
            **payments(QUICK._replace(backlog=given.messages), given.pairs, Path(scratch)),
        }  # fmt: skip
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(found, indent=1) + "\n")
    print("\n".join(f"{name:28}{figure}" for name, figure in found.items()))


def blocked(count: int) -> dict[str, Any]:
    """Look digests up in a blocklist, one of ten is there."""
    step(f"a blocklist of {count:,}")
    digests = _words(count, 1)
    began = time.perf_counter()
    made = BlockList(digests, np.ones(count, np.uint8))
    built_s = time.perf_counter() - began
    per_s = _per_s(made.actions, digests)
    return {
        "blocks_built_s": round(built_s, 1), "blocks_octets_an_entry": round(made.octets / count, 1),
        "blocks_lookups_per_s": per_s, "blocks_addresses_per_s": per_s // PROBES,
    }  # fmt: skip


def listed(count: int, scratch: Path) -> dict[str, Any]:
    """Write a signed registry, load it as the job does, look tokens up in it."""
    step(f"a registry of {count:,}")
    spans = np.zeros((count, 2), np.uint32)
    spans[:, 1] = 2**32 - 1
    tokens = _words(count, 2)
    new_key(
        scratch / "keys.json", scratch / "private.jwk", authority="keeper", country="CN", actor=Actor.POLICE,
        years=1, laws=LAWS,
    )  # fmt: skip
    key, key_id = private_key(scratch / "private.jwk")
    entries = Entries(tokens, spans, np.ones(count, np.uint16))
    file = snapshot.written(entries, key, key_id, version=1, read={}, at_us=time.time_ns() // 1000)
    (scratch / "registry.snapshot").write_bytes(file)
    began = time.perf_counter()
    lists = Lists(Table(loaded(scratch / "registry.snapshot", scratch / "keys.json").entries))
    loaded_s = time.perf_counter() - began
    times = np.full(BATCH, time.time_ns() // 1000, np.int64)
    return {
        "registry_loaded_s": round(loaded_s, 1), "registry_file_mb": round(len(file) / 1e6),
        "registry_octets_an_entry": round(lists.whole.octets / count, 1),
        "registry_lookups_per_s": _per_s(lambda each: lists.codes(each, times), tokens),
    }  # fmt: skip


def payments(size: Size, pairs: int, scratch: Path) -> dict[str, Any]:
    """Drain one backlog without and with the registry, in turn."""
    more = (f"--lists_snapshot={scratch / 'registry.snapshot'}", f"--lists_keys={scratch / 'keys.json'}")
    found: dict[str, list[figures.Rate]] = {"without": [], "with": []}
    with broker("embedded") as at:
        with closing(open_admin(KafkaSettings(at.address))) as admin:
            admin.create_topics([NewTopic(name, load.PARTITIONS) for name in READ])
        past, _ = backlog(at, size)
        for number, name in enumerate(("with", *("without", "with", "with", "without") * pairs)):
            step(f"payments {name} it")
            extra = more if name == "with" else ()
            options = options_of(at.address, SHIPPED, scratch / f"{name}{number}", *extra)
            ours = drained(Job(options, past.ends), size.backlog)
            if number:
                found[name].append(figures.rate(ours, size.backlog, SKIP))
    speed = {name: [round(each.events_per_s) for each in rates] for name, rates in found.items()}
    spent = {name: [round(each.cpu_us, 2) for each in rates] for name, rates in found.items()}
    return {
        "payments_per_s": speed, "cpu_us_a_payment": spent,
        "share": round(mean(speed["with"]) / mean(speed["without"]), 3),
        "share_by_processor_time": round(mean(spent["without"]) / mean(spent["with"]), 3),
    }  # fmt: skip


def _per_s(look: Callable[[Words], object], there: Words) -> int:
    """Return how many look-ups a second a core does in batches; one of ten is there."""
    drawn = np.random.default_rng(3)
    asked = _words(BATCH * BATCHES, 4).reshape(BATCHES, BATCH, 2)
    asked[:, ::10] = there[drawn.integers(0, len(there), (BATCHES, -(-BATCH // 10)))]
    look(asked[0])
    began = time.thread_time()
    for each in asked:
        look(each)
    return round(BATCH * BATCHES / (time.thread_time() - began))


def _words(count: int, seed: int) -> Words:
    return np.random.default_rng(seed).integers(0, 2**64, (count, 2), np.uint64)


if __name__ == "__main__":
    main()
