"""A broker's first words, with certificates and passwords of the test's own."""

import base64
import hashlib
import hmac
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipelines.kafka.admission import API_VERSIONS, SASL_HANDSHAKE

USER, PASSWORD, SALT, ROUNDS = "job", "right", b"0123456789abcdef", 4096
Talk = Callable[[socket.socket], None]


class Authority:
    """A certificate authority of the test, and what it signs."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = self._write(f"{name}.pem", self._signed(self.name, self.key, -1, 1))

    def context(self, *, host: str = "127.0.0.1", until: int = 1) -> ssl.SSLContext:
        """A broker's side of TLS, its certificate good until so many days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
        chain = self._write("broker.pem", self._signed(subject, key, -2, until, host), key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, since: int, until: int, host: str = ""
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=since))
            .not_valid_after(now + timedelta(days=until))
            .add_extension(x509.BasicConstraints(ca=not host, path_length=None), critical=True)
        )
        if host:
            names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def _write(
        self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey | None = None
    ) -> str:
        pem = serialization.Encoding.PEM
        content = certificate.public_bytes(pem)
        if key is not None:
            plain = serialization.NoEncryption()
            content += key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
        (self.folder / name).write_bytes(content)
        return str(self.folder / name)


def kafka(mechanism: str = "") -> Talk:
    """A broker's first answers; with a mechanism it asks for `PASSWORD`."""

    def talk(connection: socket.socket) -> None:
        proved: list[bytes] = []
        while True:
            api, body = _request(connection)
            if api == API_VERSIONS:
                _answer(connection, struct.pack(">hi", 0, 0))
            elif api == SASL_HANDSHAKE:
                name = mechanism.encode()
                code = 0 if body[2:] == name else 33
                _answer(connection, struct.pack(">hih", code, 1, len(name)) + name)
            else:
                proved.append(body[4:])
                good, words = (_plain if mechanism == "PLAIN" else _scram)(proved)
                _answer(connection, struct.pack(">hhi", 0 if good else 58, -1, len(words)) + words)

    return talk


@contextmanager
def listening(talk: Talk, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of a broker that talks so."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection = server.accept()[0]
            except OSError:
                return
            with suppress(OSError, struct.error, IndexError), connection:
                talk(context.wrap_socket(connection, server_side=True) if context else connection)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.close()


def _request(connection: socket.socket) -> tuple[int, bytes]:
    """Return the number and body of the next request."""
    (length,) = struct.unpack(">i", _exactly(connection, 4))
    message = _exactly(connection, length)
    (client,) = struct.unpack(">h", message[8:10])
    return struct.unpack(">h", message[:2])[0], message[10 + client :]


def _exactly(connection: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        if not (more := connection.recv(min(length - len(found), 1 << 16))):
            raise ConnectionError
        found += more
    return found


def _answer(connection: socket.socket, body: bytes) -> None:
    connection.sendall(struct.pack(">ii", len(body) + 4, 1) + body)


def _plain(proved: list[bytes]) -> tuple[bool, bytes]:
    return proved[-1] == f"\0{USER}\0{PASSWORD}".encode(), b""


def _scram(proved: list[bytes]) -> tuple[bool, bytes]:
    first = proved[0].decode().removeprefix("n,,")
    nonce = first.split("r=")[1] + "server"
    server = f"r={nonce},s={base64.b64encode(SALT).decode()},i={ROUNDS}"
    if len(proved) == 1:
        return True, server.encode()
    last, proof = proved[1].decode().split(",p=")
    salted = hashlib.pbkdf2_hmac("sha512", PASSWORD.encode(), SALT, ROUNDS)
    key = hmac.digest(salted, b"Client Key", "sha512")
    signed = hmac.digest(hashlib.sha512(key).digest(), f"{first},{server},{last}".encode(), "sha512")
    wanted = bytes(a ^ b for a, b in zip(key, signed, strict=True))
    return base64.b64decode(proof) == wanted, b"v=x"
