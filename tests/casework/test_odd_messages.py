"""What a stranger's producer gets wrong is refused by name and with what is right, and the rest goes on."""

import gzip
import json
from typing import Any

import pytest

from measures.authority.signing import KeyRing
from measures.blocking.admission import Guard
from measures.casework import read_casework, read_report
from measures.refusal import Refusal
from pipelines.received import CODES, RawMessage
from schemas.dead_letter import DeadLetter
from tests.casework.kit import SECOND, T0

REPORT: dict[str, Any] = {
    "type": "REPORT", "report_id": "r-1", "origin": "BANK", "reporter": "bank-2", "jurisdiction": "KR",
    "at_us": T0, "entities": [{"kind": "URL", "value": "https://evil.example/a", "role": "INFRA"}],
}  # fmt: skip


def letter(value: bytes, topic: str = "reports") -> DeadLetter:
    """The letter that a job which drives aggregates writes of a message."""
    read = (read_report if topic == "reports" else read_casework)(value, KeyRing(()), T0 + SECOND)
    assert isinstance(read, Refusal), read
    source = RawMessage(topic=topic, partition=0, offset=0, at_us=T0, value=value)
    return source.letter("casework", CODES.get(read.why, "INVALID"), f"{read.why}: {read.detail}")


def report(**fields: Any) -> bytes:
    return json.dumps(REPORT | fields).encode()


def entity(**fields: Any) -> bytes:
    return report(entities=[REPORT["entities"][0] | fields])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (entity(kind="WEBSITE"), "Expected one of ACCOUNT, APP_HASH, CARD"),
        (entity(role="scammer"), "Expected one of INFRA, MULE, SUSPECT, VICTIM - at `$.entities[...].role`"),
        (report(information="SCAM"), "PHISHING_SITE"),
        (report(type="REPROT"), "Expected one of REPORT, REVOCATION - at `$.type`"),
        (report(edges=[{"from_entity": 0, "to_entity": 7, "kind": "SHARED_DEVICE"}]), "edges[0] names"),
        (report(edges=[{"from_entity": 0, "to_entity": 0, "kind": "SHARED_DEVICE", "at_us": 1_790_000_000}]),
         "edges[0].at_us is before 2000"),
        (entity(first_seen_us=T0, last_seen_us=T0 - SECOND), "last_seen_us is before its first_seen_us"),
    ],
)  # fmt: skip
def test_a_report_that_is_none_says_what_would_be_right(value: bytes, said: str) -> None:
    assert said in letter(value).message.replace("[0].role", "[...].role")


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ({"type": "RECYCLED", "subject_id": "s", "since_us": T0 // 1000}, "since_us is before 2000"),
        ({"type": "RECYCLED", "subject_id": "s", "since_us": 2 * T0}, "since_us is later than now"),
        ({"type": "ANSWER_TICKET", "entry_id": "b", "state": "GONE", "at_us": 179 * 10**7}, "is before"),
        ({"type": "APPLY_LISTING", "jurisdiction": "CN", "institution": "bank-1", "version": "list_x",
          "applied_us": T0 // 1000}, "applied_us is before 2000"),
        ({"type": "BLOCK_NOW"}, "ASK_BLOCK"),
        ({"type": "ANSWER_TICKET", "entry_id": "b", "state": "TAKEN", "at_us": T0}, "AGAIN, DONE, GONE"),
    ],
)  # fmt: skip
def test_a_message_of_casework_in_another_unit_or_word_says_so_by_name(said: Any, means: str) -> None:
    assert means in letter(json.dumps(said).encode(), "casework").message


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (report().decode().encode("utf-16"), "UTF-16"),
        (gzip.compress(report()), "compressed"),
        (report()[:-20], "cut off"),
        (str(REPORT).encode(), "json.dumps"),
        (b"[" + report() + b"]", "no array"),
        (b"", "without a value"),
        (json.dumps(report().decode()).encode(), "serialize it once"),
    ],
)
def test_what_is_no_json_is_told_what_it_looks_like_by_these_jobs_too(value: bytes, hint: str) -> None:
    assert hint in letter(value).hint


@pytest.mark.parametrize("value", ["127.0.0.1", "10.1.2.0/24", "192.168.0.1", "::1", "fe80::1", "fd00::/48"])
def test_an_address_that_everybody_has_waits_for_a_person(value: str) -> None:
    assert Guard().objection("IP", value)
    assert Guard().objection("URL", "127.0.0.1/login")


@pytest.mark.parametrize("value", ["192.0.2.7", "198.51.100.0/24", "2001:db8::1"])
def test_an_address_of_somebody_is_blocked_as_asked(value: str) -> None:
    assert Guard().objection("IP", value) == ""
