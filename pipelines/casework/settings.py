"""What the casework job needs to know."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from measures.aggregate import Office
from measures.authority.keys import KeyEntry
from pipelines.casework.past import Past, past
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.reading.bounds import Bound
from pipelines.received import wall_clock_us


@dataclass(frozen=True)
class CaseworkSettings:
    """What the job needs to know.

    Attributes:
        kafka: brokers and group.
        office: country files and guard, by value: workers need no folder.
        keys: public keys of the authorities, as they stand when the job is built.
        states: what the topics of states held when the job was built; empty to start afresh.
        clock: microseconds UTC that a timer is checked against, besides the newest message.
        ticks: keep all states in this process's memory and wake them by messages instead of Beam's timers;
            for the in-process runner.
        append_time: topics whose record times are the broker's.
        keys_file: where the keys are read again when the file is replaced; None: never.
        token_keys: file of secrets, the producers': numbers that reports name in clear get their token with
            the newest.
        in_flight: folder where the job's processes note what they work on; "" for nowhere.

    """

    kafka: KafkaSettings
    office: Office
    keys: tuple[KeyEntry, ...] = ()
    states: tuple[Bound, ...] = ()
    clock: Callable[[], int] = wall_clock_us
    ticks: bool = False
    append_time: frozenset[str] = frozenset()
    keys_file: Path | None = None
    token_keys: str = ""
    in_flight: str = ""

    def past(self) -> Past:
        """Read what the topics of states say."""
        return past(self.kafka, self.states)
