"""What a command logs, on stderr: time, level, place and sentence, for people or as JSON."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

LogFormat = Literal["line", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

#: Libraries that warn users of what is none of their business; their errors are shown.
CHATTY = ("apache_beam", "kafka", "google")


def setup(form: LogFormat = "line", level: LogLevel = "warning") -> None:
    """Log from `level` on; again replaces what was set before."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Json() if form == "json" else Line())
    handler.addFilter(ours)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def ours(record: logging.LogRecord) -> bool:
    """Tell whether a record is worth a user's time: all but what chatty libraries say below an error."""
    return record.levelno >= logging.ERROR or not any(f"/{name}/" in record.pathname for name in CHATTY)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class Line(logging.Formatter):
    """`2026-11-30T08:00:00.000+00:00 WARNING pipelines.hot.serving: live model …`."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Return when a record was made, in UTC."""
        return _time(record)

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")


class Json(logging.Formatter):
    """One object a line: time, level, logger, message, and the traceback of an error."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as JSON."""
        fields = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)
