"""No value and no name of a field gets out of a message by what is said of it: letters, refusals, logs."""

import base64
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from apache_beam.pvalue import TaggedOutput
from joserfc import jws
from joserfc.jwk import OKPKey

from console.lab.signing import private_key
from measures.aggregate import Office
from measures.authority.signing import ALGORITHM, TYPE
from measures.engine import intake
from models.scoring.shelf import read_key
from pipelines import policy
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.seal import read_seal
from pipelines.kafka.security import resolved
from pipelines.lookup.following import READ
from pipelines.streams.clock import window
from pipelines.streams.table import STREAMS
from pipelines.victims.settings import VictimsSettings
from pipelines.victims.steps import OpenFn
from schemas import token_keys, topics
from schemas.dead_letter import dead_letter
from schemas.errors import ConfigError
from tests.casework.kit import T0, Bureau
from tests.fuzz import offices
from tests.fuzz.targets import STREAM_SEEDS, chunk, legal, payments
from tests.lifecycle.conftest import POLICE
from tests.measures.kit import HOUR, make_order
from tests.measures.kit import T0 as LEGAL_US

CANARY = "CANARY4711ZhangSan"
NAMED = "CANARY-NAME4711LiSi"

#: Our loggers; those of libraries talk of themselves at this level.
OURS = ("pipelines", "measures", "schemas", "models", "console", "desk")

Said = Callable[[bytes], list[str]]


def stream(topic: str) -> Said:
    found = next(each for each in STREAMS if each.topic == topic)
    rules = policy.load()

    def said(value: bytes) -> list[str]:
        some = chunk(topic, value)
        letters = found.decode(some, rules, window(some, rules.clock, None)).letters
        return [f"{letter.message} {letter.hint}" for letter in letters]

    return said


def bureau(take: Callable[[Bureau, bytes], None]) -> Said:
    def said(value: bytes) -> list[str]:
        at = Bureau(Office(), offices.RING)
        take(at, value)
        return [letter_of(detail) for detail in at.refused]

    return said


def parts(topic: str) -> Said:
    return lambda value: [letter["message"] for letter in offices.letters_of(topic, value)]


def letter_of(detail: str) -> str:
    """The message of a letter as all jobs make it."""
    made = dead_letter("t", 0, 0, timestamp_us=1, stage="s", error_code="INVALID", message=detail, value=b"")
    return made.message


def legal_job(read: Callable[[bytes], Any]) -> Said:
    return lambda value: [letter_of(getattr(read(value), "detail", ""))]


def signed(body: bytes) -> bytes:
    """Return an order of this body with a good signature."""
    header = {"alg": ALGORITHM, "kid": "key-police-1", "typ": TYPE}
    return jws.serialize_compact(header, body, POLICE, algorithms=[ALGORITHM]).encode()


def header(value: bytes) -> Any:
    """Read an order with this header."""
    given = (value, msgspec.json.encode(make_order("S1")), b"no signature")
    return order(b".".join(base64.urlsafe_b64encode(each).rstrip(b"=") for each in given))


def order(value: bytes) -> Any:
    return intake.read_order(value, offices.RING, LEGAL_US + HOUR)


def ladder(topic: str) -> Said:
    opened = OpenFn(VictimsSettings(KafkaSettings("b:9092"), policy.load(), clock=lambda: T0 + offices.DAY))

    def said(value: bytes) -> list[str]:
        found = [
            each.value.value for each in opened.process(chunk(topic, value)) if isinstance(each, TaggedOutput)
        ]
        return [json.loads(each)["message"] for each in found]

    return said


def logged(feed: Callable[[bytes], bool]) -> Said:
    """Return what says things in the log only."""

    def said(value: bytes) -> list[str]:
        return [] if feed(value) else ["see the log"]

    return said


READERS: dict[str, tuple[Said, Callable[[], Any]]] = {
    **{topic: (stream(topic), seeds) for topic, seeds in STREAM_SEEDS.items()},
    "orders": (
        legal_job(lambda value: order(signed(value))),
        lambda: [msgspec.json.encode(make_order("S1"))],
    ),
    "orders_header": (legal_job(header), lambda: [b'{"alg":"Ed25519","kid":"key-police-1","typ":"a"}']),
    "accounts": (
        legal_job(lambda value: intake.read_command(value, LEGAL_US + HOUR)),
        lambda: legal()[topics.ACCOUNTS],
    ),
    "reports": (bureau(Bureau.report), offices.reports),
    "casework": (bureau(Bureau.say), offices.office),
    "casework_internal": (parts(topics.CASEWORK_INTERNAL), offices.deliveries),
    "traces_told": (parts(topics.TRACES), offices.traces),
    "warnings": (ladder(topics.WARNINGS), offices._warnings),
    "warning_outcomes": (ladder(topics.WARNING_OUTCOMES), offices._outcomes),
    **{
        f"{topic}_looked_up": (
            logged(offices.registry(topic)),
            lambda topic=topic: offices.states()[topic][1:],
        )
        for topic in READ
    },
}


def singing(value: bytes, *, broken: bool = True) -> Iterator[bytes]:
    """A message with the canary in each place in turn: as value, within one, as a name, as an element."""
    tree = json.loads(value)

    def places(node: Any) -> Iterator[tuple[Any, Any]]:
        for key, child in list(node.items() if isinstance(node, dict) else enumerate(node)):
            yield node, key
            if isinstance(child, dict | list):
                yield from places(child)

    for holder, key in [*places(tree)]:
        kept = holder[key]
        for put in (CANARY, f"{kept}{CANARY}", {NAMED: kept}, [CANARY]):
            holder[key] = put
            yield json.dumps(tree).encode()
        holder[key] = kept
        if isinstance(holder, dict):
            del holder[key]
            holder[NAMED] = kept
            yield json.dumps(tree).encode()
            del holder[NAMED]
            holder[key] = kept
    if broken:
        yield value[:-1] + f', "{NAMED}": '.encode() + b"}"
        yield value.replace(b'":', f'{NAMED}":'.encode(), 1)[:-1] + b"\xff}"


@pytest.fixture(autouse=True)
def everything_logged(caplog: pytest.LogCaptureFixture) -> None:
    for name in OURS:
        caplog.set_level(logging.DEBUG, logger=name)


@pytest.mark.parametrize("name", READERS)
def test_what_is_said_of_a_message_holds_nothing_of_it(name: str, caplog: pytest.LogCaptureFixture) -> None:
    said, seeds = READERS[name]
    told = [text for seed in list(seeds())[:1] for value in singing(seed) for text in said(value)]

    assert [text for text in told if text]
    assert not [text for text in {*told, *caplog.messages} if "CANARY" in text]


PRIVATE = OKPKey.generate_key("Ed25519").as_dict(private=True)

#: Files of secrets: what is right to begin with, and how it is read.
SECRETS: dict[str, tuple[bytes, Callable[[Path], object]]] = {
    "token_keys": (b'[{"name":"2026-11","secret":"' + b"A" * 44 + b'"}]', token_keys.read),
    "seal_key": (
        b'[{"name":"2026-11","secret":"' + b"A" * 44 + b'"}]',
        lambda path: read_seal(str(path)),
    ),
    "private_key": (json.dumps(PRIVATE).encode(), read_key),
    "signing_key": (json.dumps(PRIVATE | {"kid": "key-1"}).encode(), private_key),
}


@pytest.mark.parametrize("name", SECRETS)
def test_what_is_said_of_a_file_of_secrets_holds_none_of_them(name: str, tmp_path: Path) -> None:
    good, read = SECRETS[name]
    told = []
    for value in singing(good):
        path = tmp_path / name
        path.write_bytes(value)
        try:
            read(path)
        except ConfigError as error:
            told.append(str(error))

    assert told
    assert not [text for text in told if "CANARY" in text]


@pytest.mark.parametrize("line", [f"{CANARY}", f"sasl.password {CANARY}", f"sasl.password=@/{CANARY[:9]}"])
def test_what_is_said_of_a_file_of_passwords_holds_none_of_them(line: str, tmp_path: Path) -> None:
    path = tmp_path / "client.properties"
    path.write_text(f"sasl.username=me\nsasl.password={CANARY}\n{line}\n")
    with pytest.raises(ConfigError) as told:
        resolved({}, str(path))

    assert CANARY not in str(told.value)


def test_the_canary_would_be_heard() -> None:
    assert any(CANARY in value.decode() for value in singing(payments()[0], broken=False))
