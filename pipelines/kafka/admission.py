"""Why a broker does not let us in: overheard from what the clients log, as no error of theirs says it."""

import logging
import re
import socket
import ssl
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from pipelines.kafka.port import KafkaSettings

#: Refused so often without a success between, a client will not be let in: ten tries take some ten seconds.
TRIES = 10


class Refusal(NamedTuple):
    """What keeps us out, with the next step; `certain` if an outage never says that."""

    meaning: str
    certain: bool


#: How librdkafka, OpenSSL and kafka-python say it, and what that means; the first that fits counts.
_SAID: Sequence[tuple[re.Pattern[str], Refusal]] = tuple(
    (re.compile(pattern, re.IGNORECASE), Refusal(meaning, certain))
    for pattern, certain, meaning in (
        (
            "certificate has expired|certificate_expired",
            True,
            "a certificate has expired; renew the broker's (or ours, ssl.certificate.location)",
        ),
        (
            "hostname mismatch|doesn't match|not valid for|IP address mismatch",
            True,
            "the broker's certificate is for another host; name the broker as its certificate does",
        ),
        (
            "certificate verify failed|could not be verified|unknown.ca|self.signed",
            True,
            "the broker's certificate is not from the authority in ssl.ca.location; name the right one",
        ),
        (
            "UnsupportedSaslMechanism|unsupported.{0,20}mechanism|mechanism.{0,40}not (supported|enabled)",
            True,
            "the listener does not know this sasl.mechanism; use one that it has",
        ),
        (
            "IllegalSaslState|request not valid in current SASL",
            True,
            "the listener asks for no password; use its SASL port or another security.protocol",
        ),
        (
            "SaslAuthenticationFailed|SASL.{0,40}authentication|invalid credentials|invalid username",
            True,
            "wrong user or password; check sasl.username and sasl.password",
        ),
        (
            "wrong.version.number|packet length too long|record layer failure|SSL handshake failed|"
            "UNEXPECTED_EOF|connecting to a PLAINTEXT",
            False,
            "we speak TLS and the listener does not; use its TLS port or another security.protocol",
        ),
        (
            "Invalid frame length|invalid response size|APIVERSION_QUERY|socket disconnected|closed by peer",
            False,
            "the listener ends the connection; it may expect TLS or a password: check security.protocol",
        ),
        ("Connection refused|Connect to .{0,80} failed|Errno 111", False, ""),
    )
)


def refusal(said: str) -> Refusal | None:
    """Return what a client's words mean: what keeps us out, no meaning if nobody listens, else None.

    >>> refusal("SASL authentication error: Authentication failed: Invalid username or password").meaning
    'wrong user or password; check sasl.username and sasl.password'
    >>> refusal("Connect to ipv4#127.0.0.1:9092 failed: Connection refused").meaning
    ''
    >>> refusal("Topic payments is unknown")
    """
    return next((meant for pattern, meant in _SAID if pattern.search(said)), None)


class Overheard(logging.Filter):
    """Listens to what the clients of this process log; as a filter it hears also what is not shown."""

    def __init__(self) -> None:
        super().__init__()
        self._heard: deque[tuple[float, Refusal]] = deque(maxlen=256)

    def filter(self, record: logging.LogRecord) -> bool:
        """Note a refusal; let every message through."""
        if (meant := refusal(record.getMessage())) is not None:
            self._heard.append((time.monotonic(), meant))
        return True

    def since(self, at_s: float) -> list[Refusal]:
        """Return the refusals since a time (monotonic seconds)."""
        return [meant for heard_at, meant in list(self._heard) if heard_at >= at_s]

    def reason(self, at_s: float) -> str | None:
        """Return what has kept us out since then, the surest of it; None if nothing, or nobody listens."""
        heard = self.since(at_s)
        surest = min(heard, key=[meant for _, meant in _SAID].index, default=None)
        if surest is None or not (surest.certain or heard[-1].meaning):
            return None
        return surest.meaning

    def final(self, at_s: float) -> str | None:
        """Return what keeps us out for good, if it was certain `TRIES` times since then."""
        certain = [meant for meant in self.since(at_s) if meant.certain]
        return certain[-1].meaning if len(certain) >= TRIES else None


OVERHEARD = Overheard()


def kept_out(settings: KafkaSettings, since_s: float) -> str | None:
    """Return why the brokers have not let us in since then; None if nothing says that."""
    reason = OVERHEARD.reason(since_s)
    return (_certificate(settings) or reason) if reason and "certificate" in reason else reason


def _certificate(settings: KafkaSettings) -> str | None:
    """Ask the broker for its certificate and say what is wrong with it; librdkafka tells no kinds apart."""
    host, _, port = settings.brokers.split(",")[0].rpartition(":")
    context = ssl.create_default_context(cafile=settings.security.get("ssl.ca.location"))
    try:
        with socket.create_connection((host, int(port)), 5) as plain:
            context.wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        return meant.meaning if (meant := refusal(str(error))) else None
    except OSError:
        return None
    return None
