"""The seal of topics that a job writes and reads back: entries are believed only from who holds the job key.

A seal is an HMAC-SHA-256 over the topic and the bytes of the value, which name the account; it is the last
field of the value, `seal`, because readers of chunks see no headers. The key file has epochs, as that of
tokens: the newest seals, every one opens, since what `measures` holds is read for ever. Without a key nothing
is sealed, and whoever may write is believed.
"""

import hmac
from collections.abc import Iterable
from pathlib import Path

from schemas import token_keys
from schemas.contract import SEAL_CHARS
from schemas.errors import ConfigError
from schemas.topics import CASEWORK_INTERNAL, CASEWORK_STATES, CONTACTS, MEASURES, TRACES

#: Journals, whose entries of before there was a key can be sealed later.
JOURNALS = (MEASURES, TRACES)

#: Topics whose entries a job reads back as its own.
SEALED = (*JOURNALS, CONTACTS, CASEWORK_INTERNAL, *CASEWORK_STATES)

#: Why an entry is passed over.
UNSEALED = "No seal of the job key, or one that does not hold - at `$.seal`"

_BEFORE, _AFTER = b',"seal":"', b'"}'
_BYTES = len(_BEFORE) + SEAL_CHARS + len(_AFTER)


class Seal:
    """Seals and checks with the keys of one file, the newest of which is last."""

    def __init__(self, keys: Iterable[bytes]) -> None:
        self._keys = tuple(keys)

    def sealed(self, topic: str, value: bytes) -> bytes:
        """Return a JSON object, not empty and without a seal, with the seal as its last field."""
        return value[:-1] + _BEFORE + _mac(self._keys[-1], topic, value) + _AFTER

    def holds(self, topic: str, value: bytes) -> bool:
        """Tell whether a value was sealed for this topic with one of the keys."""
        bare, seal = value[:-_BYTES] + b"}", value[-_BYTES:]
        stated = seal[len(_BEFORE) : -len(_AFTER)]
        written = seal == _BEFORE + stated + _AFTER
        return written and any(hmac.compare_digest(stated, _mac(key, topic, bare)) for key in self._keys)


def read_seal(file: str) -> Seal | None:
    """Read a key file; None without one.

    Raises:
        ConfigError: the file cannot be used.

    """
    if not file:
        return None
    try:
        return Seal(epoch.octets for epoch in token_keys.read(Path(file)))
    except ConfigError as error:
        raise ConfigError(f"--seal_key: {error}; on Flink workers need it there too") from error


def believed(file: str) -> list[str]:
    """Say who is believed without a key; nothing with one."""
    if file:
        return []
    return [
        f"no --seal_key: whoever may write topic {' or '.join(JOURNALS)} is believed "
        "(docs/threat-model.md says how to seal them)"
    ]


def _mac(key: bytes, topic: str, value: bytes) -> bytes:
    return hmac.new(key, topic.encode() + b"\0" + value, "sha256").hexdigest().encode()
