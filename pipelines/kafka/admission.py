"""Why a broker does not let us in: transport, certificate, mechanism or password, told apart in one sentence.

Both clients try for 16 to 35 seconds and then say that they could not; a running one goes on trying. So this
asks the first listener that answers what they would: a TLS handshake, which versions of requests it takes,
and SASL up to the password (PLAIN and SCRAM, RFC 4616 and 5802). What it cannot judge it leaves to the
clients. That a running client is refused is overheard from what it logs, as no error of theirs says it.
"""

import base64
import hashlib
import hmac
import logging
import re
import secrets
import socket
import ssl
import struct
import time
from collections import deque
from collections.abc import Mapping
from contextlib import closing, suppress

from pipelines.kafka.port import KafkaSettings
from schemas.errors import BrokerError

#: Refused in so many seconds without a success between, a client will not be let in.
REFUSED_S = 10

#: How librdkafka, OpenSSL and kafka-python say that they are refused, as an outage never does.
_REFUSED = re.compile(
    "certificate.has.expired|certificate verify failed|could not be verified|unknown.ca|self.signed|"
    "hostname mismatch|doesn't match|not valid for|IP address mismatch|unsupported.{0,20}mechanism|"
    "mechanism.{0,40}not (supported|enabled)|IllegalSaslState|request not valid in current SASL|"
    "SaslAuthenticationFailed|SASL.{0,40}authentication|invalid credentials|invalid username",
    re.IGNORECASE,
)

#: How long a listener may take for a step.
STEP_TIMEOUT_S = 5.0

#: Kafka's numbers of requests, and its code for a mechanism that is not enabled.
METADATA, API_VERSIONS, SASL_HANDSHAKE, SASL_AUTHENTICATE = 3, 18, 17, 36
UNSUPPORTED_MECHANISM = 33

#: OpenSSL's codes of certificates (X509_V_ERR_…): expired, then issuers it does not trust (7: the name of one
#: that it trusts with another key), then other names.
EXPIRED, UNTRUSTED, OTHER_NAME = {10}, {7, 18, 19, 20, 21}, {62, 64}

SCRAM = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}

#: How plaintext Kafka looks to TLS, and TLS to who expects Kafka: an alert record.
NO_TLS = ("WRONG_VERSION_NUMBER", "UNEXPECTED_EOF", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
TLS_ALERT = 0x15


class _Refused(Exception):
    """What keeps us out, and the next step."""


class Overheard(logging.Filter):
    """Listens to what the clients of this process log; as a filter it hears also what is not shown."""

    def __init__(self) -> None:
        super().__init__()
        self._heard: deque[tuple[float, str]] = deque([(-1.0, "")], maxlen=2 * REFUSED_S)

    def filter(self, record: logging.LogRecord) -> bool:
        """Note a refusal, one a second: many clients may say it; let every message through."""
        now = time.monotonic()
        if now - self._heard[-1][0] > 0.9 and _REFUSED.search(said := record.getMessage()):
            self._heard.append((now, said))
        return True

    def since(self, at_s: float) -> list[str]:
        """Return the refusals since a time (monotonic seconds), one a second, in the clients' words."""
        return [said for heard_at, said in list(self._heard) if heard_at >= at_s]


OVERHEARD = Overheard()


class Admission:
    """Whether a client that keeps trying is still let in; a secret changed meanwhile gets a second chance."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._since = time.monotonic()
        self._renewed = False

    def granted(self) -> None:
        """Note that the brokers served the client."""
        self._since, self._renewed = time.monotonic(), False

    def renew(self) -> bool:
        """Tell whether to open the client anew, as the brokers take its secrets as they are now.

        Raises:
            BrokerError: they will not let it in, with the reason.

        """
        refused = OVERHEARD.since(self._since)
        if len(refused) < REFUSED_S:
            return False
        if (reason := kept_out(self._settings)) or self._renewed:
            raise BrokerError(reason or f"{self._settings.brokers} does not let us in: {refused[-1]}")
        self._since, self._renewed = time.monotonic(), True
        return True


def kept_out(settings: KafkaSettings) -> str | None:
    """Return in one sentence why the brokers will not let us in; None if they will or it cannot be told."""
    security = settings.client_security()
    for address in settings.brokers.split(","):
        host, _, port = address.rpartition(":")
        try:
            with closing(socket.create_connection((host, int(port)), STEP_TIMEOUT_S)) as connection:
                _enter(connection, host, security)
                return None
        except _Refused as refused:
            return f"{address} does not let us in: {refused}"
        except OSError:
            continue
        except (struct.error, ValueError, IndexError, KeyError):
            return None  # what answers speaks something else; the clients will say what
    return None


def _enter(connection: socket.socket, host: str, security: Mapping[str, str]) -> None:
    protocol = security.get("security.protocol", "PLAINTEXT").upper()
    if protocol not in {"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}:
        return
    if "SASL" not in protocol and "sasl.password" in security:
        raise _Refused(
            f"a password is given and security.protocol={protocol} does not use it; set SASL_SSL "
            "(or SASL_PLAINTEXT)"
        )
    if protocol.endswith("SSL"):
        connection = _tls(connection, host, security)
    answered = _ask(connection, API_VERSIONS, b"")
    if answered is None:
        if protocol.endswith("PLAINTEXT"):
            raise _Refused(
                f"it closed the connection at the first plain request, as one does that speaks TLS; set "
                f"security.protocol={protocol.replace('PLAINTEXT', 'SSL')} with ssl.ca.location"
            )
        raise _Refused(
            "it ended the TLS connection, as one does that asks for a client certificate; set "
            "ssl.certificate.location and ssl.key.location"
        )
    if "SASL" in protocol:
        _sasl(connection, security)
    elif _asks_for_password(connection, answered):
        raise _Refused(
            f"it answers nobody without a password; set security.protocol=SASL_{protocol} with "
            "sasl.mechanism, sasl.username and sasl.password"
        )


def _asks_for_password(connection: socket.socket, versions: bytes) -> bool:
    """Tell whether a listener that told its versions ends the connection when asked for no topic."""
    (count,) = struct.unpack(">i", versions[2:6])
    known = dict((each[0], each[1:]) for each in struct.iter_unpack(">hhh", versions[6 : 6 + 6 * count]))
    least, most = known[METADATA]
    version = max(least, 1)  # up to 3 the request is a list of topics, in 0 an empty list means all
    return version <= min(most, 3) and _ask(connection, METADATA, bytes(4), version=version) is None


def _tls(connection: socket.socket, host: str, security: Mapping[str, str]) -> socket.socket:
    try:
        context = ssl.create_default_context(cafile=security.get("ssl.ca.location"))
        if security.get("ssl.endpoint.identification.algorithm", "https") != "https":
            context.check_hostname = False
        if certificate := security.get("ssl.certificate.location"):
            key, password = security.get("ssl.key.location"), security.get("ssl.key.password")
            context.load_cert_chain(certificate, key, password or "")
    except ssl.SSLError as error:
        raise _Refused(f"the certificate files cannot be used: {error.reason}; give PEM files") from error
    except OSError as error:
        places = ", ".join(value for key, value in security.items() if key.endswith(".location"))
        raise _Refused(f"a certificate file cannot be read ({error.strerror}): {places}") from error
    try:
        return context.wrap_socket(connection, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise _Refused(_certificate(error, security)) from error
    except ssl.SSLError as error:
        if any(word in str(error) for word in NO_TLS):
            raise _Refused(_no_tls(security)) from error
        raise _Refused(f"the TLS handshake failed: {error.reason or error}") from error
    except (ConnectionError, TimeoutError) as error:
        raise _Refused(_no_tls(security)) from error


def _no_tls(security: Mapping[str, str]) -> str:
    plain = security["security.protocol"].upper().replace("SSL", "PLAINTEXT")
    return f"it does not speak TLS; give its TLS port, or set security.protocol={plain}"


def _certificate(error: ssl.SSLCertVerificationError, security: Mapping[str, str]) -> str:
    if error.verify_code in EXPIRED:
        return "its certificate has expired; renew it on the broker"
    if error.verify_code in UNTRUSTED:
        given = security.get("ssl.ca.location", "the system's")
        return f"no authority of ssl.ca.location ({given}) has signed its certificate; give its CA's file"
    if error.verify_code in OTHER_NAME:
        return f"its certificate is for another name: {error.verify_message}; give the name it is for"
    return f"its certificate is refused: {error.verify_message}"


def _sasl(connection: socket.socket, security: Mapping[str, str]) -> None:
    mechanism = security.get("sasl.mechanism", "PLAIN").upper()
    answer = _ask(connection, SASL_HANDSHAKE, _text(mechanism), version=1)
    if answer is None:
        raise _Refused("it ended the connection when asked for SASL; set security.protocol=PLAINTEXT or SSL")
    (code, count), rest, enabled = struct.unpack(">hi", answer[:6]), answer[6:], []
    for _ in range(count):
        (length,) = struct.unpack(">h", rest[:2])
        enabled.append(rest[2 : 2 + length].decode())
        rest = rest[2 + length :]
    if code == UNSUPPORTED_MECHANISM and enabled and mechanism not in enabled:
        raise _Refused(f"it takes no sasl.mechanism={mechanism}; set one of {', '.join(enabled)}")
    if code:
        raise _Refused("it asks for no password there; set security.protocol=PLAINTEXT or SSL")
    user, password = security.get("sasl.username", ""), security.get("sasl.password", "")
    if mechanism == "PLAIN":
        _prove(connection, f"\0{user}\0{password}".encode(), user)
    elif mechanism in SCRAM:
        _scram(connection, SCRAM[mechanism], user, password)


def _scram(connection: socket.socket, digest: str, user: str, password: str) -> None:
    nonce = base64.b64encode(secrets.token_bytes(18)).decode()
    first = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={nonce}"
    server = _prove(connection, f"n,,{first}".encode(), user).decode()
    parts = dict(part.split("=", 1) for part in server.split(","))
    salt, rounds = base64.b64decode(parts["s"]), int(parts["i"])
    salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, rounds)
    key = hmac.digest(salted, b"Client Key", digest)
    last = f"c=biws,r={parts['r']}"
    signed = hmac.digest(hashlib.new(digest, key).digest(), f"{first},{server},{last}".encode(), digest)
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signed, strict=True))).decode()
    _prove(connection, f"{last},p={proof}".encode(), user)


def _prove(connection: socket.socket, words: bytes, user: str) -> bytes:
    """Send words of a mechanism; returns the broker's."""
    answer = _ask(connection, SASL_AUTHENTICATE, struct.pack(">i", len(words)) + words)
    if answer is None or struct.unpack(">h", answer[:2])[0]:
        raise _Refused(f"user {user!r} or its password is wrong; check sasl.username and sasl.password")
    (said,) = struct.unpack(">h", answer[2:4])
    at = 4 + max(said, 0)
    (length,) = struct.unpack(">i", answer[at : at + 4])
    return answer[at + 4 : at + 4 + length]


def _ask(connection: socket.socket, api: int, body: bytes, *, version: int = 0) -> bytes | None:
    """Return the answer to a request without its header; None if the connection was ended instead."""
    message = struct.pack(">hhi", api, version, 1) + _text("stopline") + body
    try:
        connection.sendall(struct.pack(">i", len(message)) + message)
        head = _exactly(connection, 4)
        if not head or head[0] == TLS_ALERT:
            return None
        (length,) = struct.unpack(">i", head)
        return _exactly(connection, length)[4:] if 0 < length < 1 << 20 else None
    except (ConnectionError, ssl.SSLError):
        return None


def _exactly(connection: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        with suppress(ssl.SSLEOFError):
            if more := connection.recv(length - len(found)):
                found += more
                continue
        return b""
    return found


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()
