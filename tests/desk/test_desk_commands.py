"""What the desk shows, on a terminal and for other desks."""

import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from console.cli import main
from console.lab.looking import looked
from console.lab.serving import alone_in
from desk.audit import Audit
from desk.cases import case_id_of
from desk.projections.table import TABLES
from desk.store import Store
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.reading import process
from schemas import topics
from schemas.errors import ConfigError, StateError
from tests.desk import kit, story


@pytest.fixture(scope="module")
def kafka_told() -> Iterator[KafkaSettings]:
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address)
        kit.create_topics(settings)
        story.tell(settings, small=5)
        yield settings
        process.close_connections()


def ran(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr("sys.argv", ["stopline", *words])
        main()
    code = int(ended.value.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_cases_a_case_its_reasons_and_measures_are_told(
    kafka_told: KafkaSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--kafka_brokers", kafka_told.brokers, "--clock", "stream")
    mule = case_id_of(kit.token("mule"))

    code, out, _ = ran(capsys, "cases", *where, "--json")
    assert code == 0
    rows = json.loads(out)
    assert rows[0]["case_id"] == mule and len(rows) == 6

    code, out, _ = ran(capsys, "case", "tx-mule-1", *where, "--json")
    found = json.loads(out)
    assert (code, found["case_id"]) == (0, mule)
    assert [len(layer) for layer in found["way"]["layers"]] == [1, 2, 1, 1]
    assert found["alerts_"][0]["reasons"][0]["text"]

    code, out, _ = ran(capsys, "explain", "tx-mule-1", *where)
    assert code == 0 and "+3.4" in out

    code, out, _ = ran(capsys, "measures", *where, "--json")
    assert code == 0 and [row["state"] for row in json.loads(out)] == ["HELD"]


def test_a_name_that_nobody_knows_and_a_folder_without_a_desk_are_one_sentence(
    kafka_told: KafkaSettings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, err = ran(capsys, "case", "nobody", "--kafka_brokers", kafka_told.brokers)
    assert code == 1 and "no case is called 'nobody'" in " ".join(err.split())

    code, _, err = ran(capsys, "cases", "--folder", str(tmp_path))
    assert code == 1 and "no desk keeps its store" in " ".join(err.split())


def test_what_is_pulled_after_a_place_is_what_changed_and_a_webhook_gets_it_once(
    kafka_told: KafkaSettings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    follower = kit.follower(kafka_told, tmp_path)
    follower.catch_up()
    got: list[bytes] = []

    class Far(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(503 if len(got) == 1 else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Far)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    words = ("cases", "--folder", str(tmp_path), "--webhook", url, "--list", "alerts")

    assert ran(capsys, *words)[0] == 3  # the far side is down
    assert ran(capsys, *words)[:2] == (0, "8 lines sent\n")
    assert ran(capsys, *words)[:2] == (0, "0 lines sent\n")
    kit.send(kafka_told, topics.ALERTS, [kit.alert(900, "late")])
    while not follower.step():
        pass
    assert ran(capsys, *words)[:2] == (0, "1 lines sent\n")
    server.shutdown()
    assert got[0] == got[1] and len(got) == 3

    code, out, place = ran(capsys, "cases", "--folder", str(tmp_path), "--after", "", "--limit", "5")
    code, rest, _ = ran(capsys, "cases", "--folder", str(tmp_path), "--after", place.strip())
    with looked(tmp_path) as look:
        count = len(look.store.rows("SELECT * FROM cases"))
    assert code == 0 and len(out.splitlines()) == 5 and len(rest.splitlines()) == count - 5
    follower.close()


def test_an_audit_chain_takes_a_line_whole_or_not_at_all_and_starts_only_if_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, write = tmp_path / "audit.jsonl", os.write
    with closing(Audit(file)) as chain:
        chain.write("lead-1", "lead", "view.queue")
        told = iter((4, OSError(errno.ENOSPC, "No space left on device")))

        def full(to: int, line: bytes) -> int:
            if isinstance(found := next(told), OSError):
                raise found
            return write(to, line[:found])

        monkeypatch.setattr("desk.audit.os.write", full)
        with pytest.raises(StateError, match=r"cannot be written \(No space left on device\)"):
            chain.write("lead-1", "lead", "view.case")
        monkeypatch.setattr("desk.audit.os.write", write)
        chain.write("lead-1", "lead", "leave")

    with closing(Audit(file)) as chain:
        assert chain.count == 2
    file.write_bytes(file.read_bytes().replace(b"view.queue", b"view.cases"))
    with pytest.raises(StateError, match="line 1, is no entry of the audit chain or does not follow"):
        Audit(file)
    with pytest.raises(StateError, match="cannot be read"):
        Audit(tmp_path)


def test_the_audit_command_says_where_the_chain_breaks(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "audit.jsonl"
    chain = Audit(file)
    for what in ("view.queue", "view.case", "leave"):
        chain.write("lead-1", "lead", what)

    assert ran(capsys, "desk", "audit", "--chain", str(file))[:2] == (
        0,
        "3 lines, 0 actions compared, 0 faults\n",
    )

    file.write_bytes(file.read_bytes().replace(b"view.case", b"view.area"))
    code, out, _ = ran(capsys, "desk", "audit", "--chain", str(file))
    assert code == 1 and out.startswith("line 2: was changed\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--after", "", "--list", "alrts"), "there is no list 'alrts'; use one of cases, alerts"),
        (("--after", "nonsense"), "'nonsense' is no place in a list; give the one that came with"),
        (("--after", "f87a5147-²"), "is no place in a list"),
        (("--webhook", "file:///tmp/x"), "it begins with http:// or https://"),
        (("--webhook", "http://127.0.0.1:1/"), "start what listens there, and run this again"),
        (("--webhook", "http://127.0.0.1:1/", "--kafka_brokers", "127.0.0.1:1"), "give its --folder"),
    ],
)
def test_a_list_that_cannot_be_given_says_what_to_do(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    store = Store(tmp_path / "desk.db", TABLES)
    with store.writing() as db:
        db.execute(
            f"INSERT INTO cases SELECT {', '.join(['1'] * len(store.rows('PRAGMA table_info(cases)')))}"
        )
    store.close()

    code, out, err = ran(capsys, "cases", "--folder", str(tmp_path), *words)

    assert code in (1, 3) and out == ""
    assert says in err and "Traceback" not in err


def test_a_place_of_another_build_of_the_store_is_said_to_begin_anew(
    kafka_told: KafkaSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--kafka_brokers", kafka_told.brokers, "--list", "alerts", "--limit", "1")

    code, out, err = ran(capsys, "cases", *where, "--after", "01234567-3")

    assert code == 0 and len(out.splitlines()) == 1
    assert "another build of the store: everything comes again" in err
    assert "everything comes again" not in ran(capsys, "cases", *where, "--after", "")[2]


def test_a_second_desk_in_a_folder_is_kept_out(tmp_path: Path) -> None:
    with (
        alone_in(tmp_path),
        pytest.raises(ConfigError, match=r"another desk keeps its store in .*--folder"),
        alone_in(tmp_path),
    ):
        pass
    with alone_in(tmp_path):
        pass


@pytest.mark.slow
def test_a_desk_that_is_told_to_end_closes_its_store(kafka_told: KafkaSettings, tmp_path: Path) -> None:
    words = ["desk", "run", "--kafka_brokers", kafka_told.brokers, "--folder", str(tmp_path), "--port", "0"]
    started = "import sys; from console.cli import main; sys.argv[0] = 'stopline'; main()"
    with subprocess.Popen(
        [sys.executable, "-c", started, *words, "--create-topics"], stdout=subprocess.PIPE, text=True
    ) as desk:
        assert desk.stdout is not None
        for line in desk.stdout:
            if "stays open" in line:
                break
        desk.terminate()
        said = desk.stdout.read()

    assert (desk.returncode, said) == (0, "The desk closes its store.\n")
    assert (tmp_path / "desk.db.digest").exists() and not (tmp_path / "desk.db-wal").exists()
