"""Records that no broker takes: a line each in a file, so that none is lost and none comes back for ever."""

import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from pipelines.process import PROCESS
from pipelines.telemetry import TELEMETRY

_LOGGER = logging.getLogger(__name__)


def park(file: str, record: Mapping[str, Any], reason: str) -> None:
    """Append an `OutRecord`'s fields to `file`, for this user's eyes only; counted as `parked`, and logged.

    A bundle that is retried parks it again, under the same `ce_id`.
    """
    line = msgspec.json.encode({**record, "reason": reason}) + b"\n"
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (
        PROCESS.shared("parking", file, threading.Lock),
        os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "wb") as out,
    ):
        out.write(line)
    TELEMETRY.count("parked", 1)
    _LOGGER.error("a record of topic %s was put into %s: %s", record["topic"], path, reason)
