"""Evidence of a ring for police and court: a folder that says the same a second time, signed and chained.

Tokens only: no name and no number in clear is known here. By role: `POLICE` sees every token, `INSTITUTION`
only its own accounts' tokens, all others by a pseudonym that is the same throughout the folder.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Literal

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from measures.exchange.names import instant, named
from measures.rings.printed import pdf
from measures.tables import comma_separated
from schemas.contract import UNREADABLE
from schemas.currencies import decimal, digits_of
from schemas.ring import PAYMENTS, Link, Ring

Audience = Literal["POLICE", "INSTITUTION"]

MANIFEST, CUSTODY = "manifest.jws", "custody.jsonl"
_ALGORITHM = "Ed25519"
_TOKEN = re.compile(r"\b[a-z2-7]{25}[aeimquy4]\b")


def files(
    ring: Ring, links: Iterable[Link], *, audience: Audience, own: Collection[str] = ()
) -> dict[str, bytes]:
    """Return the folder without manifest and custody: name -> bytes, the same for the same ring and links."""
    ordered = sorted(links, key=lambda link: (link.at_us, link.cause_id))
    made = {
        "timeline.csv": comma_separated(
            ("at", "what", "from", "to", "evidence"),
            ((instant(each.at_us), each.kind, each.left, each.right, each.cause_id) for each in ordered),
        ).encode(),
        "flows.csv": comma_separated(
            ("at", "payment", "from", "to", "amount", "currency", "evidence"),
            (
                (
                    instant(each.at_us), each.txn_id, each.left, each.right, _amount(each), each.currency,
                    each.cause_id,
                )
                for each in ordered
                if each.kind in PAYMENTS
            ),
        ).encode(),
        "members.csv": comma_separated(
            ("account", "role (suspected)", "reason"),
            ((each.account_token, each.role, each.reason) for each in ring.members),
        ).encode(),
        "associates.csv": comma_separated(
            ("what", "which", "role (suspected)", "reason"),
            ((each.kind, each.token, each.role, each.reason) for each in ring.associates),
        ).encode(),
        "ring.stix.json": msgspec.json.format(msgspec.json.encode(_stix(ring), order="sorted"), indent=2),
        "report.md": _report(ring, len(ordered)).encode(),
    }  # fmt: skip
    if audience != "POLICE":
        mask = _mask(ring.ring_id, frozenset(own))
        made = {name: _TOKEN.sub(mask, data.decode()).encode() for name, data in made.items()}
    printed = pdf(made["report.md"].decode(), f"Suspected ring {ring.ring_id}", ring.at_us)
    return made | {"report.pdf": printed}


def _mask(ring_id: str, own: frozenset[str]) -> Callable[[re.Match[str]], str]:
    def masked(found: re.Match[str]) -> str:
        token = found[0]
        return (
            token
            if token in own
            else f"party-{hashlib.sha256(f'{ring_id}{token}'.encode()).hexdigest()[:12]}"
        )

    return masked


def _amount(link: Link) -> str:
    return decimal(link.amount_minor, digits_of(link.currency) or 0)


def _stix(ring: Ring) -> dict[str, object]:
    """Return a STIX 2.1 bundle: the ring as a campaign, its accounts as indicators of it."""
    began, now = instant(ring.first_us), instant(ring.at_us)
    common = {"spec_version": "2.1", "created": began, "modified": max(began, now)}
    campaign = f"campaign--{named('campaign', ring.ring_id)}"
    objects: list[dict[str, object]] = [
        {**common, "type": "campaign", "id": campaign, "name": f"Suspected ring {ring.ring_id}",
         "first_seen": began, "last_seen": max(began, instant(ring.last_us)), "labels": ["suspected"]}
    ]  # fmt: skip
    for member in ring.members:
        indicator = f"indicator--{named('indicator', ring.ring_id, member.account_token)}"
        objects.append(
            {**common, "type": "indicator", "id": indicator, "name": f"suspected {member.role}",
             "description": member.reason, "pattern_type": "stix", "valid_from": began,
             "pattern": f"[bank-account:account_number = '{member.account_token}']"}
        )  # fmt: skip
        objects.append(
            {**common, "type": "relationship",
             "id": f"relationship--{named('indicates', indicator, campaign)}",
             "relationship_type": "indicates", "source_ref": indicator, "target_ref": campaign}
        )  # fmt: skip
    return {
        "type": "bundle",
        "id": f"bundle--{named('bundle', ring.ring_id, ring.at_us)}",
        "objects": objects,
    }


def _report(ring: Ring, links: int) -> str:
    lines = [
        f"# Suspected ring {ring.ring_id}", "",
        f"As known at {instant(ring.at_us)}, from {links} dated links and {len(ring.evidence)} records. "
        "Everything here is a suspicion; no measure rests on it alone.", "",
        f"- accounts: {len(ring.members)}", f"- payers who seem deceived: {ring.victims}",
        f"- first seen {instant(ring.first_us)}, last seen {instant(ring.last_us)}",
        f"- shared things left out as hubs: {ring.hubs}", "",
        "| currency | stolen | held | still freezable | lost | at risk within an hour |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    for each in ring.sums:
        amounts = (
            each.stolen_minor,
            each.held_minor,
            each.freezable_minor,
            each.lost_minor,
            each.at_risk_minor,
        )
        written = " | ".join(decimal(amount, digits_of(each.currency) or 0) for amount in amounts)
        lines.append(f"| {each.currency} | {written} |")
    lines += ["", "## Accounts", "", "| account | suspected role | reason |", "| --- | --- | --- |"]
    lines += [f"| {each.account_token} | {each.role} | {each.reason} |" for each in ring.members]
    lines += ["", "## Who or what else has a part in it", ""]
    lines += ["| what | which | suspected role | reason |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {each.kind} | {each.token.replace('|', '')} | {each.role} | {each.reason} |"
        for each in ring.associates
    ]
    return "\n".join(lines) + "\n"


def manifest(ring: Ring, made: Mapping[str, bytes], private: OKPKey) -> bytes:
    """Return the signed list of a folder's files with their SHA-256."""
    listed = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(made.items())}
    body = {"ring_id": ring.ring_id, "at_us": ring.at_us, "files": listed}
    header = {"alg": _ALGORITHM, "typ": "stopline-evidence+jws", "kid": private.thumbprint()}
    payload = msgspec.json.encode(body, order="sorted")
    return jws.serialize_compact(header, payload, private, algorithms=[_ALGORITHM]).encode()


def handed_on(custody: bytes, who: str, what: str, at_us: int) -> bytes:
    """Add a line to a chain of custody: who did what when, with a digest over it and all lines before.

    The digests find what was changed or left out by mistake or by who does not know them; who signs the
    folder anew could write another chain, as with paper.
    """
    line = {"at": instant(at_us), "who": who, "what": what}
    return custody + msgspec.json.encode({**line, "digest": _digest(custody, line)}) + b"\n"


def _digest(before: bytes, line: Mapping[str, str]) -> str:
    return hashlib.sha256(before + msgspec.json.encode(line, order="sorted")).hexdigest()


def faults(folder: Mapping[str, bytes], public: OKPKey) -> list[str]:
    """Say what of a folder is not as it was signed, and where its custody is broken; empty is well."""
    try:
        opened = jws.deserialize_compact(folder.get(MANIFEST, b""), public, algorithms=[_ALGORITHM])
        listed: dict[str, str] = msgspec.json.decode(opened.payload)["files"]
    except (*UNREADABLE, JoseError, KeyError):
        return [f"{MANIFEST} is missing, damaged or signed by another key"]
    said = [f"{name} is missing" for name in listed if name not in folder]
    said += [
        f"{name} was changed"
        for name in listed
        if name in folder and hashlib.sha256(folder[name]).hexdigest() != listed[name]
    ]
    said += [f"{name} is not in the manifest" for name in folder if name not in {*listed, MANIFEST, CUSTODY}]
    return said + _broken(folder.get(CUSTODY, b""))


def _broken(custody: bytes) -> list[str]:
    before = b""
    for number, line in enumerate(custody.splitlines(keepends=True), 1):
        try:
            told = msgspec.json.decode(line, type=dict[str, str])
        except UNREADABLE:
            return [f"{CUSTODY}, line {number}, cannot be read"]
        if told.pop("digest", "") != _digest(before, told):
            return [f"{CUSTODY} was changed before or in line {number}"]
        before += line
    return [] if before else [f"{CUSTODY} is missing"]
