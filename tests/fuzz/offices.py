"""What is fuzzed beside the main job: reports and office, the ladder of warnings, XML, and further files."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam.pvalue import TaggedOutput

from measures.aggregate import Office
from measures.authority.keys import ring_of
from measures.authority.signing import sign_payload
from measures.casework import AGGREGATES, TYPE, read_report
from measures.law.country_file import read_laws
from measures.refusal import Refusal
from measures.registry.table import Lists, Table, entries_of
from measures.victims import words as victims_words
from pipelines import policy, words
from pipelines.addresses import read_addresses
from pipelines.casework import past
from pipelines.casework import steps as casework_steps
from pipelines.casework.records import delivery_message
from pipelines.casework.settings import CaseworkSettings
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.seal import read_seal
from pipelines.kafka.security import resolved
from pipelines.lookup.following import READ, Follower
from pipelines.streams.clock import window
from pipelines.streams.payments import decode
from pipelines.trial import Cell, driven
from pipelines.victims.channels.configured import read_channels
from pipelines.victims.settings import VictimsSettings
from pipelines.victims.steps import OpenFn, PartyFn
from schemas import token_keys, topics
from schemas.casework import Recall, Tick
from tests.casework.kit import T0, Bureau, account, number, report, site
from tests.casework.test_blocks import ask
from tests.casework.test_listings import decision
from tests.fuzz.targets import STREAM_SEEDS, Target, chunk, file, findings, legal, targets, traces
from tests.iso20022 import Transfer, pacs008
from tests.lifecycle.conftest import POLICE, public_key
from tests.measures.kit import T0 as RECEIVED_US
from tests.tokens import token_of

ROOT = Path(__file__).parents[2]
RING = ring_of((public_key("police-1"),))
DAY = 86_400_000_000


def reports() -> list[bytes]:
    """Reports of sites, numbers and accounts, and one of an authority."""
    found = [report(1), report(2, number()), report(3, account(), site("a.example"))]
    plain = [msgspec.json.encode(each) for each in found]
    return [*plain, sign_payload(plain[0], POLICE, "key-police-1", TYPE)]


def office() -> list[bytes]:
    """What is said to the office: blocks, listings, and the samples of every kind that tests keep."""
    said = [ask(), ask("b.example", "bank-2"), decision()]
    plain = [msgspec.json.encode(each) for each in said]
    return [*plain, sign_payload(plain[-1], POLICE, "key-police-1", TYPE)]


def bureau(take: Callable[[Bureau, bytes], None]) -> Callable[[bytes], bool]:
    """Return how aggregates are fed: each message twice among good ones, then days pass."""

    def feed(value: bytes) -> bool:
        at = Bureau(Office(), RING)
        at.report(report(9))
        take(at, value)
        refused = len(at.refused)
        take(at, value)
        at.wait(40 * DAY)
        for state in at.states.values():
            assert msgspec.msgpack.encode(state)
        return not refused

    return feed


@cache
def known() -> Bureau:
    """Aggregates after all reports and what is said to the office."""
    at = Bureau(Office(), RING)
    for each in reports():
        at.report(each)
    for each in office():
        at.say(each)
    return at


def states() -> dict[str, list[bytes]]:
    """What the topics of states hold after that, by topic."""
    found: dict[str, list[bytes]] = {topic: [b"{}"] for topic in topics.CASEWORK_STATES}
    for (kind, _), state in known().states.items():
        found[AGGREGATES[kind].topic].append(msgspec.json.encode(state, order="deterministic"))
    return found


def deliveries() -> list[bytes]:
    """What the parts of the casework job tell each other: commands of reports, ticks, states sent again."""
    read = [read_report(value, RING, T0) for value in reports()]
    sends = [each for sent in read if not isinstance(sent, Refusal) for each in sent]
    said = [delivery_message(each.kind, each.key, each.command) for each in sends]
    named = list(known().states)
    return [*said, *(delivery_message(*each, command()) for each in named for command in (Tick, Recall))]


@cache
def ready() -> Sequence[beam.DoFn]:
    """Return the steps of the casework job, made ready."""
    steps = casework_steps._steps(CaseworkSettings(KafkaSettings("b:9092"), Office(), clock=lambda: T0 + DAY))
    for each in steps:
        each.setup()
    return steps


def letters_of(topic: str, value: bytes) -> list[dict[str, Any]]:
    """Take a message through the steps of the casework job; return what is refused, by whichever step."""
    some = chunk(topic, value)
    some = some._replace(timestamps=some.timestamps * 0 + T0 + DAY)
    found = [each for count in range(1, len(ready()) + 1) for each in driven(ready()[:count], some)]
    records = [each.value for each in found if isinstance(each, TaggedOutput)]
    return [json.loads(each.value) for each in records if each.topic == topics.DEAD_LETTERS]


def parts(topic: str) -> Callable[[bytes], bool]:
    """Return how the casework job is fed with what its parts and other jobs tell it."""

    def feed(value: bytes) -> bool:
        letters = letters_of(topic, value)
        for letter in letters:
            assert letter["error_code"] != "FAULT", letter["message"]
        return not letters

    return feed


def registry(topic: str) -> Callable[[bytes], bool]:
    """Return how the main job's look-up is fed with a state of the registry, after a good one."""

    def feed(value: bytes) -> bool:
        follower = Follower.__new__(Follower)
        follower._unread = set()
        follower._seal, follower._said, follower._versions, follower.lists = None, {}, {}, Lists()
        for offset, each in enumerate((*states()[topic][1:], value)):
            heard = follower._hear(topic, 0, offset, each, T0)
        Table(entries_of(follower._said))
        return heard

    return feed


def read_again(topic: str) -> Callable[[bytes], bool]:
    """Return how a job reads again what it wrote to a topic of states, and wakes it."""
    kind = next(kind for kind, of in AGGREGATES.items() if of.topic == topic)

    def feed(value: bytes) -> bool:
        state = past._state(past._READERS[topic], value)
        return state is not None and bool(delivery_message(kind, state.key, Tick()))

    return feed


def victims(topic: str) -> Callable[[bytes], bool]:
    """Return how the ladder is fed: from bytes to its journal."""
    settings = VictimsSettings(KafkaSettings("b:9092"), policy.load(), clock=lambda: T0 + DAY, ticks=True)
    opened, ladder = OpenFn(settings), PartyFn(settings)

    def feed(value: bytes) -> bool:
        some = chunk(topic, value)
        some = some._replace(timestamps=some.timestamps * 0 + T0 + DAY)
        accepted = True
        for found in opened.process(some):
            if isinstance(found, TaggedOutput):
                accepted = False
                continue
            state, timer = Cell(), Cell()
            for _ in range(2):
                refused = [
                    each for each in ladder.process(found, state, timer) if isinstance(each, TaggedOutput)
                ]
                for each in refused:
                    letter = json.loads(each.value.value)
                    assert letter["error_code"] != "FAULT", letter["message"]
                    accepted = False
        return accepted

    return feed


def _warnings() -> list[bytes]:
    kept = (ROOT / "tests/schemas/v1/warning.v1.jsonl").read_bytes().splitlines()
    return [
        json.dumps(json.loads(each) | {"issued_at_us": T0, "expires_at_us": T0 + DAY}).encode()
        for each in kept
    ]


def _outcomes() -> list[bytes]:
    given = {"key": "try-1", "party_token": token_of("a"), "channel": "SMS", "at_us": T0}
    states = ("SENT", "DELIVERED", "FAILED")
    return [msgspec.json.encode({"type": "outcome", **given, "state": state}) for state in states]


def token(kind: str, value: str) -> str:
    """Make a token, as a job with a key does."""
    return token_of(kind + value)


def xml(value: bytes) -> bool:
    """Feed payments as messages of ISO 20022, between two good ones."""
    rules, good = policy.load(), pacs008()
    some = chunk(topics.PAYMENTS, good, value, good)
    _, letters, _ = decode(some, rules, window(some, rules.clock, None), token)
    for letter in letters:
        msgspec.json.encode(letter)
    return not letters


def _xml() -> list[bytes]:
    now = datetime.fromtimestamp(RECEIVED_US / 1e6, UTC).isoformat()
    one = Transfer(currency="CNY", accepted=now)
    other = replace(one, uetr="eb6305c9-1f7f-49de-aed0-16487c27b42e", txn_id="TX-2")
    return [
        *(pacs008(one, version=version, created=now) for version in (8, 2, 13)),
        pacs008(one, other, created=now),
    ]


def beside(name: str, folder: Mapping[str, bytes], read: Callable[[Path], object]) -> Callable[[bytes], bool]:
    """Return how a reader of a folder is fed: one file of it is broken, the others are good."""

    def read_all(path: Path) -> object:
        for other, content in folder.items():
            (path.parent / other).parent.mkdir(parents=True, exist_ok=True)
            (path.parent / other).write_bytes(content)
        return read(path)

    return file(name, read_all)


def _glob(pattern: str) -> Callable[[], Sequence[bytes]]:
    return lambda: [path.read_bytes() for path in sorted(ROOT.glob(pattern))]


def _words(path: Path) -> None:
    own = path.parent / words.OWN_LANGUAGES / "en.yaml"
    own.parent.mkdir(exist_ok=True)
    own.write_bytes(path.read_bytes())
    path.unlink()
    words.load(path.parent)


def _channels() -> list[bytes]:
    return [
        b"channels:\n  IN_APP: {webhook: 'https://b.example/push', secret: key}\n"
        b"  SMS: {smpp: '127.0.0.1:2775', system_id: bank, password: key}\naddresses: addresses.jsonl\n",
        b"channels:\n  SMS: {file: out.jsonl}\n",
    ]


def of_topics() -> dict[str, Callable[[], Sequence[bytes]]]:
    """Return good messages of every topic that a job reads, its own journals and states included."""
    kept = {topic: lambda topic=topic: states()[topic] for topic in topics.CASEWORK_STATES}
    return {
        **kept,
        **STREAM_SEEDS,
        topics.ORDERS: lambda: legal()[topics.ORDERS],
        topics.ACCOUNTS: lambda: legal()[topics.ACCOUNTS],
        topics.REPORTS: reports,
        topics.CASEWORK: office,
        topics.CASEWORK_INTERNAL: deliveries,
        topics.WARNINGS: _warnings,
        topics.WARNING_OUTCOMES: _outcomes,
    }


def everything() -> dict[str, Target]:
    """Return all that is fuzzed, by name."""
    addresses = json.dumps({"party": token_of("a"), "phone": "+8613800000000"}).encode() + b"\n"
    secrets = b'[{"name":"2026-11","secret":"' + b"A" * 44 + b'"}]'
    properties = b"# of the bank\nsasl.mechanism = PLAIN\nsecurity.protocol=SASL_SSL\n"
    beside_channels = {"key": b"secret", "addresses.jsonl": addresses}
    return targets() | {
        "reports": Target(reports, bureau(Bureau.report), 0.1),
        "casework": Target(office, bureau(Bureau.say), 0.1),
        "warnings": Target(_warnings, victims(topics.WARNINGS), 0.05),
        "warning_outcomes": Target(_outcomes, victims(topics.WARNING_OUTCOMES), 0.05),
        "answers": Target(findings, victims(topics.FEEDBACK), 0.02),
        "casework_internal": Target(deliveries, parts(topics.CASEWORK_INTERNAL), 0.05),
        "traces_told": Target(traces, parts(topics.TRACES), 0.02),
        **{
            f"{topic}_kept": Target(lambda topic=topic: states()[topic], read_again(topic), 0.01)
            for topic in topics.CASEWORK_STATES
        },
        **{
            f"{topic}_looked_up": Target(lambda topic=topic: states()[topic], registry(topic), 0.02)
            for topic in READ
        },
        "iso20022": Target(_xml, xml, 0.05),
        "law_dir": Target(
            _glob("measures/law/countries/*.yaml"),
            file("cn.yaml", lambda path: read_laws(path.parent)),
            0.002,
        ),
        "victims_words": Target(
            _glob("measures/victims/words/*.yaml"), file("en.yaml", victims_words.read), 0.005
        ),
        "words_folder": Target(_glob("measures/victims/words/en.yaml"), file("given", _words), 0.002),
        "channels": Target(_channels, beside("channels.yaml", beside_channels, read_channels), 0.01),
        "addresses": Target(lambda: [addresses], file("addresses.jsonl", read_addresses), 0.01),
        "token_keys": Target(lambda: [secrets], file("tokens.json", token_keys.read), 0.01),
        "seal_key": Target(lambda: [secrets], file("seal.json", lambda path: read_seal(str(path))), 0.01),
        "security_file": Target(
            lambda: [properties], file("client.properties", lambda path: resolved({}, str(path))), 0.01
        ),
    }
