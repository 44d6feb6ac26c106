"""Exports in resolvers that load them: what is listed is refused, the rest answered, a change followed."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from measures.blocking.admission import lifted
from measures.blocking.exports import exported
from pipelines.kafka.local.brokers import free_port
from schemas.block import BlockEntry
from tests.blocking.test_blocking import NOW, entry

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("dig") is None, reason="needs Debian's bind9-dnsutils"),
]

LOCAL = ("fine.example", "listed.example", "late.example")

UNBOUND = """
server:
  directory: "{folder}"
  chroot: ""
  username: ""
  use-syslog: no
  logfile: "{folder}/log"
  pidfile: "{folder}/pid"
  interface: 127.0.0.1
  port: {port}
  do-daemonize: no
  module-config: "respip iterator"
{zones}
rpz:
  name: "rpz.example"
  zonefile: "{folder}/rpz.zone"
"""
NAMED = """
options {{
  directory "{folder}"; pid-file "{folder}/pid"; session-keyfile "{folder}/key";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion yes; dnssec-validation no;
  response-policy {{ zone "rpz.example"; }} min-update-interval 1 qname-wait-recurse no;
}};
controls {{ }};
zone "rpz.example" {{ type primary; file "{folder}/rpz.zone"; }};
{zones}
"""
ZONE = """$TTL 60
@ IN SOA localhost. x.localhost. 1 60 30 86400 60
@ IN NS localhost.
@ IN A 192.0.2.1
www IN A 192.0.2.1
"""


def settings(name: str, folder: Path, port: int) -> list[str]:
    """Write a resolver's settings; returns how it is started."""
    if name == "unbound":
        zones = "".join(
            f'auth-zone:\n  name: "{zone}"\n  zonefile: "{folder}/{zone}"\n  for-downstream: no\n'
            for zone in LOCAL
        )
        text, command = UNBOUND, ["unbound", "-d", "-c"]
    else:
        zones = "".join(f'zone "{zone}" {{ type primary; file "{folder}/{zone}"; }};\n' for zone in LOCAL)
        text, command = NAMED, ["named", "-f", "-c"]
    for zone in LOCAL:
        (folder / zone).write_text(ZONE)
    file = folder / "conf"
    file.write_text(text.format(folder=folder, port=port, zones=zones))
    return [*command, str(file)]


def asked(port: int, name: str) -> str:
    """Return the status of an answer, and the address."""
    done = subprocess.run(
        ["dig", "+time=1", "+tries=1", "-p", str(port), "@127.0.0.1", name, "A"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    status = done.stdout.partition("status: ")[2].partition(",")[0]
    return f"{status} {'192.0.2.1' if '192.0.2.1' in done.stdout else ''}".strip()


def until(port: int, name: str, wanted: str) -> float:
    """Wait for an answer; returns seconds."""
    began = time.monotonic()
    while (found := asked(port, name)) != wanted:
        assert time.monotonic() - began < 30, f"{name}: {found}"
        time.sleep(0.1)
    return time.monotonic() - began


@contextmanager
def running(name: str, folder: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    port = free_port()
    resolver = subprocess.Popen(settings(name, folder, port))
    try:
        yield port, resolver
    finally:
        resolver.terminate()
        resolver.wait(30)


@pytest.mark.parametrize("name", ["unbound", "named"])
def test_a_resolver_refuses_what_is_listed_answers_the_rest_and_follows_a_change(
    name: str, tmp_path: Path
) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"needs {name}")
    entries: list[BlockEntry] = [entry("listed.example")]
    (tmp_path / "rpz.zone").write_text(exported(entries, "rpz", NOW + 1, 1))

    with running(name, tmp_path) as (port, resolver):
        until(port, "fine.example", "NOERROR 192.0.2.1")
        before = [asked(port, each) for each in ("listed.example", "www.listed.example", "late.example")]
        changed = [lifted(entries[0], NOW + 1), entry("late.example")]
        (tmp_path / "rpz.zone").write_text(exported(changed, "rpz", NOW + 2, 2))
        resolver.send_signal(1)
        took_s = until(port, "late.example", "NXDOMAIN")
        after = [asked(port, each) for each in ("listed.example", "fine.example")]

    assert before == ["NXDOMAIN", "NXDOMAIN", "NOERROR 192.0.2.1"]
    assert after == ["NOERROR 192.0.2.1"] * 2
    print(f"{name} followed a change after {took_s:.1f} s")
