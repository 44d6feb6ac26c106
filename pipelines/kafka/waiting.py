"""How long a client lets a broker wait for messages before it answers that there are none."""

from contextlib import closing

from pipelines.kafka.port import FETCH_WAIT_MS, KafkaSettings, open_admin
from pipelines.process import PROCESS
from schemas.errors import BrokerError

#: Cluster id of the embedded broker, which repeats `message.timestamp.type` and ignores it.
EMBEDDED = "tansu_cluster"

#: With brokers that answer as soon as messages come. Each partition has a client that asks.
PATIENT_MS = 1_000


def fetch_wait_ms(settings: KafkaSettings) -> int:
    """Return the wait for these brokers; they are asked once a process which kind they are."""
    return PROCESS.shared("fetch wait", settings, lambda: _asked(settings))


def _asked(settings: KafkaSettings) -> int:
    try:
        with closing(open_admin(settings)) as admin:
            return FETCH_WAIT_MS if admin.cluster_id() == EMBEDDED else PATIENT_MS
    except BrokerError:
        return FETCH_WAIT_MS
