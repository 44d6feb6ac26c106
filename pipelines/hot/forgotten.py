"""An alarm where a ledger is full and forgets: many new tokens at once, or a bound too small for a bank."""

from collections.abc import Iterator

from pipelines.hot.records import alarm_record
from pipelines.kafka.sink import OutRecord
from pipelines.policy import Policy
from pipelines.state.store import Store
from schemas.alarm import Alarm
from schemas.ids import derived_id
from schemas.units import HOUR_US


class Forgotten:
    """Tells people what the ledgers of a stage forgot, once a clock hour of event time for each shard."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._told: dict[tuple[str, int], int] = {}

    def alarms(self, store: Store) -> Iterator[OutRecord]:
        """Take what was forgotten since it was last asked for; yield the alarms that are due."""
        for ledger, shard, rows, at_us in store.forgotten():
            if self._told.get((ledger, shard), -1) >= (hour := at_us // HOUR_US):
                continue
            self._told[ledger, shard] = hour
            yield alarm_record(
                Alarm(
                    alarm_id=derived_id("alarm", "LEDGER_FULL", ledger, shard, hour, self._policy.stamp),
                    kind="LEDGER_FULL",
                    jurisdiction=self._policy.law.id,
                    shard=shard,
                    at_us=at_us,
                    policy=self._policy.stamp,
                    ledger=ledger,
                    forgotten=rows,
                    rows_max=self._policy.memory.rows,
                )
            )
