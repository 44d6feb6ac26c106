"""What a broker will never take, told from outages by code, alike for both clients."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

Why = Literal["TOO_LARGE", "TIME", "RECORD"]

#: Kafka's protocol error codes that say a record will never be taken as it is:
#: MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE, INVALID_TIMESTAMP, INVALID_RECORD. A broker answers for a whole
#: batch: the others in it are refused with the one at fault.
FINAL: Mapping[int, Why] = {10: "TOO_LARGE", 18: "TOO_LARGE", 32: "TIME", 87: "RECORD"}

#: UNKNOWN_TOPIC_OR_PARTITION and what librdkafka and kafka-python make of it.
NO_TOPIC = frozenset({3, -188, -190, 100})

#: A leader or a group's coordinator is being chosen, as when a topic or group is new: LEADER_NOT_AVAILABLE,
#: NOT_LEADER_OR_FOLLOWER, three of the coordinator, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH.
CHOOSING = frozenset({5, 6, 14, 15, 16, 74, 75})

#: TOPIC_AUTHORIZATION_FAILED, CLUSTER_AUTHORIZATION_FAILED.
NO_RIGHT = frozenset({29, 31})

#: UNSUPPORTED_SASL_MECHANISM, ILLEGAL_SASL_STATE, SASL_AUTHENTICATION_FAILED.
SASL = frozenset({33, 34, 58})


def of_connection(code: int | None) -> bool:
    """Tell whether a code speaks of the connection: librdkafka's own are negative, kafka-python's none."""
    return code is None or code < 0 or code in SASL


class Refused(NamedTuple):
    """A record that the broker will never take as it is.

    Attributes:
        number: which of the producer's sends since it last settled, from 0.
        topic: where it was to go.
        why: what is wrong with it, or with another record of its batch.
        reason: the client's words.

    """

    number: int
    topic: str
    why: Why
    reason: str


def lost_text(lost: Mapping[str, int], unknown: int, reason: str) -> str:
    """Say which deliveries were not confirmed.

    >>> lost_text({"alerts": 2}, 0, "broker down")
    'unconfirmed records: 2 to alerts (broker down); the bundle must be retried'
    """
    parts = [f"{count} to {topic}" for topic, count in sorted(lost.items())]
    parts += [f"{unknown} never answered"] if unknown else []
    return f"unconfirmed records: {', '.join(parts)} ({reason or 'no answer'}); the bundle must be retried"


def refused_text(refused: Sequence[Refused]) -> str:
    """Say which records a broker will never take.

    >>> refused_text([Refused(0, "alerts", "TIME", "Broker: Invalid timestamp")])
    'refused for good: 1 to alerts (Broker: Invalid timestamp); sending them again would not help'
    """
    counts: dict[str, int] = {}
    for each in refused:
        counts[each.topic] = counts.get(each.topic, 0) + 1
    parts = ", ".join(f"{count} to {topic}" for topic, count in sorted(counts.items()))
    return f"refused for good: {parts} ({refused[-1].reason}); sending them again would not help"


def reason_of(code: int, topic: str, said: str) -> str:
    """Return why a record was not delivered, with the next step where there is one.

    >>> reason_of(3, "alerts", "Broker: Unknown topic or partition")
    "topic 'alerts' does not exist any more; create it and start the job again"
    """
    if code in NO_TOPIC:
        return f"topic {topic!r} does not exist any more; create it and start the job again"
    if code in NO_RIGHT:
        return f"this user may not write to topic {topic!r}; grant WRITE on it"
    return said
