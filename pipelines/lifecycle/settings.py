"""What the lifecycle job needs to know, and the clocks its timers are checked against."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from measures.authority.keys import KeyEntry
from measures.law.country_file import SHIPPED, Laws
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.reading.bounds import Bound
from pipelines.lifecycle.journal import Past, past
from pipelines.received import wall_clock_us


@dataclass(frozen=True)
class LifecycleSettings:
    """What the job needs to know.

    Attributes:
        kafka: brokers and group.
        laws: country files, by value: workers need no folder.
        keys: public keys of the authorities, as they stand when the job is built.
        journal: what topic `measures` held when the job was built (`journal_bounds`); empty to start afresh.
        clock: microseconds UTC that a timer is checked against, besides the newest message.
        ticks: wake accounts by messages instead of Beam's timers; for the in-process runner.
        append_time: topics whose record times are the broker's (`preflight.append_time`), to be believed
            however long ago; elsewhere the sender sets them.
        keys_file: where the keys are read again when the file is replaced, on every worker; None: never.
        in_flight: folder where the job's processes note what they work on; "" for nowhere.

    """

    kafka: KafkaSettings
    keys: tuple[KeyEntry, ...]
    laws: Laws = SHIPPED
    journal: tuple[Bound, ...] = ()
    clock: Callable[[], int] = wall_clock_us
    ticks: bool = False
    append_time: frozenset[str] = frozenset()
    keys_file: Path | None = None
    in_flight: str = ""

    def past(self) -> Past:
        """Read what the journal says."""
        return past(self.kafka, self.journal)
