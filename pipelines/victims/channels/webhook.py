"""HTTPS webhook: a signed POST a try (HMAC-SHA-256 over time and body), with the try's key.

The receiver compares the signature and refuses what is over five minutes old (`verify` does both), and
takes an `Idempotency-Key` once: that is why a try in doubt is posted again.
"""

import hmac
import time
from urllib.parse import urlsplit

import msgspec
import requests

from pipelines.victims.channels.port import Receipt, Result
from schemas.contact import Attempt
from schemas.errors import ConfigError
from schemas.strict_text import is_number

TIMESTAMP, SIGNATURE, KEY = "X-Stopline-Timestamp", "X-Stopline-Signature", "Idempotency-Key"

#: A receiver refuses a signature older or newer than this.
WINDOW_S = 300

#: Seconds to connect, and to answer.
TIMEOUT_S = (2.0, 5.0)

#: Statuses after which the same post may be taken later; other 4xx and 3xx stay as they are.
TRANSIENT = frozenset({408, 409, 425, 429})

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def sign(secret: bytes, body: bytes, at_s: int) -> str:
    """Return the signature of a body sent at `at_s`, seconds UTC.

    >>> sign(b"secret", b"{}", 1700000000) == sign(b"secret", b"{}", 1700000001)
    False
    """
    return "v1=" + hmac.new(secret, b"%d." % at_s + body, "sha256").hexdigest()


def verify(secrets: "tuple[bytes, ...]", body: bytes, timestamp: str, signature: str, now_s: float) -> str:
    """Say what is wrong with a post; "" if nothing is. Several secrets while one is being replaced."""
    if not is_number(timestamp):
        return "no timestamp"
    if abs(now_s - int(timestamp)) > WINDOW_S:
        return "outside the window of five minutes"
    wanted = (sign(secret, body, int(timestamp)) for secret in secrets)
    return "" if any([hmac.compare_digest(each, signature) for each in wanted]) else "another signature"


class Webhook:
    """A far side that takes posts."""

    recognises_keys = True

    def __init__(self, url: str, secret: bytes) -> None:
        where = urlsplit(url)
        if where.scheme != "https" and not (where.scheme == "http" and where.hostname in _LOOPBACK):
            raise ConfigError(f"webhook {url!r} is not https; only this machine is posted to by http")
        self._url, self._secret = url, secret
        self._session = requests.Session()

    def hand(self, attempt: Attempt) -> Result:
        """Post one try."""
        body = msgspec.json.encode(attempt)
        at_s = int(time.time())
        headers = {
            "Content-Type": "application/json",
            KEY: attempt.key,
            TIMESTAMP: str(at_s),
            SIGNATURE: sign(self._secret, body, at_s),
        }
        try:
            answer = self._session.post(
                self._url, data=body, headers=headers, timeout=TIMEOUT_S, allow_redirects=False
            )
        except requests.ConnectTimeout:
            return Result("RETRY", "no connection")
        except requests.Timeout:
            return Result("UNCERTAIN", "no answer in time")
        except requests.RequestException as error:
            return Result("UNCERTAIN", type(error).__name__)
        status = answer.status_code
        if status < 300:
            return Result("SENT")
        transient = status >= 500 or status in TRANSIENT
        return Result("RETRY" if transient else "FAILED", f"HTTP {status}")

    def receipts(self) -> list[Receipt]:
        """Return nothing: a webhook's side writes to `warning_outcomes` itself."""
        return []

    def close(self) -> None:
        """Close the connections."""
        self._session.close()
