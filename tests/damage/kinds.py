"""What a job keeps in files, and how it reads them back: each kind is made, and used as a job uses it."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
from joserfc.jwk import OKPKey

from desk.audit import Audit
from desk.projections.alerts import PROJECTION as ALERTS
from desk.projections.projection import Message, Place
from desk.projections.table import TABLES
from desk.store import Store, unpacked
from models.ledgers.parties import PAYERS
from models.scoring.shelf import PUBLIC_KEY, Registry, open_registry
from pipelines.flink import journal
from pipelines.flink.cluster import Cluster
from pipelines.hot.decision_log import payments
from pipelines.hot.decision_log.append import LogWriter
from pipelines.hot.decision_log.frames import FramesFile
from pipelines.hot.decision_log.payments import Logged
from pipelines.hot.decision_log.read import read as read_log
from pipelines.hot.decision_log.rows import schema
from pipelines.kafka.reading.in_flight import InFlight
from pipelines.state.shard_state import Tables
from pipelines.state.store import BeamStore
from schemas.rows.transfers import TRANSFER
from schemas.units import DAY_US, HOUR_US
from tests.desk.kit import alert, ground
from tests.hotpath.states import Shard, Value
from tests.hotpath.test_shard_state import OF, blocks_of
from tests.kafka.test_in_flight import chunk
from tests.models.kit import save_bundle

KEY = OKPKey.generate_key("Ed25519")
T0_US = 20_000 * DAY_US


class Kind(NamedTuple):
    """State of a kind: `make` writes its files, `use` reads them as a job does when it starts.

    `deletable`: a file that is gone is taken for one that retention took. `derived`: all of it is made anew
    from elsewhere, so that a file beside the damaged one may go, too.
    """

    make: Callable[[Path], None]
    use: Callable[[Path], Any]
    deletable: bool = False
    derived: bool = False


def _log(folder: Path) -> None:
    """Two days of payments as Parquet, and a day of decisions that its process did not finish."""
    writer, rows = LogWriter(folder), np.zeros(40, TRANSFER)
    rows["at_us"] = T0_US + np.arange(40) * HOUR_US
    rows["offset"], rows["currency"] = np.arange(40), b"CNY"
    writer.add(payments.block(rows))
    writer.close()
    columns = schema("CREDIT")
    batch = pa.table({each.name: _some(each.type) for each in columns}, schema=columns).to_batches()[0]
    file = FramesFile(folder / "day=2024-10-04" / "_credit-1-a-0.frames")
    file.add(columns.serialize(), batch.serialize(), batch.serialize())
    file.close()


def _some(kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):
        return pa.array(["a", "b"], kind)
    return pa.array([T0_US + DAY_US, T0_US + DAY_US + 1] if pa.types.is_int64(kind) else [0, 1]).cast(kind)


def _log_used(folder: Path) -> Any:
    warm = [rows[["at_us", "offset"]].tolist() for rows in payments.payments(Logged(folder, {0: 100}), 30)]
    read = read_log(folder, "CREDIT")
    return warm, repr(read.rows.to_pylist()), read.left_out  # nan is not nan


def _registry(folder: Path) -> None:
    (folder / "registry").mkdir()
    public = OKPKey.import_key(KEY.as_dict(private=False))
    (folder / "registry" / PUBLIC_KEY).write_bytes(msgspec.json.encode(public.as_dict(private=False)))
    registry = Registry(folder / "registry", public)
    for number in (1, 2):
        save_bundle(folder / f"made-{number}", created=number)
        registry.promote(registry.add(folder / f"made-{number}", KEY), KEY)
    for number in (1, 2):
        for file in (folder / f"made-{number}").iterdir():
            file.unlink()


def _registry_used(folder: Path) -> Any:
    return open_registry(folder / "registry").load("live").digest


def _states(folder: Path) -> None:
    cluster = Cluster(home=folder)
    (folder / "jobs").mkdir()
    for number, job in enumerate(("a" * 32, "b" * 32)):
        for checkpoint in (1, 2):
            state = folder / "checkpoints" / job / f"chk-{2 * number + checkpoint}"
            state.mkdir(parents=True)
            (state / "_metadata").write_bytes(b"of Flink")
        journal.submitted("stopline", cluster, job, None, b'{"cluster_id":"A"}')
    journal.keep("stopline", cluster)


def _states_used(folder: Path) -> Any:
    cluster = Cluster(home=folder)
    if (state := journal.newest_state("stopline", cluster)) is None:
        return journal.lost("stopline", cluster) and "refused"
    return state.name, bytes(journal.read("stopline", cluster).of)


def _in_flight(folder: Path) -> None:
    for number in (1, 2, 3):
        (folder / f"{10**8 + number}.json").write_text('[["payments", 0, 5, 9]]')
    InFlight(folder)


def _in_flight_used(folder: Path) -> Any:
    return InFlight(folder).begin("o", chunk([b"x"] * 20)).tolist()


def _shard(folder: Path) -> None:
    """The entries of a shard's state, a file each."""
    shard, head = Shard(), Value()
    for number in range(4):
        store = BeamStore(Tables(), OF)
        store.open(0, head, {"payers": shard.logs})
        store.add(PAYERS, 0, *blocks_of(PAYERS, 1 + number % 2))
        store.save()
    (folder / "head").write_bytes(head.value or b"")
    for which, log in enumerate(shard.logs):
        for place, entry in enumerate(log.items):
            (folder / f"log-{which}-{place:03}").write_bytes(entry)


def _shard_used(folder: Path) -> Any:
    shard, head = Shard(), Value()
    head.value = (folder / "head").read_bytes() if (folder / "head").exists() else None
    for which, log in enumerate(shard.logs):
        log.items = [path.read_bytes() for path in sorted(folder.glob(f"log-{which}-*"))]
    store = BeamStore(Tables(), OF)
    store.open(0, head, {"payers": shard.logs})
    return store.known(PAYERS, 0).filled.tobytes()


def _desk(folder: Path) -> None:
    """The store of a desk that stopped, with some hundred alerts."""
    with closing(Store(folder / "desk.db", TABLES)) as store, store.writing() as db:
        places = (Place(ALERTS.topic, 0, number) for number in range(300))
        alerts = [(place, alert(place.offset, f"mule-{place.offset % 40}")) for place in places]
        messages = [Message(place, msgspec.json.encode(each), each) for place, each in alerts]
        ALERTS.put(db, ground(), messages)


def _desk_used(folder: Path) -> Any:
    with closing(Store(folder / "desk.db", TABLES)) as store:
        rows = store.rows("SELECT * FROM alerts ORDER BY alert_id")
        return [(*tuple(row)[:-1], unpacked(row["record"])) for row in rows] if rows else []


def _audit(folder: Path) -> None:
    with closing(Audit(folder / "audit.jsonl")) as chain:
        for number in range(30):
            chain.write("lead-1", "lead", "case", {"case": f"c-{number}"})


def _audit_used(folder: Path) -> Any:
    with closing(Audit(folder / "audit.jsonl")) as chain:
        return chain.count


KINDS: dict[str, Kind] = {
    "decision log": Kind(_log, _log_used, deletable=True),
    "model registry": Kind(_registry, _registry_used),
    "states on Flink": Kind(_states, _states_used, deletable=True),
    "messages under way": Kind(_in_flight, _in_flight_used),
    "shard of a ledger": Kind(_shard, _shard_used),
    "store of the desk": Kind(_desk, _desk_used, derived=True),
    "audit chain": Kind(_audit, _audit_used, deletable=True),
}
