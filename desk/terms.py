"""How long a person may take: the institution's own service times."""

from pipelines.policy import OUTCOMES
from schemas.units import MINUTE_US

#: A person looks at an alert within so many minutes, by outcome; ours, no law's.
SERVICE_MINUTES = {"APPROVE": 240, "WARN": 120, "DELAY": 60, "HOLD": 30, "STOP": 15}

#: The same in microseconds by the outcome's place in `OUTCOMES`.
SERVICE_US = [SERVICE_MINUTES[outcome] * MINUTE_US for outcome in OUTCOMES]
