"""How a client proves who it is: keys of librdkafka, and secrets that are read where they are used.

Settings travel: into options that logs print, into functions that checkpoints hold, onto command lines that
every user of a machine sees. So they name a secret's place and never hold it; whoever opens a client reads it
there, each time anew, so that a rotated one counts from the next connection on. Places, the later before the
earlier:

    STOPLINE_KAFKA_SASL_PASSWORD=…         an environment variable of the worker, one for each key
    --kafka_security @FILE                 lines KEY=VALUE, as in Kafka's client.properties;
                                           of jobs also --kafka_security_file FILE
    --kafka_security sasl.password=@FILE   the whole content of a file
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from schemas.errors import ConfigError, cause

#: librdkafka security keys we accept, and what kafka-python calls them.
SECURITY_KEYS: Mapping[str, str] = {
    "security.protocol": "security_protocol",
    "sasl.mechanism": "sasl_mechanism",
    "sasl.username": "sasl_plain_username",
    "sasl.password": "sasl_plain_password",
    "sasl.kerberos.service.name": "sasl_kerberos_service_name",
    "ssl.ca.location": "ssl_cafile",
    "ssl.certificate.location": "ssl_certfile",
    "ssl.key.location": "ssl_keyfile",
    "ssl.key.password": "ssl_password",
    "ssl.crl.location": "ssl_crlfile",
    "ssl.endpoint.identification.algorithm": "ssl_check_hostname",
}

#: What must not stand on a command line.
SECRETS = ("sasl.password", "ssl.key.password")

#: Names the file of keys among the pairs of a command line.
FILE = "@"


def variable(key: str) -> str:
    """Return the environment variable that may hold a key.

    >>> variable("sasl.password")
    'STOPLINE_KAFKA_SASL_PASSWORD'
    """
    return f"STOPLINE_KAFKA_{key.upper().replace('.', '_')}"


def of_words(texts: Iterable[str]) -> dict[str, str]:
    """Read KEY=VALUE or @FILE words; places become absolute, as workers run in other folders.

    Raises:
        ConfigError: a word is something else, or holds a secret itself.

    """
    pairs = {}
    for text in texts:
        if text.startswith(FILE):
            pairs[FILE] = str(Path(text[1:]).absolute())
            continue
        key, separator, value = text.partition("=")
        if not separator:
            raise ConfigError(f"--kafka_security takes KEY=VALUE or @FILE, got {text!r}")
        if key in SECRETS and not value.startswith("@"):
            raise ConfigError(
                f"--kafka_security {key}=… on a command line is seen by every user of the machine; write it "
                f"to a file that only you can read and give {key}=@FILE, or set {variable(key)}"
            )
        if value.startswith("@"):
            value = f"@{Path(value[1:]).absolute()}"
        elif key.endswith(".location"):
            value = str(Path(value).absolute())
        pairs[key] = value
    require_known(pairs.keys() - {FILE})
    return pairs


def require_known(keys: Iterable[str]) -> None:
    """Refuse a key that no client takes.

    Raises:
        ConfigError: there is one; names those there are.

    """
    if unknown := sorted(set(keys) - set(SECURITY_KEYS)):
        supported = ", ".join(sorted(SECURITY_KEYS))
        raise ConfigError(f"kafka security key {unknown[0]!r} is not supported; use one of {supported}")


def resolved(pairs: Mapping[str, str], file: str) -> dict[str, str]:
    """Return what a client is to be given, secrets included, in memory only.

    Raises:
        ConfigError: a file is missing or cannot be read.

    """
    found = {key: os.environ[name] for key in SECURITY_KEYS if (name := variable(key)) in os.environ}
    if file := pairs.get(FILE, file):
        found |= _of_file(Path(file))
    found |= {key: value for key, value in pairs.items() if key != FILE}
    return {key: _value(key, value) for key, value in found.items()}


def _of_file(path: Path) -> dict[str, str]:
    pairs = {}
    for number, line in enumerate(_read("--kafka_security @FILE", path).splitlines(), 1):
        if (text := line.strip()) and not text.startswith("#"):
            key, separator, value = text.partition("=")
            if not separator:
                raise ConfigError(f"{path}, line {number}, is not KEY=VALUE; write it as sasl.username=NAME")
            pairs[key.strip()] = value.strip()
    require_known(pairs)
    return pairs


def _value(key: str, value: str) -> str:
    return _read(key, Path(value[1:])).rstrip("\r\n") if value.startswith("@") else value


def _read(what: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # not UTF-8, or a path with a NUL in it
        why = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else cause(error)
        raise ConfigError(
            f"{what} names {path}, which cannot be read ({why}); on Flink workers need it there too"
        ) from error
