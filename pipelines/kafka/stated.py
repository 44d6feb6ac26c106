"""Where the brokers are, as somebody states it on a command line."""

import re
from collections.abc import Sequence
from pathlib import Path

from pipelines.kafka.port import ClientName, KafkaSettings
from pipelines.kafka.seal import read_seal
from pipelines.kafka.security import of_words
from schemas.errors import ConfigError

_ADDRESS = re.compile(r"\S+:[0-9]{1,5}")


def stated(
    brokers: str, security: Sequence[str] = (), *, group: str = "stopline", client: ClientName = "auto",
    security_file: str = "", seal_key: str = "",
) -> KafkaSettings:  # fmt: skip
    """Return the settings of brokers at host:port[,host:port]; `security` are pairs KEY=VALUE.

    Raises:
        ConfigError: one of them cannot be used; says which and how to mend it.

    """
    for address in filter(None, brokers.split(",")):
        if not _ADDRESS.fullmatch(address):
            raise ConfigError(f"--kafka_brokers takes host:port[,host:port], got {address!r}")
    settings = KafkaSettings(
        brokers, group, client, of_words(security),
        security_file=str(Path(security_file).absolute()) if security_file else "",
        seal_key=str(Path(seal_key).absolute()) if seal_key else "",
    )  # fmt: skip
    settings.client_security()
    read_seal(settings.seal_key)
    return settings
