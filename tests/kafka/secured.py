"""Apache Kafka with listeners that ask for a password or speak TLS, one with an expired certificate."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipelines.kafka.local.apache import ApacheKafka
from pipelines.kafka.local.brokers import free_port

SASL_USER, SASL_PASSWORD = "stopline", "not-a-secret"
LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


class Authority:
    """A certificate authority of this test run."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a test")])
        self.certificate = self._signed(self._name, self._key, days=3, authority=True)

    def issue(self, days: int) -> tuple[str, str]:
        """Return certificate and key, PEM, for loopback; `days` below 0 have passed."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self._signed(name, key, days), private.decode()

    def _signed(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, days: int, authority: bool = False
    ) -> str:
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=30))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        return made.public_bytes(serialization.Encoding.PEM).decode()


class SecuredKafka(ApacheKafka):
    """Listeners beside the plain one: `sasl_address`, `tls_address` and, expired, `expired_address`."""

    def __init__(
        self, home: Path | None = None, password: str = SASL_PASSWORD, ports: Sequence[int] = ()
    ) -> None:
        port, *others = ports or [free_port() for _ in range(4)]
        self.sasl_address, self.tls_address, self.expired_address = (f"127.0.0.1:{each}" for each in others)
        self.authority = Authority()
        protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,EXPIRED:SSL"
        properties = {
            "listener.security.protocol.map": protocols,
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl.plain.sasl.jaas.config": f'{LOGIN} user_{SASL_USER}="{password}";',
        }
        for name, days in (("tls", 2), ("expired", -2)):
            certificate, key = self.authority.issue(days)
            properties |= {
                f"listener.name.{name}.ssl.keystore.type": "PEM",
                f"listener.name.{name}.ssl.keystore.certificate.chain": _line(certificate),
                f"listener.name.{name}.ssl.keystore.key": _line(key),
            }
        super().__init__(port, home, properties)

    def _server_properties(self) -> dict[str, str]:
        properties = super()._server_properties()
        properties["listeners"] += (
            f",SASL://{self.sasl_address},TLS://{self.tls_address},EXPIRED://{self.expired_address}"
        )
        return properties


def _line(pem: str) -> str:
    return pem.replace("\n", "\\n")
