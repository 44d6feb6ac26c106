"""A country's list as its keeper publishes it and an institution takes it, and look-ups with a quota."""

import base64
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from console.lab.brokers import topic_records
from console.lab.signing import private_key
from measures.authority.keys import read_keys, ring_of
from measures.refusal import Refusal
from measures.registry import distribution, quota
from measures.registry import snapshot as snapshots
from measures.registry.distribution import NOTHING, ListCopy
from measures.registry.suspicion import key_of
from pipelines.kafka.port import KafkaSettings
from pipelines.lookup.following import Followed, Follower
from schemas import topics
from schemas.contract import UNREADABLE, is_token
from schemas.errors import ConfigError, cause
from schemas.subject import ListedSubject, ListVersions, Suspicion

S = TypeVar("S", bound=msgspec.Struct)

_BUCKETS = msgspec.json.Decoder(dict[str, quota.Bucket])


def newest(kafka: KafkaSettings, topic: str, of: type[S]) -> dict[str, S]:
    """Return the newest version of every state of a topic, by key."""
    found: dict[str, Any] = {}
    state: Any
    for state in topic_records(kafka, topic, msgspec.json.Decoder(of).decode):
        if state.key not in found or state.version >= found[state.key].version:
            found[state.key] = state
    return found


def published(kafka: KafkaSettings, country: str, key: Path, folder: Path) -> Iterator[tuple[Path, int]]:
    """Write a country's list whole and as the change since the last one written; yields paths and octets.

    Raises:
        ConfigError: the key cannot be used, or nothing was ever listed there.

    """
    private, key_id = private_key(key)
    versions = newest(kafka, topics.LIST_VERSIONS, ListVersions).get(country)
    if versions is None:
        raise ConfigError(f"nothing was ever listed in {country}; see `stopline casework say`")
    listed = newest(kafka, topics.LISTINGS, ListedSubject).values()
    rows = distribution.rows(each for each in listed if each.jurisdiction == country)
    now = ListCopy(versions.named, rows, country, versions.number)
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / f"{country}.whole"
    before = _held(whole)
    if before.version not in ("", now.version):
        change = folder / f"{country}.{now.version}.change"
        yield change, change.write_bytes(distribution.file(now, before, private, key_id))
    yield whole, whole.write_bytes(distribution.file(now, NOTHING, private, key_id))


def taken(files: Iterable[Path], keys: Path, held: Path) -> tuple[str, int]:
    """Take lists and changes over into the file `held`; returns version and number of subjects.

    Raises:
        ConfigError: a file is not signed by a key that is good now, or is for another version.

    """
    ring, now_us = ring_of(read_keys(keys)), time.time_ns() // 1000
    have = _held(held)
    for path in files:
        try:
            after = distribution.applied(have, path.read_bytes(), ring, now_us)
        except (OSError, *UNREADABLE) as error:
            raise ConfigError(f"{path} cannot be taken over: {cause(error)}; fetch it again") from error
        if isinstance(after, Refusal):
            raise ConfigError(f"{path} is refused: {after.detail}; ask who keeps the list")
        if after is None:
            raise ConfigError(f"{path} is a change of another version; take the whole list")
        have = after
    held.parent.mkdir(parents=True, exist_ok=True)
    held.write_bytes(distribution.copied(have))
    return have.version, len(have.rows)


def snapshot(
    kafka: KafkaSettings, file: Path, key: Path, since: Path | None, keys: Path | None
) -> tuple[int, int, int]:
    """Write the registry as it is now as one signed file; returns its version, entries and octets.

    Raises:
        ConfigError: the key, or the snapshot to go on from, cannot be used.

    """
    private, key_id = private_key(key)
    found = Follower(Followed(kafka, since, keys))
    whole = found.whole()
    given = snapshots.written(
        whole.whole.entries, private, key_id, version=whole.version, read=found.read_to,
        at_us=time.time_ns() // 1000,
    )  # fmt: skip
    part = file.with_name(f"{file.name}.part")
    file.parent.mkdir(parents=True, exist_ok=True)
    octets = part.write_bytes(given)
    part.replace(file)
    return whole.version, whole.whole.count, octets


def looked_up(kafka: KafkaSettings, kind: str, token: str, caller: str, folder: Path) -> str:
    """Return what is in force on a subject as JSON, within the caller's quota.

    Raises:
        ConfigError: the token is none, or the quota is used up.

    """
    if not is_token(token):
        raise ConfigError(f"{token!r} is no token; make one with `stopline tokens make`")
    now_us, named = time.time_ns() // 1000, key_of(kind, token)
    suspected = newest(kafka, topics.SUSPICIONS, Suspicion).get(named)
    listed = newest(kafka, topics.LISTINGS, ListedSubject).get(named)
    found = quota.answer(suspected, listed, now_us)
    file = folder / "quotas.json"
    buckets = _quotas(file)
    buckets[caller], allowed = quota.asked(buckets.get(caller), quota.FIRM, now_us, known=found is not None)
    folder.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.encode(buckets))
    if not allowed:
        raise ConfigError(f"{caller} has asked too often for who is not there; ask again in some minutes")
    return msgspec.json.encode(found or quota.Answer()).decode()


def _quotas(file: Path) -> dict[str, quota.Bucket]:
    try:
        return _BUCKETS.decode(file.read_bytes()) if file.exists() else {}
    except (OSError, *UNREADABLE) as error:
        raise ConfigError(f"quotas {file} cannot be read: {cause(error)}; move it away") from error


def _held(path: Path) -> ListCopy:
    """Read a list that this machine wrote itself; nothing if there is none."""
    if not path.exists():
        return NOTHING
    try:
        first, _, rest = path.read_bytes().partition(b"\n")
        head = msgspec.json.decode(
            first if first.startswith(b"{") else _payload(first), type=distribution.Head
        )
        rows = distribution.unpacked(rest, head.lines)
    except (ValueError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{path} is no list: {cause(error)}; delete it and take the whole list") from error
    return distribution.copy_of(head, {(row.kind, row.token): row for row in rows})


def _payload(signed: bytes) -> bytes:
    body = signed.split(b".")[1]
    return base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4))
