"""Asks operators about lines within a budget: what does not come in time is not known, and no payment waits.

Answers are kept for a while, a late one too, for the next payment of the party. An operator that fails is
left alone (`pipelines.network.breaker`). Nothing of a number is logged.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import NamedTuple

import msgspec
import urllib3

from pipelines.network.breaker import Breaker
from pipelines.network.questions import QUESTIONS, Answer, Topic
from pipelines.telemetry import TELEMETRY
from schemas.ids import derived_id
from schemas.units import SECOND_US

#: No payment waits longer for answers, over all that is asked while it is here; seconds.
BUDGET_S = 0.150

#: A question is given up after so long, though nobody waits for its answer any more.
GIVEN_UP_S = 1.0

#: Questions at a time, and parties a batch.
THREADS, PARTIES_MAX = 16, 32

#: Answers count for so long, refusals (a line the operator does not know) for longer; at most so many.
FRESH_S, UNKNOWN_S, KEPT = 30.0, 3_600.0, 100_000

#: No answer is longer.
BODY_BYTES = 16_384


class Asked(NamedTuple):
    """One question about one party."""

    party: str
    topic: Topic


class Network:
    """The operator behind one address; of all threads of a process."""

    def __init__(
        self,
        url: str,
        phones: Mapping[str, str],
        topics: Sequence[Topic],
        *,
        token: str = "",
        budget_s: float = BUDGET_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url, self._phones, self._topics, self._budget_s = url.rstrip("/"), phones, topics, budget_s
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._clock, self._breaker = clock, Breaker(clock)
        self._http = urllib3.PoolManager(maxsize=THREADS, retries=False)
        self._threads = ThreadPoolExecutor(THREADS, "network")
        self._lock = threading.Lock()
        self._under_way: dict[Asked, Future[None]] = {}
        self._known: dict[Asked, tuple[float, Answer | None]] = {}
        self._waits: deque[tuple[int, int]] = deque(maxlen=64)

    def ask(self, parties: Collection[str], received_us: int) -> dict[str, tuple[Answer, ...]]:
        """Return what is known of parties, or comes to be within the budget; of others nothing.

        `received_us` is when the oldest payment that waits was received: what it has waited for answers
        already counts.
        """
        questions = [
            Asked(party, topic)
            for party in list(dict.fromkeys(parties))[:PARTIES_MAX]
            if party in self._phones
            for topic in self._topics
        ]
        left_s = self._left_s(received_us)
        fresh = [each for each in questions if not self._has(each)]
        TELEMETRY.count("network_cached", len(questions) - len(fresh))
        begun = list(self._begin(fresh)) if left_s > 0 else []
        TELEMETRY.count("network_not_asked", len(fresh) - len(begun))
        if begun:
            self._wait(begun, left_s)
        found: dict[str, tuple[Answer, ...]] = {}
        for each in questions:
            if answer := self._known.get(each, (0.0, None))[1]:
                found[each.party] = (*found.get(each.party, ()), answer)
        return found

    def _left_s(self, received_us: int) -> float:
        """Return how long who was received then may wait still."""
        waited = sum(max(end - max(begin, received_us), 0) for begin, end in list(self._waits))
        return max(self._budget_s - waited / SECOND_US, 0.0)

    def _has(self, asked: Asked) -> bool:
        until_s = self._known.get(asked, (0.0, None))[0]
        if until_s <= self._clock():
            self._known.pop(asked, None)
            return False
        return True

    def _begin(self, fresh: Sequence[Asked]) -> Iterator[Future[None]]:
        """Ask as many as may be asked; what is under way already is waited for."""
        with self._lock:
            running = {each: future for each, future in self._under_way.items() if not future.done()}
            self._under_way = running
            new = [each for each in fresh if each not in running]
            room = self._breaker.room(min(len(new), 4 * THREADS - len(running)))
            for each in new[: max(room, 0)]:
                self._under_way[each] = self._threads.submit(self._asked, each)
            yield from (self._under_way[each] for each in fresh if each in self._under_way)

    def _wait(self, begun: Sequence[Future[None]], left_s: float) -> None:
        begin_us = time.time_ns() // 1000
        _, late = wait(begun, timeout=left_s)
        self._waits.append((begin_us, time.time_ns() // 1000))
        TELEMETRY.count("network_late", len(late))
        for future in late:
            future.cancel()
            self._breaker.failed()

    def _asked(self, asked: Asked) -> None:
        """Ask one question and keep what is answered; an answer that is none counts as a failure."""
        TELEMETRY.count("network_asked", 1)
        question, begun_s = QUESTIONS[asked.topic], self._clock()
        body = msgspec.json.encode({"phoneNumber": self._phones[asked.party]})
        headers = {**self._headers, "x-correlator": derived_id("question", *asked, time.time_ns())}
        try:
            response = self._http.request(
                "POST", f"{self._url}/{question.path}", body=body, headers=headers, preload_content=False,
                timeout=urllib3.Timeout(total=GIVEN_UP_S),
            )  # fmt: skip
            said = _body(response, begun_s + GIVEN_UP_S, self._clock)
        except (urllib3.exceptions.HTTPError, OSError):
            self._fail("network_down")
            return
        if response.status in (404, 422):  # CAMARA: not a line of this operator, or not one that can be asked
            self._breaker.answered()
            self._keep(asked, None, UNKNOWN_S)
            return
        if response.status >= 300:
            self._fail("network_down")
            return
        try:
            answer = question.read(said, time.time_ns() // 1000)
        except (ValueError, RecursionError):
            self._fail("network_wrong")
            return
        TELEMETRY.count("network_answered", 1)
        if self._clock() - begun_s <= self._budget_s:  # who always answers late is left alone, too
            self._breaker.answered()
        self._keep(asked, answer, FRESH_S)

    def _fail(self, count: str) -> None:
        TELEMETRY.count(count, 1)
        self._breaker.failed()

    def _keep(self, asked: Asked, answer: Answer | None, seconds: float) -> None:
        with self._lock:
            if len(self._known) >= KEPT:
                now_s = self._clock()
                self._known = {each: kept for each, kept in self._known.items() if kept[0] > now_s}
            if len(self._known) < KEPT:
                self._known[asked] = self._clock() + seconds, answer


def _body(response: urllib3.BaseHTTPResponse, until_s: float, clock: Callable[[], float]) -> bytes:
    """Read an answer whole, so that its connection is used again.

    Raises:
        TimeoutError: it is too long, or trickles.

    """
    body = b""
    while part := response.read1(4096):
        body += part
        if len(body) > BODY_BYTES or clock() > until_s:
            response.close()
            raise TimeoutError
    response.release_conn()
    return body
