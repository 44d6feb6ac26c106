"""A store in a file: what is foreign, damaged or locked."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from desk.store import Store
from schemas.errors import StateError


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + bytes(5000)])
def test_a_file_that_is_no_store_is_kept_aside_and_a_store_made(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    (tmp_path / "desk.db").write_bytes(content)
    store = Store(tmp_path / "desk.db", ("CREATE TABLE a(b TEXT)",))

    assert store.rows("SELECT * FROM a") == []
    assert (tmp_path / "desk.db.aside").read_bytes() == content
    assert "the desk is built anew" in caplog.text
    store.close()


def test_threads_that_ask_one_after_another_share_a_connection(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "desk.db", ("CREATE TABLE a(b TEXT)",))) as store:
        lent = set[int]()

        def ask() -> None:
            with store.reading() as db:
                lent.add(id(db))

        for thread in [threading.Thread(target=ask) for _ in range(5)]:
            thread.start()
            thread.join()
        assert len(lent) == 1
        with pytest.raises(StateError), store.reading() as db:
            db.execute("DELETE FROM a")


@pytest.mark.parametrize("anew", [True, False])
def test_a_file_that_another_process_has_locked_is_neither_called_foreign_nor_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, anew: bool
) -> None:
    monkeypatch.setattr("desk.databases.sqlite.LOCKED_S", 0.0)
    Store(tmp_path / "desk.db", ("CREATE TABLE a(b TEXT)",)).close()
    (tmp_path / "desk.db.digest").unlink()  # as after a crash

    with closing(sqlite3.connect(tmp_path / "desk.db")) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("INSERT INTO a VALUES ('x')")
        other.commit()
        with pytest.raises(StateError, match="cannot be used at the moment: database is locked"):
            Store(tmp_path / "desk.db", ("CREATE TABLE a(b TEXT)",), anew=anew)
    assert not (tmp_path / "desk.db.aside").exists()
