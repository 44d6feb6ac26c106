"""A store on a server of PostgreSQL: who may write there, what is refused, and a server that comes back."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from console.lab.serving import place_of
from desk.databases import postgresql as databases
from desk.follower import Follower
from desk.store import Store
from pipelines.kafka.port import KafkaSettings
from schemas import topics
from schemas.errors import ConfigError, StateError
from tests.desk import kit, postgresql

A = ("CREATE TABLE a(b TEXT)",)

server = pytest.mark.skipif(postgresql.binaries() is None, reason="no server of PostgreSQL is installed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[postgresql.Cluster]:
    with postgresql.cluster() as made:
        yield made


def steps(follower: Follower, done: Callable[[], bool]) -> None:
    """Let a desk read until something holds."""
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        follower.step()
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("store", "says"),
    [
        ("mysql://a/b", "is no address of a database; write postgresql://user@host/database"),
        ("postgresql://desk:secret@host/desk", "a password in the address .* PGPASSFILE"),
        ("postgresql://host/desk?password=secret", "a password in the address .* PGPASSFILE"),
        ("postgresql://host/desk?colour=red", "the address of the database is none"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_and_no_password_is_repeated(
    tmp_path: Path, store: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as told:
        Store(place_of(tmp_path, store), A)
    assert "secret" not in str(told.value)


def test_without_psycopg_the_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "psycopg", None)
    with pytest.raises(ConfigError, match=r"pip install 'stopline\[postgres\]'"):
        Store("postgresql://host/desk", A)


def test_a_server_that_does_not_answer_is_said(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"cannot be reached: .*; start the server, or name another"):
        Store(f"postgresql://desk@/desk?host={tmp_path}", A)


@server
@pytest.mark.slow
def test_a_second_desk_on_a_database_is_kept_out_until_the_first_has_gone(
    cluster: postgresql.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "TRIES", 3)
    address = cluster.address("one")
    with closing(Store(address, A)) as first:
        with pytest.raises(ConfigError, match="another desk keeps its store in database 'one'"):
            Store(address, A)
        with closing(Store(address, A, anew=False)) as reader:
            assert reader.epoch == first.epoch
    Store(address, A).close()


@server
@pytest.mark.slow
def test_tables_that_are_not_the_desks_are_left_alone_and_those_of_another_release_made_anew(
    cluster: postgresql.Cluster,
) -> None:
    cluster.say("CREATE SCHEMA stopline_desk; CREATE TABLE stopline_desk.theirs(a int)", "postgres")
    with pytest.raises(ConfigError, match="holds tables that are not the desk's; name another database"):
        Store(cluster.address("postgres"), A)
    with closing(Store(cluster.address("two"), A)) as old:
        epoch = old.epoch
    with pytest.raises(StateError, match="is of another release of the desk"):
        Store(cluster.address("two"), (*A, "CREATE TABLE c(d TEXT)"), anew=False)
    with closing(Store(cluster.address("two"), (*A, "CREATE TABLE c(d TEXT)"))) as new:
        assert new.epoch != epoch and new.rows("SELECT * FROM c") == []


@server
@pytest.mark.slow
def test_who_is_not_let_in_is_told_what_to_mend(cluster: postgresql.Cluster) -> None:
    address = cluster.address("five").replace("desk@", "nobody@")
    with pytest.raises(StateError, match='role "nobody" does not exist; it answers: mend user or database'):
        Store(address, A)


@server
@pytest.mark.slow
def test_who_reads_cannot_write_and_text_is_ordered_by_its_octets(cluster: postgresql.Cluster) -> None:
    with closing(Store(cluster.address("three"), A)) as store:
        with store.writing() as db:
            db.executemany("INSERT INTO a VALUES (?)", [("b",), ("B",), ("ä",), ("a_",)])
        assert [row["b"] for row in store.rows("SELECT b FROM a ORDER BY b")] == ["B", "a_", "b", "ä"]
        with pytest.raises(StateError, match="read-only"), store.reading() as db:
            db.execute("DELETE FROM a")


@server
@pytest.mark.slow
def test_a_desk_goes_on_where_it_stood_after_its_server_was_gone(
    cluster: postgresql.Cluster, kafka: KafkaSettings
) -> None:
    kit.send(kafka, topics.ALERTS, [kit.alert(0), kit.alert(1, "other")])
    follower = kit.follower(kafka, Path(), cluster.address("four"))
    follower.catch_up()
    cluster.stop()
    kit.send(kafka, topics.ALERTS, [kit.alert(2), kit.alert(3, "third")])
    with pytest.raises(StateError, match="cannot be reached"):
        steps(follower, lambda: False)
    follower.close()
    cluster.start()

    steps(follower, lambda: len(follower.store.rows("SELECT 1 FROM alerts")) == 4)

    changes = [row["changed"] for row in follower.store.rows("SELECT changed FROM cases ORDER BY changed")]
    assert len(changes) == len(set(changes)) == 3
