"""A country's list as institutions take it: whole, or what changed, signed, with a digest of the list after.

The first line is a JWS of the head (RFC 7515, Ed25519). The rest is gzip (RFC 1952) of JSON lines, one for
all subjects with the same cuts: `tokens` one after the other, 26 letters each, `until` the first end and the
gaps to the next ones, `cuts` by how much a function's cut ends earlier. A client applies a change only to the
version it is from, compares the digest, and otherwise takes the whole; it refuses what is older than that,
of another country, or signed with a key of another. Of a change of 1,000 subjects, 17 to 22 kB, their tokens
are 16, which nothing makes smaller: they are 128 random bits each.
"""

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate, repeat
from typing import NamedTuple

import msgspec
from joserfc.jwk import OKPKey
from msgspec.structs import replace

from measures.authority.signing import AuthorityKey, KeyRing, open_payload, sign_payload
from measures.refusal import Refusal, first_fault
from measures.registry.listing import LIVE
from schemas.order import Record
from schemas.reply import Why
from schemas.rows.tokens import TOKEN_LETTERS
from schemas.subject import ListedSubject

TYPE = "stopline-list-2+jws"

#: Octets of unpacked lines, beside so many of each subject: what unpacks to more is not read.
SOME_BYTES, ROW_BYTES = 1 << 16, 1 << 10


class Head(Record, frozen=True, kw_only=True):
    """What a file is: `since` is the version it changes, "" of a whole list; `digest` is of the list.

    `number` counts the changes of the country's list up to this version.
    """

    jurisdiction: str
    version: str
    since: str
    digest: str
    lines: int
    number: int = 0


class Row(Record, frozen=True, kw_only=True):
    """One subject: what is cut until when, and what goes on; without cuts it is on the list no more."""

    kind: str
    token: str
    cuts: dict[str, int] = msgspec.field(default_factory=dict)
    exempt: tuple[str, ...] = ()


class _Group(Record, frozen=True, kw_only=True):
    """Subjects of a kind with the same cuts, by when these end; without cuts they are on the list no more."""

    kind: str
    tokens: str
    cuts: dict[str, int] = msgspec.field(default_factory=dict)
    exempt: tuple[str, ...] = ()
    until: tuple[int, ...] = ()


class ListCopy(NamedTuple):
    """A list as a client holds it: of whom, after how many changes; "" and 0 where it holds nothing yet."""

    version: str
    rows: Mapping[tuple[str, str], Row]
    jurisdiction: str = ""
    number: int = 0


NOTHING = ListCopy("", {})

_ENCODE = msgspec.json.Encoder(order="deterministic").encode
_GROUPS = msgspec.json.Decoder(_Group).decode_lines
_HEAD = msgspec.json.Decoder(Head).decode


def rows(listed: Iterable[ListedSubject]) -> dict[tuple[str, str], Row]:
    """Return the list of what is in force, by kind and token."""
    return {
        (each.kind, each.token): Row(
            kind=each.kind, token=each.token, exempt=each.listing.exempt,
            cuts={cut.function: cut.until_us for cut in each.listing.cuts},
        )
        for each in listed
        if each.listing.state in LIVE
    }  # fmt: skip


def digest(held: Mapping[tuple[str, str], Row]) -> str:
    """Return the SHA-256 of a list, hexadecimal, in order of kind and token."""
    return hashlib.sha256(b"\n".join(_ENCODE(held[name]) for name in sorted(held))).hexdigest()


def file(now: ListCopy, before: ListCopy, private: OKPKey, key_id: str) -> bytes:
    """Return the signed change from one version to another; from `NOTHING` it is the whole list."""
    changed = [row for name, row in now.rows.items() if before.rows.get(name) != row]
    gone = [Row(kind=kind, token=token) for kind, token in before.rows if (kind, token) not in now.rows]
    head = Head(
        jurisdiction=now.jurisdiction, version=now.version, since=before.version, digest=digest(now.rows),
        lines=len(changed) + len(gone), number=now.number,
    )  # fmt: skip
    signed = sign_payload(_ENCODE(head), private, key_id, TYPE)
    return signed + b"\n" + _packed((*changed, *gone))


def copied(held: ListCopy) -> bytes:
    """Return a list as a client keeps it for itself, unsigned."""
    head = Head(
        jurisdiction=held.jurisdiction, version=held.version, since="", digest=digest(held.rows),
        lines=len(held.rows), number=held.number,
    )  # fmt: skip
    return _ENCODE(head) + b"\n" + _packed(held.rows.values())


def _packed(changed: Iterable[Row]) -> bytes:
    """Return rows as packed lines of those with the same cuts, times as gaps."""
    alike: dict[bytes, tuple[_Group, list[tuple[int, Row]]]] = {}
    for row in changed:
        end = max(row.cuts.values(), default=0)
        cuts = {function: end - until for function, until in row.cuts.items()}
        group = _Group(kind=row.kind, tokens="", cuts=cuts, exempt=row.exempt)
        alike.setdefault(_ENCODE(group), (group, []))[1].append((end, row))
    lines = []
    for _, (group, members) in sorted(alike.items()):
        held = sorted(members, key=lambda each: (each[0], each[1].token))
        ends = [end for end, _ in held]
        gaps = [end - before for end, before in zip(ends, [0, *ends], strict=False)]
        tokens = "".join(row.token for _, row in held)
        lines.append(_ENCODE(replace(group, tokens=tokens, until=tuple(gaps) if ends[-1] else ())))
    return gzip.compress(b"\n".join(lines), mtime=0)


def unpacked(body: bytes, count: int) -> list[Row]:
    """Return the rows of what follows a head that names `count` of them.

    Raises:
        ValueError: it is cut short, changed, or far longer than so many rows are.

    """
    reading, most = zlib.decompressobj(wbits=31), SOME_BYTES + count * ROW_BYTES
    try:
        plain = reading.decompress(body, most)
        groups = _GROUPS(plain)
    except (zlib.error, msgspec.MsgspecError) as error:
        raise ValueError("its lines are cut short or changed") from error
    if not reading.eof:
        raise ValueError("its lines are cut short, or far more than its head says")
    return [row for group in groups for row in _rows_of(group)]


def _rows_of(group: _Group) -> Iterator[Row]:
    tokens = [group.tokens[at : at + TOKEN_LETTERS] for at in range(0, len(group.tokens), TOKEN_LETTERS)]
    if group.cuts and len(tokens) != len(group.until):
        raise ValueError("its lines are cut short or changed")
    ends = accumulate(group.until) if group.cuts else repeat(0)
    for token, end in zip(tokens, ends, strict=False):
        cuts = {function: end - earlier for function, earlier in group.cuts.items()}
        yield Row(kind=group.kind, token=token, cuts=cuts, exempt=group.exempt)


def applied(held: ListCopy, given: bytes, ring: KeyRing, at_us: int) -> ListCopy | Refusal | None:
    """Return a list after a file; None if it is for another version: take the whole; a forgery is refused."""
    signed, _, body = given.partition(b"\n")
    opened = open_payload(signed, ring, at_us, TYPE)
    if isinstance(opened, Refusal):
        return opened
    head = _HEAD(opened[0])
    if fault := _foreign(head, opened[1], held):
        return fault
    if head.since not in ("", held.version):
        return None
    try:
        changed = unpacked(body, head.lines)
    except ValueError as error:
        return Refusal(why=Why.MALFORMED, detail=str(error))
    after = dict(held.rows) if head.since else {}
    for row in changed:
        if row.cuts:
            after[row.kind, row.token] = row
        else:
            after.pop((row.kind, row.token), None)
    return copy_of(head, after) if digest(after) == head.digest else None


def copy_of(head: Head, held: Mapping[tuple[str, str], Row]) -> ListCopy:
    """Return the list that a head names."""
    return ListCopy(head.version, held, head.jurisdiction, head.number)


def _foreign(head: Head, key: AuthorityKey, held: ListCopy) -> Refusal | None:
    """Refuse a list of another country than the key or the held list, and one that is older than that."""
    return first_fault(
        (key.jurisdiction != head.jurisdiction, Why.BAD_SIGNATURE,
         f"a list of {head.jurisdiction}, signed with a key of {key.jurisdiction}"),
        (held.jurisdiction not in ("", head.jurisdiction), Why.NOT_COMPETENT,
         f"a list of {head.jurisdiction}, where that of {held.jurisdiction} is held"),
        (head.number < held.number, Why.STALE_VERSION, "older than the list that is held"),
    )  # fmt: skip
