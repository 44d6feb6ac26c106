"""Carries what decided actions send to its topics, in the order of the topic, at least once.

Where it stands is committed on Kafka for a group of its own, so that a store that is built anew sends nothing
again. Between sending and committing a crash sends once more: the messages are the same, and whoever reads
them knows them by their ids.
"""

import logging
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace

import msgspec

from desk.store import Store, unpacked
from pipelines.kafka.port import KafkaSettings, Partition, Producer, open_admin, open_producer
from schemas.action import Action, Effect
from schemas.envelope import headers
from schemas.errors import StoplineError
from schemas.topics import ACTIONS

_LOGGER = logging.getLogger(__name__)

#: Kafka group of the positions; how long to rest; actions carried between two commits.
GROUP, REST_S, AT_ONCE = "stopline-desk", 0.1, 200

_ACTION = msgspec.json.Decoder(Action)


class Carrier:
    """Sends the effects of the actions that the store holds.

    Attributes:
        carried: how many were sent.
        refused: how many no broker will ever take; `left_out` says of the last one which and why.
        wrong: why nothing gets on now, "" if it does.

    """

    def __init__(self, store: Store, settings: KafkaSettings) -> None:
        self._store, self._settings = store, replace(settings, group=GROUP)
        self._stands: dict[Partition, int] | None = None
        self._stopped = threading.Event()
        self.carried, self.refused, self.left_out, self.wrong = 0, 0, "", ""

    def start(self) -> threading.Thread:
        """Carry in a thread of its own until `stop`."""
        thread = threading.Thread(target=self._run, name="desk-carrier", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """Let the thread end after what it carries now."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                if not self.step():
                    self._stopped.wait(REST_S)
                self.wrong = ""
            except StoplineError as error:
                if str(error) != self.wrong:
                    _LOGGER.error("an action is not carried out yet: %s", error)
                self._stands, self.wrong = None, str(error)
                self._stopped.wait(1.0)

    def step(self) -> int:
        """Carry the next actions; returns how many were read.

        Raises:
            SinkError: a message was not confirmed, and may be later; it is sent again.
            StateError: the store cannot be read.
            BrokerError: positions cannot be read or committed.

        """
        if self._stands is None:
            self._stands = self._committed()
        done = 0
        for at, stands in list(self._stands.items()):
            rows = self._store.rows(
                "SELECT message_offset, record FROM actions WHERE partition = ? AND message_offset >= ? "
                "ORDER BY message_offset LIMIT ?",
                at[1], stands, AT_ONCE,
            )  # fmt: skip
            if not rows:
                continue
            actions = [_ACTION.decode(unpacked(row["record"])) for row in rows]
            with closing(open_admin(self._settings)) as admin:
                self._send(actions, admin.partition_counts())
                self._stands[at] = rows[-1]["message_offset"] + 1
                admin.commit(GROUP, {at: self._stands[at]})
            done += len(rows)
        return done

    def _send(self, actions: list[Action], partitions: Mapping[str, int]) -> None:
        producer = open_producer(self._settings)
        sent: list[tuple[Action, int, Effect]] = []
        for action in actions:
            for number, effect in enumerate(action.effects if action.done else ()):
                if max(effect.partition, 0) >= partitions.get(effect.topic, 0):
                    self._leave_out(action, effect, "there is no such topic or partition")
                else:
                    self._put(producer, action, number, effect)
                    sent.append((action, number, effect))
        refused = [sent[each.number] for each in producer.settle()]
        self.carried += len(sent) - len(refused)
        for each in refused:
            self._alone(producer, *each)

    def _alone(self, producer: Producer, action: Action, number: int, effect: Effect) -> None:
        """Send one by itself: a broker refuses the others of a batch with the one at fault."""
        self._put(producer, action, number, effect)
        if refused := producer.settle():
            self._leave_out(action, effect, refused[0].reason)
        else:
            self.carried += 1

    def _leave_out(self, action: Action, effect: Effect, why: str) -> None:
        self.refused += 1
        self.left_out = (
            f"action {action.action_id} ({action.kind}) did not send its message to {effect.topic!r} and "
            f"never will: {why}; mend that and act again"
        )
        _LOGGER.error("%s", self.left_out)

    def _put(self, producer: Producer, action: Action, number: int, effect: Effect) -> None:
        head = headers(
            event_id=f"{action.action_id}.{number}",
            event_type=f"fp.action.{action.kind.lower()}.v1",
            source="urn:fp:desk",
            subject=action.case_id or action.subject,
            time_us=action.at_us,
        )
        place = None if effect.partition < 0 else effect.partition
        now_us = time.time_ns() // 1000
        producer.send(effect.topic, effect.key or None, effect.value, head, now_us, partition=place)

    def _committed(self) -> dict[Partition, int]:
        with closing(open_admin(self._settings)) as admin:
            count = admin.partition_counts().get(ACTIONS, 0)
            places = [(ACTIONS, number) for number in range(count)]
            return dict.fromkeys(places, 0) | admin.committed(GROUP, places)
