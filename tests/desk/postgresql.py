"""A server of PostgreSQL for tests: a cluster of its own in a temporary folder, on a socket, gone afterwards.

PostgreSQL refuses to run as root; there it runs as user `postgres`, or `nobody`.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory


def binaries() -> Path | None:
    """Return where the newest server's binaries are; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda each: int(each.parts[4]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def _as_somebody() -> tuple[list[str], int]:
    """Return what runs a command as somebody who is not root, and who that is."""
    if os.getuid():
        return [], os.getuid()
    names = {each.pw_name: each for each in pwd.getpwall()}
    who = names.get("postgres") or names["nobody"]
    return ["setpriv", f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--clear-groups"], who.pw_uid


class Cluster:
    """A running server; every folder of a test has a database of its own."""

    def __init__(self, folder: Path, found: Path) -> None:
        self._folder, self._found = folder, found
        self._as, uid = _as_somebody()
        folder.chmod(0o755)
        data = folder / "data"
        data.mkdir()
        os.chown(data, uid, -1)
        os.chown(folder, uid, -1)
        self._run(
            "initdb", "-D", str(data), "-U", "desk", "--auth=trust", "--no-sync", "-E", "UTF8",
            "--locale=C.UTF-8",
        )  # fmt: skip
        self._data = str(data)
        self.start()
        self._made = {"postgres"}

    def _run(self, *command: str) -> None:
        path = str(self._found / command[0])
        subprocess.run([*self._as, path, *command[1:]], check=True, capture_output=True, cwd=self._folder)

    def start(self) -> None:
        """Start the server."""
        given = f"-c listen_addresses='' -c unix_socket_directories={self._folder} -c fsync=off"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", self._data, "-w", "-l", log, "-o", given, "start")

    def stop(self) -> None:
        """Stop the server, whoever is connected."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def say(self, sql: str, database: str = "postgres") -> None:
        """Send the server a statement."""
        self._run("psql", "-q", "-h", str(self._folder), "-U", "desk", "-d", database, "-c", sql)

    def address(self, name: str) -> str:
        """Return the address of a database, which is made."""
        if name not in self._made:
            self._made.add(name)
            self.say(f"CREATE DATABASE {name}")
        return f"postgresql://desk@/{name}?host={self._folder}"

    def database_of(self, folder: Path) -> str:
        """Return the address of the database of a folder."""
        return self.address("d" + sha256(str(folder).encode()).hexdigest()[:12])

    def forget(self, folder: Path) -> None:
        """Drop the database of a folder."""
        name = self.database_of(folder).split("/")[3].split("?")[0]
        self.say(f"DROP DATABASE {name} WITH (FORCE)")
        self._made.remove(name)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Run a server while the block runs."""
    found = binaries()
    assert found is not None
    with TemporaryDirectory(prefix="pg") as folder:
        made = Cluster(Path(folder), found)
        try:
            yield made
        finally:
            if (Path(folder) / "data" / "postmaster.pid").exists():
                made.stop()
