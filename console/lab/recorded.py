"""Rows to train on and to measure with: from a simulated world, or from a decision log and feedback."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa
import typer
from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console

from fixtures.world import World
from models.features import versions
from models.learning import labels
from models.learning.stream import LegRows, Recorded, of_log
from models.learning.train import Windows
from models.scoring.bundle import LEGS
from pipelines.hot import decision_log
from pipelines.jobs.options import kafka_settings
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.preflight import require_listener
from pipelines.kafka.reading.bounds import captured_bounds, chunks_within
from pipelines.policy import Policy
from schemas import strict_json, topics
from schemas.errors import ConfigError
from schemas.feedback import Feedback
from schemas.instants import not_microseconds
from schemas.rows.transfers import of_columns

#: Option of the commands that read feedback or payments from a broker.
KafkaSecurity = Annotated[
    list[str], typer.Option("--kafka_security", help="KEY=VALUE, as of `stopline run`; may be repeated.")
]

#: Options of the commands that work on a decision log and its labels.
FeedbackPlaces = Annotated[
    list[str],
    typer.Option("--feedback", help="Labels of the log: a JSONL file or kafka://host:port; may be repeated."),
]
KnownBy = Annotated[
    str, typer.Option("--known_by", help="Use what was known by this time; default: the newest payment.")
]
PolicyFile = Annotated[Path, typer.Option("--policy_file", help="YAML policy.")]

_KAFKA = "kafka://"
_MONEY = np.dtype([("amount_minor", "i8"), ("currency", "S3")])
_decode = msgspec.json.Decoder(Feedback).decode


class _KnownAt(msgspec.Struct):
    known_at_us: Any = None


def of_world(world: World, policy: Policy) -> Recorded:
    """Return a simulated world as a recorded stream with its labels."""
    transfers = transfers_of(world.payments)
    return Recorded(
        transfers,
        policy.value(transfers),
        world.truth["scam"].to_numpy(zero_copy_only=False),
        world.truth["laundering"].to_numpy(zero_copy_only=False),
    )


def transfers_of(payments: pa.Table) -> np.ndarray:
    """Return a table of payments as TRANSFER rows."""
    columns = {name: payments[name].to_pylist() for name in payments.schema.names}
    return of_columns(columns, payments.num_rows)


def of_decision_log(folder: Path, leg: str, policy: Policy) -> LegRows:
    """Return a leg's decision log without labels.

    Raises:
        ConfigError: there is no log, another release wrote it, or the policy has no rate for a currency.

    """
    try:
        table = decision_log.read(existing_log(folder), leg.upper())  # type: ignore[arg-type]
    except pa.ArrowInvalid as error:
        raise ConfigError(
            f"{folder} was logged by another release, with other columns; give a log of this release"
        ) from error
    if not table.num_rows:
        raise ConfigError(
            f"{folder} holds no decision log of {leg} legs; name the folder given to "
            "`stopline run --decision_log`"
        )
    money = np.empty(table.num_rows, _MONEY)
    for name in _MONEY.names or ():
        money[name] = table[name].to_numpy(zero_copy_only=False)
    value = policy.value(money)
    if np.isnan(value).any():
        unknown = sorted(set(money["currency"][np.isnan(value)].astype(str).tolist()))
        raise ConfigError(f"the policy has no rate for {', '.join(unknown)}, which {folder} holds; add one")
    held = versions(leg)
    return LegRows(
        txn_id=table["txn_id"].to_numpy(zero_copy_only=False).astype("S35"),
        at_us=table["at_us"].to_numpy(),
        value=value,
        features=held,
        X=np.asfortranarray(np.column_stack([table[name].to_numpy() for name in held])),
        y=np.full(table.num_rows, labels.NONE, np.int8),
        weight=table["weight"].to_numpy(),
    )


def labelled_log(
    folder: Path, feedback: Sequence[Feedback], policy: Policy, *, known_by: str, delay_days: float
) -> dict[str, LegRows]:
    """Return both legs of a decision log with the labels known by `known_by`, or by its newest row if ""."""
    found = labels.table(feedback)
    rows = {leg: of_decision_log(folder, leg, policy) for leg in LEGS}
    by_us = instant_us(known_by) if known_by else max(int(each.at_us[-1]) for each in rows.values())
    return {
        leg: of_log(leg, each, found, known_by_us=by_us, delay_days=delay_days) for leg, each in rows.items()
    }


def existing_log(folder: Path) -> Path:
    """Return the folder of a decision log.

    Raises:
        ConfigError: it is not there.

    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder; name the one given to `stopline run --decision_log`")
    return folder


def log_feedback(
    folder: Path | None, places: Sequence[str], security: Sequence[str], known_by: str
) -> list[Feedback]:
    """Return the feedback that labels a decision log, none without a log; see `read_feedback`.

    Raises:
        ConfigError: the log is not there, has no labels named, or labels have no log.

    """
    if folder is None:
        if places or known_by:
            raise ConfigError("--feedback and --known_by belong to a log; name it with --decision_log")
        return []
    existing_log(folder)
    if not places:
        raise ConfigError("a decision log has no labels of its own; add --feedback FILE or kafka://host:port")
    return read_feedback(places, security)


def read_feedback(places: Iterable[str], security: Sequence[str] = ()) -> list[Feedback]:
    """Return the feedback of JSONL files and of brokers (`kafka://host:port`); says what it cannot read.

    Raises:
        ConfigError: a file is missing.
        BrokerError: a broker or its topic is.

    """
    found: list[Feedback] = []
    for place in places:
        refused, read = [], 0
        for number, value in _values(place, security):
            read += 1
            try:
                found.append(_finding(value))
            except ValueError as error:
                refused.append(f"record {number}: {error}")
        if refused:
            Console(stderr=True).print(
                f"{place}: {len(refused)} of {read} records are no feedback and left out; {refused[0]}",
                highlight=False, soft_wrap=True, markup=False,
            )  # fmt: skip
    return found


def _values(place: str, security: Sequence[str]) -> Iterable[tuple[int, bytes]]:
    if place.startswith(_KAFKA):
        return enumerate(topic_values(brokers_at(place.removeprefix(_KAFKA), security), topics.FEEDBACK), 1)
    try:
        return list(strict_json.lines(Path(place)))
    except ConfigError as error:
        raise ConfigError(f"feedback {error}; name a JSONL file or kafka://host:port") from error


def _finding(value: bytes) -> Feedback:
    """Read one finding; raises ValueError if it is none, or known at a time in another unit."""
    try:
        found = _decode(strict_json.checked(value))
    except msgspec.ValidationError as error:
        known_at = msgspec.json.decode(value, type=_KnownAt, strict=True).known_at_us
        hint = not_microseconds(known_at) if isinstance(known_at, int) else ""
        raise ValueError(f"known_at_us {hint}" if hint else str(error)) from error
    if hint := not_microseconds(found.known_at_us):
        raise ValueError(f"known_at_us {hint}")
    return found


def brokers_at(address: str, security: Sequence[str]) -> KafkaSettings:
    """Return the settings of brokers given as on a command line.

    Raises:
        ConfigError: an option cannot be used.
        BrokerError: nobody listens there.

    """
    flags = ["--kafka_brokers", address, *(f"--kafka_security={pair}" for pair in security)]
    settings = kafka_settings(PipelineOptions(flags))
    require_listener(settings)
    return settings


def topic_values(settings: KafkaSettings, topic: str) -> list[bytes]:
    """Return the values that a topic holds now, partition by partition."""
    bounds = captured_bounds(settings, [topic])
    return [value for chunk in chunks_within(settings, bounds) for value in chunk.values]


def numbers(
    text: str, option: str, wanted: str, count: int = 0, *, positive: int = 0, whole: bool = False
) -> list[float]:
    """Read numbers from 0 on with commas between: `count` of them unless 0, the first `positive` above 0.

    >>> numbers("10,5,0", "--windows", "train,test,delay in days, such as 10,5,1", 3, positive=2)
    [10.0, 5.0, 0.0]

    Raises:
        ConfigError: it is something else; the message says what is `wanted`.

    """
    with suppress(ValueError):
        found = [float(part) for part in text.split(",")]
        fits = count in (0, len(found)) and all(0 <= each < np.inf for each in found)
        if fits and all(found[:positive]) and not (whole and any(each % 1 for each in found)):
            return found
    raise ConfigError(f"{option} takes {wanted}, got {text!r}")


def windows_of(text: str) -> Windows:
    """Read the lengths of a time split, `train,validation,test,delay` in days.

    >>> windows_of("63,7,7,7")
    Windows(train=63.0, validation=7.0, test=7.0, delay=7.0)

    Raises:
        ConfigError: it is something else.

    """
    wanted = "train,validation,test,delay in days, such as 63,7,7,7"
    return Windows(*numbers(text, "--windows", wanted, 4, positive=3))


def instant_us(text: str) -> int:
    """Read an ISO 8601 time as microseconds UTC; without a zone it is UTC.

    >>> instant_us("1970-01-02")
    86400000000

    Raises:
        ConfigError: it is something else.

    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no time; write it as 2026-01-31 or 2026-01-31T08:00+08:00") from error
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return round(at.timestamp() * 1e6)
