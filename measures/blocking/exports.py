"""Entries in the forms that resolvers, browsers and operators load; only what is in force and stops.

A zone's serial is given by the caller and must grow with every export (RFC 1982).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from measures import tables
from measures.blocking.admission import in_force
from schemas.block import BlockEntry


def rpz(entries: Sequence[BlockEntry], serial: int) -> str:
    """Return a response policy zone (DNS RPZ): a listed domain and all below it do not exist."""
    lines = [
        "$TTL 60",
        f"@ IN SOA localhost. hostmaster.localhost. {serial} 60 30 86400 60",
        "@ IN NS localhost.",
    ]
    for domain in _domains(entries):
        lines += [f"{domain} CNAME .", f"*.{domain} CNAME ."]
    return "\n".join(lines) + "\n"


def hosts_file(entries: Sequence[BlockEntry], serial: int) -> str:
    """Return a hosts file; it cannot say "and all below"."""
    return "".join([f"# version {serial}\n", *(f"0.0.0.0 {domain}\n" for domain in _domains(entries))])


def adguard(entries: Sequence[BlockEntry], serial: int) -> str:
    """Return a filter list for AdGuard and uBlock Origin."""
    urls = [
        f"||{each.value}^" if each.value.endswith("/") else f"||{each.value}"
        for each in entries
        if each.kind == "URL"
    ]
    return "".join(
        f"{line}\n" for line in (f"! version {serial}", *(f"||{d}^" for d in _domains(entries)), *urls)
    )


def numbers_zone(entries: Sequence[BlockEntry], serial: int) -> str:
    """Return numbers as a zone in the order of ENUM (RFC 6116), a TXT each."""
    lines = [
        "$TTL 60",
        f"@ IN SOA localhost. hostmaster.localhost. {serial} 60 30 86400 60",
        "@ IN NS localhost.",
    ]
    lines += [
        f'{".".join(reversed(each.value[1:]))} TXT "{each.action}"'
        for each in entries
        if each.kind == "NUMBER"
    ]
    return "\n".join(lines) + "\n"


def comma_separated(entries: Sequence[BlockEntry], serial: int) -> str:
    """Return every entry as CSV; no cell is a formula to a spreadsheet."""
    del serial
    columns = (
        "entry_id",
        "kind",
        "value",
        "action",
        "valid_from_us",
        "valid_to_us",
        "reason_code",
        "remedy_channel",
    )
    return tables.comma_separated(columns, ([getattr(each, name) for name in columns] for each in entries))


def json_lines(entries: Sequence[BlockEntry], serial: int) -> str:
    """Return every entry as JSON, a line each."""
    del serial
    return "".join(msgspec.json.encode(each).decode() + "\n" for each in entries)


def _domains(entries: Iterable[BlockEntry]) -> list[str]:
    return sorted({each.value for each in entries if each.kind == "DOMAIN"})


FORMATS: Mapping[str, Callable[[Sequence[BlockEntry], int], str]] = {
    "rpz": rpz,
    "hosts": hosts_file,
    "adguard": adguard,
    "numbers": numbers_zone,
    "csv": comma_separated,
    "jsonl": json_lines,
}


def exported(entries: Iterable[BlockEntry], format: str, at_us: int, serial: int) -> str:
    """Return what is in force at `at_us` and stops, in a format of `FORMATS`, in order of id."""
    stopping = [each for each in entries if in_force(each, at_us) and each.action == "BLOCK"]
    return FORMATS[format](sorted(stopping, key=lambda each: each.entry_id), serial)
