"""`python -m tests.desk.kills --kills 20`: a desk killed while people decide; no decision is lost or doubled.

People decide case after case and send a form again, as it was, until they hear that it was taken. Meanwhile
the desk is killed at a moment drawn by chance and started anew, sometimes with its store deleted. At the end
every decision stands on topic `actions` once, and every finding it sends is on `feedback`, under one id.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import httpx2
import msgspec

from console.lab.brokers import topic_values
from console.web.sessions import COOKIE, Sessions
from desk.cases import case_id_of
from desk.roles import Person, Role
from pipelines.kafka.local.brokers import EmbeddedBroker, free_port
from pipelines.kafka.port import KafkaSettings
from schemas import topics
from schemas.action import Action
from schemas.feedback import Feedback
from tests.desk import kit, postgresql

CHILD = """
import sys, threading
from pathlib import Path
from console.lab.serving import opened
from console.web.serve import served, site_of
from measures.law.country_file import SHIPPED
from pipelines import policy
from pipelines.kafka.port import KafkaSettings
brokers, folder, port, store = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
with opened(KafkaSettings(brokers), policy.load(), SHIPPED, folder, clock="stream", store=store) as desk:
    with served(site_of(desk, folder), port=port):
        print("open", flush=True)
        threading.Event().wait()
"""


class Outcome(NamedTuple):
    """What came of it: decisions taken, actions and findings on the topics, copies of one id among them."""

    decided: int
    kills: int
    actions: int
    action_copies: int
    findings: int
    finding_copies: int
    lost: int


def killed(kills: int, seed: int = 1, cases: int = 60) -> Outcome:
    """Kill a desk so many times while `cases` cases are decided; returns what came of it."""
    rng = random.Random(seed)
    with EmbeddedBroker() as broker, TemporaryDirectory() as temporary:
        kafka, folder, port = KafkaSettings(broker.address), Path(temporary), free_port()
        kit.create_topics(kafka)
        kit.send(kafka, topics.ALERTS, [kit.alert(n, f"case-{n}") for n in range(cases)])
        sessions = Sessions(folder / "session.key")
        taken: list[str] = []
        done = threading.Event()
        people = threading.Thread(target=_decide, args=(sessions, port, cases, taken, done), daemon=True)
        people.start()
        count, last = 0, False
        while not last:
            child = subprocess.Popen(
                [sys.executable, "-c", CHILD, kafka.brokers, str(folder), str(port), kit.address(folder)],
                stdout=subprocess.PIPE,
            )
            assert child.stdout is not None
            child.stdout.readline()
            if last := count >= kills or done.is_set():
                done.wait()
                time.sleep(5.0)  # what is decided is carried out
            else:
                done.wait(rng.uniform(0.3, 3.0))
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
            count += 1
            if rng.random() < 0.3:
                kit.forget(folder)
        return _counted(kafka, taken, count - 1)


def _decide(sessions: Sessions, port: int, cases: int, taken: list[str], done: threading.Event) -> None:
    cookie = sessions.cookie(Person("lead-1", Role.LEAD))
    session = sessions.session(cookie)
    assert session is not None
    for number in range(cases):
        case_id = case_id_of(kit.token(f"case-{number}"))
        form = {"csrf": sessions.csrf(session), "key": f"key-of-{number:06}", "reason_code": "KNOWN_MULE"}
        while True:
            try:
                answer = httpx2.post(
                    f"http://127.0.0.1:{port}/cases/{case_id}/CONFIRM", data=form, cookies={COOKIE: cookie},
                    timeout=10,
                )  # fmt: skip
            except httpx2.HTTPError:
                time.sleep(0.1)
                continue
            if answer.status_code == 303:
                taken.append(case_id)
                break
            time.sleep(0.2)
        time.sleep(0.2)
    done.set()


def _counted(kafka: KafkaSettings, taken: list[str], kills: int) -> Outcome:
    actions = [msgspec.json.decode(value, type=Action) for value in topic_values(kafka, topics.ACTIONS)]
    labels = [msgspec.json.decode(value, type=Feedback) for value in topic_values(kafka, topics.FEEDBACK)]
    named = Counter(action.action_id for action in actions)
    found = Counter(label.feedback_id for label in labels)
    decided = Counter(action.case_id for action in actions if named[action.action_id])
    lost = len(set(taken) - set(decided)) + len(set(taken) - {label.case_family_id for label in labels})
    return Outcome(
        len(taken), kills, len(named), sum(named.values()) - len(named), len(found),
        sum(found.values()) - len(found), lost,
    )  # fmt: skip


def main() -> None:
    """Print what came of it; exit code 1 if a decision was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--cases", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgresql", action="store_true", help="the store on a server of its own")
    given = parser.parse_args()
    with postgresql.cluster() if given.postgresql else nullcontext() as kit.SERVER:
        outcome = killed(given.kills, given.seed, given.cases)
    print(outcome)
    wrong = outcome.lost or outcome.actions != outcome.decided or outcome.findings != outcome.decided
    sys.exit(int(bool(wrong or outcome.kills < given.kills)))


if __name__ == "__main__":
    main()
