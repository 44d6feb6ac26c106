"""Operators asked about payers in doubt: slow, wrong or down, no payment waits beyond the budget."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.features import Legs
from models.ledgers import clues
from models.scoring.bundle import Bundle
from pipelines.hot import decide
from pipelines.hot.decide import Decider
from pipelines.hot.doubt import in_doubt, told
from pipelines.jobs.options import JobSettings, in_process_options
from pipelines.network.breaker import FAILURES, REST_S, Breaker
from pipelines.network.client import BUDGET_S, PARTIES_MAX, Network
from pipelines.network.configured import network
from pipelines.network.questions import QUESTIONS, Answer
from pipelines.policy import ButtonPolicy, Policy
from pipelines.telemetry import TELEMETRY
from schemas.errors import ConfigError
from schemas.rows.transfers import CALL_IN_PROGRESS
from tests.hotpath.conftest import Stream
from tests.hotpath.test_button import leg
from tests.hotpath.test_decisions import decided_of
from tests.tokens import token_of

#: What threads and a loaded machine may take beside the budget.
SLACK_S = 0.6


class Operator:
    """A simulated operator; `answers` by path, `delay_s` before each, `status`, and what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.delay_s, self.status = 0.0, 200
        self.asked: list[tuple[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append((self.path.strip("/"), body["phoneNumber"]))
                time.sleep(outer.delay_s)
                said = outer.answers.get(self.path.strip("/"), {"inCall": False})
                value = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(value)))
                self.end_headers()
                self.wfile.write(value)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def operator() -> Iterator[Operator]:
    made = Operator()
    yield made
    made.close()


PARTIES = [token_of(f"p-{number}") for number in range(100)]
PHONES = {party: f"+861380000{number:04d}" for number, party in enumerate(PARTIES)}
IN_CALL = QUESTIONS["CALL"].path


def now_us() -> int:
    return time.time_ns() // 1000


def asking(operator: Operator, *topics: Any, **more: Any) -> Network:
    return Network(operator.url, PHONES, topics or ("CALL",), **more)


def count(name: str) -> int:
    return TELEMETRY.counts().get(name, 0)


def test_who_is_in_a_call_is_known_and_is_not_asked_again_within_half_a_minute(operator: Operator) -> None:
    operator.answers[IN_CALL] = {"inCall": True, "since": "2026-01-01T00:00:00Z"}
    client = asking(operator, budget_s=5.0)

    found = client.ask(PARTIES[:2] * 3, now_us())
    again = client.ask(PARTIES[:2], now_us())

    assert found == again == dict.fromkeys(PARTIES[:2], (Answer(clues.CALL, 1_767_225_600_000_000),))
    assert sorted(operator.asked) == [(IN_CALL, PHONES[party]) for party in PARTIES[:2]]


@pytest.mark.parametrize(
    ("said", "since"),
    [
        ({"inCall": False}, 0),
        ({"inCall": True, "since": "2026-01-01T00:00:00Z", "counterpartyKnown": True}, 0),
        ({"inCall": True, "since": "2026-01-01T08:00:00+08:00"}, 1_767_225_600_000_000),
    ],
)
def test_a_call_with_somebody_known_is_none(operator: Operator, said: Any, since: int) -> None:
    operator.answers[IN_CALL] = said

    assert asking(operator, budget_s=5.0).ask(PARTIES[:1], now_us()) == {
        PARTIES[0]: (Answer(clues.CALL, since),)
    }


@pytest.mark.parametrize(
    "said",
    [
        b"", b"<html>", b"[]", b"null", {}, {"inCall": "yes"}, {"inCall": 1}, {"inCall": True, "since": 5},
        {"inCall": True, "since": "yesterday"}, {"inCall": True, "since": "2026-01-01T00:00:00"},
        {"inCall": True, "since": "2999-01-01T00:00:00Z"}, {"inCall": True, "since": "1970-01-01T00:00:00Z"},
        b"[" * 5000, b"x" * 100_000,
    ],
)  # fmt: skip
def test_a_wrong_answer_is_no_answer_and_is_counted(operator: Operator, said: Any) -> None:
    operator.answers[IN_CALL] = said
    before = count("network_wrong") + count("network_down")

    assert asking(operator, budget_s=5.0).ask(PARTIES[:1], now_us()) == {}

    assert count("network_wrong") + count("network_down") == before + 1


def test_a_slow_operator_delays_nobody_beyond_the_budget_and_is_then_left_alone(operator: Operator) -> None:
    operator.delay_s = 2.0
    client, took = asking(operator), []

    for start in range(0, 60, 6):
        begun_us = now_us()
        client.ask(PARTIES[start : start + 6], begun_us)
        took.append((now_us() - begun_us) / 1e6)

    assert max(took) < BUDGET_S + SLACK_S
    assert sum(took) < 2 * (BUDGET_S + SLACK_S), "the breaker is open after the first batch"
    assert count("network_not_asked")


def test_what_a_payment_has_waited_for_earlier_questions_counts(operator: Operator) -> None:
    operator.delay_s = 2.0
    client, begun_us = asking(operator), now_us()

    client.ask(PARTIES[:1], begun_us)
    first_us = now_us()
    client.ask(PARTIES[1:2], begun_us)  # received before the first question was asked
    second_us = now_us()

    assert first_us - begun_us < (BUDGET_S + SLACK_S) * 1e6
    assert second_us - first_us < SLACK_S * 1e6


def test_a_late_answer_is_there_for_the_next_payment(operator: Operator) -> None:
    operator.delay_s = 0.4
    operator.answers[IN_CALL] = {"inCall": True, "since": "2026-01-01T00:00:00Z"}
    client = asking(operator)

    assert client.ask(PARTIES[:1], now_us()) == {}
    time.sleep(0.8)

    assert list(client.ask(PARTIES[:1], now_us())) == PARTIES[:1]


def test_an_operator_that_is_down_is_left_alone_and_tried_again_after_a_rest() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    now = [0.0]
    client = Network(url, PHONES, ("CALL",), budget_s=5.0, clock=lambda: now[0])
    asked = count("network_asked")

    for party in PARTIES[:20]:
        assert client.ask([party], now_us()) == {}
    during = count("network_asked")
    now[0] = REST_S + 1
    client.ask(PARTIES[20:30], now_us())

    assert during - asked == FAILURES
    assert count("network_asked") == during + 1


@pytest.mark.parametrize("status", [500, 503, 429, 401])
def test_a_refusal_is_no_answer(operator: Operator, status: int) -> None:
    operator.status = status

    assert asking(operator, budget_s=5.0).ask(PARTIES[:1], now_us()) == {}


@pytest.mark.parametrize("status", [404, 422])
def test_a_line_that_the_operator_does_not_know_is_no_failure_and_is_not_asked_again(
    operator: Operator, status: int
) -> None:
    operator.status = status
    client = asking(operator, budget_s=5.0)

    for _ in range(20):
        assert client.ask(PARTIES[:1], now_us()) == {}

    assert len(operator.asked) == 1


def test_a_batch_asks_about_so_many_parties_at_most_and_of_none_without_a_number(operator: Operator) -> None:
    client = asking(operator, budget_s=5.0)

    client.ask([token_of("nobody"), *PARTIES], now_us())

    assert 0 < len(operator.asked) < PARTIES_MAX


def test_several_threads_ask_one_question_once(operator: Operator) -> None:
    operator.delay_s = 0.2
    client = asking(operator, budget_s=5.0)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: client.ask(PARTIES[:1], now_us()), range(8)))

    assert len(operator.asked) == 1
    assert all(list(each) == PARTIES[:1] for each in found)


def test_a_breaker_lets_one_trial_through_and_closes_by_its_answer() -> None:
    now = [0.0]
    breaker = Breaker(lambda: now[0])
    for _ in range(FAILURES):
        assert breaker.room(3) == 3
        breaker.failed()

    assert breaker.room(3) == 0
    now[0] = REST_S
    assert [breaker.room(3), breaker.room(3)] == [1, 0]
    breaker.answered()
    assert breaker.room(3) == 3


# What an answer changes.


def test_in_doubt_are_those_to_be_warned_and_who_lacks_one_sign_before_somebody_new() -> None:
    one = leg(CALL_IN_PROGRESS)
    quiet = leg()

    def doubted(legs: Legs, outcome: int) -> bool:
        return len(in_doubt(legs, np.array([outcome]), np.zeros(1), ButtonPolicy())) == 1

    assert doubted(one, 0) and not doubted(quiet, 0)
    assert [doubted(quiet, outcome) for outcome in (1, 2, 3, 4)] == [True, True, True, False]
    assert not in_doubt(one, np.zeros(1, np.int64), np.zeros(1), None).size


def test_what_is_told_is_added_and_what_was_known_stays() -> None:
    known = leg(goes_on=1 << clues.CALL, since_s=600.0)
    at_us = int(known.transfer["at_us"][0])
    said = (Answer(clues.CALL, at_us - 60_000_000), Answer(clues.FORWARDING, at_us - 5_000_000))

    payer = told(known, np.array([0]), [said]).payer

    assert payer["clue_since_s"][0, clues.CALL] == 600.0
    assert payer["clue_since_s"][0, clues.FORWARDING] == 5.0
    assert payer["clue_goes_on"][0] == 1 << clues.CALL | 1 << clues.FORWARDING
    assert known.payer["clue_goes_on"][0] == 1 << clues.CALL, "nothing is written into what was known"


def test_an_answer_makes_no_outcome_milder_and_a_call_makes_the_warning_grave(
    stream: Stream, rules: Policy, bundle_path: Path, trained: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    decider = Decider(rules, bundle_path, 0.0)
    legs = stream.history.credit
    before = decided_of(decider, legs, "CREDIT")

    class All:
        def ask(self, parties: list[str], received_us: int) -> dict[str, tuple[Answer, ...]]:
            assert parties and received_us == int(legs.transfer["received_us"].min())
            at_us = int(legs.transfer["at_us"].max())
            on = (Answer(clues.CALL, at_us - 60_000_000), Answer(clues.SIM_SWAP, at_us - 3_600_000_000))
            return dict.fromkeys(parties, on)

    monkeypatch.setattr(decide, "network", lambda file: All())
    after = decided_of(decider, legs, "CREDIT")

    graver = {each.txn_id: each.severity for each in after.warnings}
    assert {each.txn_id for each in before.warnings} <= set(graver)
    assert all(graver[each.txn_id] >= each.severity for each in before.warnings)
    assert len(after.alerts) >= len(before.alerts)


# The file.


def test_a_file_names_the_operator(operator: Operator, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"party": PARTIES[0], "phone": PHONES[PARTIES[0]]}) + "\n")
    (tmp_path / "n.yaml").write_text(f"url: {operator.url}\naddresses: a.jsonl\nask: [SIM_SWAP]\n")
    operator.answers[QUESTIONS["SIM_SWAP"].path] = {"latestSimChange": None}

    opened = network(str(tmp_path / "n.yaml"))

    assert opened is not None and network(str(tmp_path / "n.yaml")) is opened and network("") is None
    opened.ask(PARTIES[:1], now_us())
    time.sleep(0.3)
    assert operator.asked == [(QUESTIONS["SIM_SWAP"].path, PHONES[PARTIES[0]])]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("url: http://operator.example\naddresses: a.jsonl\n", "not https"),
        ("url: https://operator.example\n", "addresses"),
        ("url: https://operator.example\naddresses: gone.jsonl\n", "gone.jsonl"),
        ("url: https://operator.example\naddresses: a.jsonl\nask: [WEATHER]\n", "ask"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_when_the_job_starts(
    text: str, said: str, tmp_path: Path, bundle_path: Path
) -> None:
    (tmp_path / "a.jsonl").write_text("")
    (tmp_path / "n.yaml").write_text(text)
    words = ["--kafka_brokers", "127.0.0.1:1", "--model_bundle", str(bundle_path)]

    with pytest.raises(ConfigError, match=said) as refused:
        JobSettings.of(in_process_options([*words, "--network_file", str(tmp_path / "n.yaml")]))

    assert str(refused.value).startswith("--network_file: ")


def test_a_replay_asks_nobody(rules: Policy, bundle_path: Path) -> None:
    from pipelines.jobs.main import hot_path

    words = ["--kafka_brokers", "127.0.0.1:1", "--model_bundle", str(bundle_path)]
    settings = replace(JobSettings.of(in_process_options(words)), network="n.yaml")

    assert hot_path(settings).accounts._decider._network == ""
    assert hot_path(replace(settings, live=True)).accounts._decider._network == "n.yaml"
