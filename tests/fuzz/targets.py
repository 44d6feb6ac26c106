"""What is fuzzed: decoders of topics and readers of files, each with inputs that are right to begin with."""

import hashlib
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from functools import cache
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from joserfc import jws

from console.lab import blocklist
from console.lab.feedback import read_feedback
from console.lab.imports import mapping
from fixtures.stream import feedback, messages
from fixtures.world import World, simulate
from measures.authority.keys import read_keys, ring_of
from measures.authority.signing import ALGORITHM, TYPE
from measures.engine import intake
from measures.law.country_file import load as load_law
from measures.refusal import Refusal
from measures.victims.ladder import entry
from models import SHIPPED
from models.scoring import bundle
from models.scoring.shelf import read_key
from pipelines import policy
from pipelines.hot.decision_log.read import read as read_log
from pipelines.hot.decision_log.rows import schema
from pipelines.hot.decode import by_keys
from pipelines.kafka.port import Chunk
from pipelines.lifecycle.journal import journal_entry
from pipelines.streams.clock import window
from pipelines.streams.table import STREAMS
from schemas import topics
from schemas.clue import Clue
from schemas.commands import AccountMessage, Tick
from schemas.contact import Party, Watched
from schemas.errors import StoplineError, unquoted
from schemas.feedback import Feedback
from schemas.rows.values import Values
from schemas.units import DAY_US
from tests.fuzz.mutate import mutated
from tests.lifecycle.conftest import POLICE, facts, paid_in, public_key, signed
from tests.measures.kit import ACCOUNT, HOUR, T0, make_order
from tests.tokens import token_of

#: Feeds one input; returns whether it was accepted (else it was explained). Anything raised is a find.
Feed = Callable[[bytes], bool]

ROOT = Path(__file__).parents[2]


class Target(NamedTuple):
    """Something that reads: what it is fed, how, and its share of the inputs."""

    seeds: Callable[[], Sequence[bytes]]
    feed: Feed
    share: float


@cache
def payments() -> tuple[bytes, ...]:
    """Messages of a small world."""
    return tuple(value for block in messages(_world().payments.slice(0, 400)) for value in block.values)


@cache
def _world() -> World:
    """A small world that ends at T0."""
    return simulate(seed=5, days=2, accounts=200, start_us=T0 - 2 * DAY_US, scam_rate=0.01)


def findings() -> tuple[bytes, ...]:
    """What becomes known of a small world's payments."""
    world = _world()
    return tuple(msgspec.json.encode(each) for each in feedback(world.truth, world.payments)[:400])


@cache
def legal() -> Mapping[str, tuple[bytes, ...]]:
    """What goes into the legal engine and what comes out, by topic."""
    orders = [
        make_order("S1"),
        make_order("F1", "FREEZE"),
        make_order("L1", action="LIFT", original_order_no="S1"),
    ]
    tick = msgspec.json.encode(AccountMessage(account_token=ACCOUNT, jurisdiction="CN", command=Tick()))
    accounts = (facts(), paid_in(), tick)
    ring = ring_of((public_key("police-1"),))
    read = [intake.read_command(value, T0) for value in accounts]
    read += [intake.read_order(signed(order), ring, T0 + HOUR) for order in orders]
    kept, entries = None, []
    for arrival in read:
        assert not isinstance(arrival, Refusal), arrival
        applied = intake.apply(kept, arrival)
        kept = applied.kept
        entries += [msgspec.json.encode(applied.entry)] if applied.entry else []
    return {
        topics.ORDERS: tuple(map(signed, orders)),
        topics.ACCOUNTS: accounts,
        topics.MEASURES: tuple(entries),
    }


def traces() -> tuple[bytes, ...]:
    """A trace as the tracer writes it."""
    fields = {
        "trace_id": "trace_" + "a" * 26, "jurisdiction": "CN", "case_family": "case-1", "hop": 1,
        "txn_id": "t-1", "debtor_account": token_of("a"), "creditor_account": token_of("b"),
        "amount_minor": 5,
        "transferred_minor": 9, "currency": "CNY", "at_us": T0, "followed": True, "clearing_serial": "c1",
    }  # fmt: skip
    return (msgspec.json.encode(fields),)


def clues() -> tuple[bytes, ...]:
    """A call as we write it, and a notification of an operator."""
    call = Clue(clue_id="c-1", kind="CALL", party=token_of("a"), at_us=T0, duration_s=60)
    foreign = {
        "id": "n-1", "type": "org.camaraproject.sim-swap-subscriptions.v0.swapped", "specversion": "1.0",
        "source": "operator", "time": "2026-01-10T00:00:00Z", "party": token_of("a"), "data": {},
    }  # fmt: skip
    return msgspec.json.encode(call), msgspec.json.encode(foreign)


def contacts() -> tuple[bytes, ...]:
    """An entry of the victims job's journal that begins a watch."""
    party = Party(party_token=token_of("a"), jurisdiction="CN", version=1, clock_us=T0)
    watch = Watched(at_us=T0, party_token=party.party_token, from_us=T0, until_us=T0 + HOUR)
    return (msgspec.json.encode(entry(party, (watch,))),)


def indicators() -> tuple[bytes, ...]:
    """Grades of numbers as the casework job writes them."""
    return tuple((ROOT / "tests/schemas/v1/indicator.v1.jsonl").read_bytes().splitlines())


STREAM_SEEDS: Mapping[str, Callable[[], Sequence[bytes]]] = {
    topics.CLUES: clues,
    topics.PAYMENTS: payments,
    topics.MEASURES: lambda: legal()[topics.MEASURES],
    topics.TRACES: traces,
    topics.FEEDBACK: findings,
    topics.CONTACTS: contacts,
    topics.INDICATORS: indicators,
}


def chunk(topic: str, *values: bytes) -> Chunk:
    """Return messages as the source hands them out."""
    count = len(values)
    places = np.zeros(count, np.int32), np.arange(count, dtype=np.int64)
    return Chunk(topic, Values.of(list(values)), *places, np.full(count, T0 + HOUR, np.int64))


def stream(topic: str) -> Feed:
    """Return how a stream of the main job is fed: one good message goes before and behind each input."""
    found = next(each for each in STREAMS if each.topic == topic)
    rules = policy.load()
    good = STREAM_SEEDS[topic]()[0]

    def feed(value: bytes) -> bool:
        some = chunk(topic, good, value, good)
        decoded = found.decode(some, rules, window(some, rules.clock, None))
        for rows in decoded.facts:
            for kind in found.facts:
                if kind.row == rows.dtype:
                    list(by_keys(rows, kind.keys, 4))
        for letter in decoded.letters:
            msgspec.json.encode(letter)
        assert {letter.offset for letter in decoded.letters} <= {1}, "a good message beside it was refused"
        return not decoded.letters

    return feed


def order(value: bytes) -> bool:
    """Feed an order as it comes, and as the body of a good signature."""
    ring = ring_of((public_key("police-1"),))
    as_it_is = _arrive(intake.read_order(value, ring, T0 + HOUR))
    header = {"alg": ALGORITHM, "kid": "key-police-1", "typ": TYPE}
    resigned = jws.serialize_compact(header, value, POLICE, algorithms=[ALGORITHM]).encode()
    return _arrive(intake.read_order(resigned, ring, T0 + HOUR)) or as_it_is


def account(value: bytes) -> bool:
    """Feed a message of topic `accounts`."""
    return _arrive(intake.read_command(value, T0 + HOUR))


def _arrive(read: intake.Arrival | Refusal) -> bool:
    if isinstance(read, Refusal):
        unquoted(read.detail)
        return False
    registered, arrival = intake.entered(None, read)
    msgspec.msgpack.encode((read, registered))
    for kept in (None, _known_account()):
        applied = intake.apply(kept, arrival)
        msgspec.msgpack.encode(applied.kept)
        if applied.entry is not None:
            intake.written(applied.entry)
    return True


@cache
def _known_account() -> intake.AccountState:
    kept = None
    for value in (facts(), paid_in()):
        read = intake.read_command(value, T0)
        assert not isinstance(read, Refusal)
        kept = intake.apply(kept, read).kept
    assert kept is not None
    return kept


def journal(value: bytes) -> bool:
    """Feed the lifecycle job's reading of its own journal."""
    entry = journal_entry(value)
    if entry is not None:
        try:
            intake.recalled(None, entry)
            intake.registrations(entry)
        except StoplineError:
            return False
    return entry is not None


def file(name: str, read: Callable[[Path], object]) -> Feed:
    """Return how a reader of one file is fed."""
    folder = Path(tempfile.mkdtemp(prefix="stopline-fuzz-"))

    def feed(value: bytes) -> bool:
        path = folder / name
        path.write_bytes(value)
        try:
            read(path)
        except StoplineError as error:
            assert "\n" not in str(error).strip(), "an explanation is one sentence"
            return False
        return True

    return feed


def of_bundle(name: str) -> Target:
    """Return a target that loads the shipped bundle with one file broken, its digest put right."""
    folder = Path(tempfile.mkdtemp(prefix="stopline-fuzz-bundle-"))
    for each in SHIPPED.iterdir():
        if each.is_file():
            (folder / each.name).write_bytes(each.read_bytes())

    def read(path: Path) -> None:
        (folder / name).write_bytes(path.read_bytes())
        if name != "manifest.json":
            manifest = msgspec.json.decode((SHIPPED / "manifest.json").read_bytes())
            manifest["files"][name] = hashlib.sha256(path.read_bytes()).hexdigest()
            (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
        bundle.load(folder)

    return Target(lambda: [(SHIPPED / name).read_bytes()], file(name, read), 0.0005)


def log_seeds() -> list[bytes]:
    """An empty Parquet file of the decision log."""
    sink = pa.BufferOutputStream()
    pq.write_table(schema("CREDIT").empty_table(), sink)
    return [sink.getvalue().to_pybytes()]


def decision_log(suffix: str) -> Feed:
    """Return how a damaged file of the decision log is fed; left out by the flag, it stops nobody."""
    path = Path(tempfile.mkdtemp(prefix="stopline-fuzz-log-")) / "day=2026-01-01" / f"credit-0.{suffix}"
    path.parent.mkdir(parents=True)

    def read(given: Path) -> None:
        path.write_bytes(given.read_bytes())
        read_log(path.parents[1], "CREDIT", skip_damaged=True)
        read_log(path.parents[1], "CREDIT")

    return file(path.name, read)


def _feedback() -> list[bytes]:
    found = Feedback(feedback_id="f", txn_id="t-1", kind="LABEL", verdict="SCAM", known_at_us=T0)
    return [msgspec.json.encode(found) + b"\n" + msgspec.json.encode(found)]


def _files(*patterns: str) -> Callable[[], list[bytes]]:
    return lambda: [path.read_bytes() for pattern in patterns for path in sorted(ROOT.glob(pattern))]


def _quiet_feedback(path: Path) -> None:
    with redirect_stderr(StringIO()):
        read_feedback([str(path)])


def _keys() -> list[bytes]:
    return [msgspec.json.encode([public_key("police-1"), public_key("police-2")])]


def targets() -> dict[str, Target]:
    """Return everything that is fuzzed, by name."""
    found = {
        each.topic: Target(STREAM_SEEDS[each.topic], stream(each.topic), 0.1)
        for each in STREAMS if each.topic in STREAM_SEEDS
    }  # fmt: skip
    found |= {
        "payments": found["payments"]._replace(share=0.3),
        "orders": Target(lambda: [*legal()[topics.ORDERS], *_bodies()], order, 0.1),
        "accounts": Target(lambda: legal()[topics.ACCOUNTS], account, 0.2),
        "journal": Target(lambda: legal()[topics.MEASURES], journal, 0.1),
        "feedback": Target(_feedback, file("feedback.jsonl", _quiet_feedback), 0.02),
        "policy": Target(_files("pipelines/policies/*.yaml"), file("policy.yaml", policy.load), 0.02),
        "law": Target(_files("measures/law/countries/*.yaml"), file("cn.yaml", load_law), 0.004),
        "mapping": Target(
            _files("fixtures/maps/*.yaml"), file("map.yaml", lambda path: mapping.load(str(path))), 0.01
        ),
        "keys": Target(_keys, file("keys.json", read_keys), 0.02),
        "public_key": Target(
            lambda: [msgspec.json.encode(POLICE.as_dict())], file("key.jwk", read_key), 0.01
        ),
        "blocks": Target(
            lambda: [b'{"entry_id":"e","version":1}\n'], file("blocks.jsonl", blocklist.read), 0.01
        ),
        "decision_log": Target(log_seeds, decision_log("parquet"), 0.01),
    }
    for path in sorted(SHIPPED.iterdir()):
        if path.suffix in {".json", ".skops"}:
            found[f"bundle_{path.stem}"] = of_bundle(path.name)
    return found


def _bodies() -> list[bytes]:
    return [msgspec.json.encode(make_order("S1")), msgspec.json.encode(make_order("F1", "FREEZE"))]


def inputs(target: Target, count: int, seed: str) -> list[bytes]:
    """Return so many inputs of a target, always the same for a seed."""
    draw, seeds = random.Random(seed), list(target.seeds())
    return [mutated(draw.choice(seeds), draw, seeds) for _ in range(count)]
