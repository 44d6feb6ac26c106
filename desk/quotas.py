"""How often each person may look somebody up at the desk: who asks for what is not there runs out soon.

As everywhere in the registry (`measures/registry/quota.py`); kept in this process, full again when it begins.
"""

import threading

from measures.registry import quota

#: A person of the desk asks for an institution.
POLICY = quota.FIRM


class Quotas:
    """The quota of each person, by id."""

    def __init__(self, policy: quota.Policy = POLICY) -> None:
        self._policy = policy
        self._lock = threading.Lock()
        self._of: dict[str, quota.Bucket] = {}

    def asked(self, person: str, at_us: int, *, known: bool) -> int:
        """Count a look-up; returns 0 if it is answered, else when one is again, microseconds UTC."""
        with self._lock:
            now, allowed = quota.asked(self._of.get(person), self._policy, at_us, known=known)
            self._of[person] = now
        return 0 if allowed else quota.again_us(now, self._policy)
