"""Where processes of this machine listen: nothing we start may be reached from another machine.

Read from Linux's /proc, of processes of one's own.
"""

import ipaddress
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

#: State of a TCP socket that listens, in /proc/net/tcp.
LISTEN = "0A"


class Listener(NamedTuple):
    """A process and the address at which it takes connections."""

    pid: int
    host: str
    port: int


def off_loopback(pids: Iterable[int]) -> list[Listener]:
    """Return the listeners of processes and their descendants that other machines can reach."""
    return [each for each in listeners(pids) if not _loopback(each.host)]


def listeners(pids: Iterable[int]) -> list[Listener]:
    """Return where processes and their descendants listen; those that are gone listen nowhere."""
    sockets = dict(_listening())
    opened = ((pid, inode) for pid in family(pids) for inode in _sockets_of(pid))
    return [Listener(pid, *sockets[inode]) for pid, inode in opened if inode in sockets]


def family(pids: Iterable[int]) -> set[int]:
    """Return processes with all their descendants."""
    children: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = (place / "stat").read_text().rpartition(")")[2].split()[1]
            children.setdefault(int(parent), []).append(int(place.name))
    found: set[int] = set()
    left = list(pids)
    while left:
        if (pid := left.pop()) not in found:
            found.add(pid)
            left += children.get(pid, [])
    return found


def _listening() -> Iterator[tuple[str, tuple[str, int]]]:
    """Yield inode and address of every listening TCP socket."""
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                (
                    _,
                    local,
                    _,
                    state,
                    *_,
                ) = line.split()[:4]
                if state == LISTEN:
                    host, _, port = local.rpartition(":")
                    yield line.split()[9], (_address(host), int(port, 16))


def _address(text: str) -> str:
    """Return an address that the kernel wrote as 32-bit words of this machine's byte order.

    >>> _address("0100007F"), _address("00000000000000000000000001000000")
    ('127.0.0.1', '::1')
    """
    words = bytes.fromhex(text)
    return str(ipaddress.ip_address(b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))))


def _loopback(host: str) -> bool:
    address = ipaddress.ip_address(host)
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _sockets_of(pid: int) -> set[str]:
    found = set()
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                target = os.readlink(entry)  # noqa: PTH115  (no file: pathlib would look for it)
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found
