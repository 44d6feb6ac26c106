"""The bank's app can say whether the bank is calling: only while a call has left and is not answered."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.error import HTTPError

import msgspec
import pytest

from console.lab.calling import answer
from console.served import as_json, served
from measures.victims.calling import BELIEVED_US, Call, after, calling
from measures.victims.ladder import entry
from pipelines import policy
from pipelines.kafka.port import KafkaSettings
from pipelines.victims import calls as following
from pipelines.victims.calls import Calls
from pipelines.victims.sender import now_us
from schemas import topics
from tests.tokens import token_of
from tests.victims.conftest import send
from tests.victims.far_sides import wait_for
from tests.victims.test_ladder import DAY, MINUTE, PARTY, SECOND, T0, One, warning

RULES = policy.load()


def called(at_us: int = T0) -> One:
    """A party whose app could not be reached, so that a call is planned."""
    one = One()
    one.take(warning(4, at_us), at_us)
    one.heard(one.attempts[-1], "FAILED", at_us + SECOND)
    assert one.attempts[-1].channel == "CALL"
    return one


def expected(one: One, now_us_: int) -> Call | None:
    return calling(after((), one.events), now_us_)


def test_a_call_is_told_from_when_it_left_until_somebody_answered() -> None:
    one = called()
    call = one.attempts[-1]
    assert expected(one, T0 + 2 * SECOND) is None, "planned, and nobody calls yet"

    one.heard(call, "SENT", T0 + 3 * SECOND, proof_id="p-1")
    found = expected(one, T0 + 4 * SECOND)
    assert found is not None
    assert (found.attempt.key, found.proof_id) == (call.key, "p-1")

    one.heard(call, "ANSWERED", T0 + MINUTE, verdict="UNKNOWN")
    assert expected(one, T0 + MINUTE + SECOND) is None


@pytest.mark.parametrize("state", ["UNREACHABLE", "FAILED", "UNCERTAIN"])
def test_a_call_that_did_not_reach_anybody_is_over(state: str) -> None:
    one = called()
    call = one.attempts[-1]
    one.heard(call, "SENT", T0 + 3 * SECOND)
    one.heard(call, state, T0 + 9 * SECOND)

    assert expected(one, T0 + 10 * SECOND) is None


def test_an_answer_in_the_app_ends_a_call_and_an_old_one_vouches_for_nobody() -> None:
    one, other = called(), called()
    for each in (one, other):
        each.heard(each.attempts[-1], "SENT", T0 + 3 * SECOND)
    one.heard(one.attempts[0], "ANSWERED", T0 + 5 * SECOND, verdict="DISSUADED")

    assert expected(one, T0 + 6 * SECOND) is None
    until_us = other.attempts[-1].answer_by_us
    assert expected(other, until_us - 1) is not None and expected(other, until_us) is None
    later = msgspec.structs.replace(other.attempts[-1], answer_by_us=T0 + DAY)
    assert Call(later, left_us=T0).until_us() == T0 + BELIEVED_US


@contextmanager
def answering(kafka: KafkaSettings) -> Iterator[str]:
    with closing(Calls(kafka, now_us)) as calls:
        thread = threading.Thread(target=calls.run, daemon=True)
        thread.start()
        with served("0", "--at", lambda path: as_json(*answer(calls, RULES, path))) as address:
            yield address
    thread.join(20)
    assert not thread.is_alive()


def asked(address: str, path: str) -> tuple[int, dict[str, object]]:
    try:
        with urllib.request.urlopen(f"{address}{path}") as said:
            return said.status, json.load(said)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_app_is_told_whether_the_bank_is_calling_and_nothing_while_that_is_not_known(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = called(now_us() - 5 * SECOND)
    one.heard(one.attempts[-1], "SENT", now_us(), proof_id="p-1")
    assert one.party is not None
    send(kafka, topics.CONTACTS, PARTY, b"no entry", entry(one.party, tuple(one.events)), at_us=now_us())
    monkeypatch.setattr(following, "ENDS_S", 0.1)

    with answering(kafka) as address:
        mine, other = f"/calling/{PARTY}", f"/calling/{token_of('other')}"
        wait_for(lambda: asked(address, mine)[0] == 200, 30)
        status, said = asked(address, mine)
        assert (status, said["calling"], said["proof_id"]) == (200, True, "p-1")
        assert said["call_reason"] and "96110" in str(said["text"])
        nobody = asked(address, other)[1]
        assert nobody["calling"] is False and str(nobody["text"]).startswith("我们现在没有给您打电话。")
        assert str(asked(address, f"{other}?language=en")[1]["text"]).startswith("We are not calling you now")
        assert [asked(address, path)[0] for path in ("/calling/short", "/", f"/calling/{PARTY}x")] == [
            400,
            404,
            400,
        ]

        monkeypatch.setattr(following, "STALE_S", -1.0)
        assert asked(address, mine)[0] == 503 and "calling" not in asked(address, other)[1]


def test_a_days_calls_are_read_and_those_that_are_over_are_forgotten(kafka: KafkaSettings) -> None:
    one = called(now_us() - DAY // 2)
    assert one.party is not None
    send(kafka, topics.CONTACTS, PARTY, entry(one.party, tuple(one.events)), at_us=now_us() - DAY // 2)

    with closing(Calls(kafka, now_us)) as calls:
        thread = threading.Thread(target=calls.run, daemon=True)
        thread.start()
        wait_for(calls.current, 30)
        wait_for(lambda: not calls._of, 30)
    thread.join(20)
