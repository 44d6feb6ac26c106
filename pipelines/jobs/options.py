"""What an operator set, read and checked."""

import math
import re
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, get_args

import msgspec
import xxhash
from apache_beam.options.pipeline_options import PipelineOptions

from measures.law.country_file import read_laws
from models.scoring.shelf import open_registry
from pipelines import policy
from pipelines.hot.decision_log.payments import Logged
from pipelines.hot.serving import ModelSource
from pipelines.jobs import arguments
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.reading.bounds import Bound
from pipelines.kafka.reading.start import ByTopic, First, Since
from pipelines.kafka.stated import stated
from pipelines.lookup.following import Followed
from pipelines.network.configured import network
from pipelines.policy import PAST_DAYS_MAX
from pipelines.state.identity import Identity
from pipelines.stores import is_url, local
from pipelines.streams.clues import subscribed
from pipelines.streams.iso20022 import tokens_of
from pipelines.streams.payments import Reading, payments_among, read_as
from pipelines.streams.stream import Begin, Stream
from pipelines.streams.table import STREAMS
from schemas.errors import ConfigError
from schemas.strict_text import is_number

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")

#: Where a log is written before its files go on to an object store.
SPOOL = Path("var/spool")

#: What refills ledgers that a restart lost: messages of the topics, or payments of the decision log.
WarmUpFrom = Literal["topics", "log"]


class StoplineOptions(PipelineOptions):  # type: ignore[misc]
    """Options of the main job."""

    @classmethod
    def _add_argparse_args(cls, parser: ArgumentParser) -> None:
        arguments.add(parser)


@dataclass(frozen=True)
class JobSettings:
    """The options, read once and checked; nothing below reads options or environment.

    `start_said` tells a start that was asked for from the default. Nobody is warned of payments that the
    broker received before `warn_from_us`. `decided` names the offset of each partition below which nothing
    is sent any more (`warmup`).
    `traced` says what the topics that tell of tainted money held at the start, and `refill` since when the
    streams of facts that age are read again, for runners that lose their state; `state_of` is what it is
    state of, for those that keep it. `live`: messages are of now, so that this machine's clock says which of
    their times can be true (`pipelines.streams.clock`). `in_flight` is where its processes note what they
    work on (`pipelines.kafka.reading.in_flight`). `logged` are payments of the log that refill the ledgers.
    `network` is the file that names the operator asked about payers in doubt, "" for none; no replay asks.
    `registry` is what accounts and numbers are looked up in. `decision_log_store` is the URL that finished
    files of the log are handed on to, "" for none.
    """

    kafka: KafkaSettings
    start: First
    warmup_h: float
    models: ModelSource
    policy: policy.Policy
    shards: int
    decision_log: Path | None
    decision_log_share: float
    decision_log_store: str = ""
    decided: Mapping[int, int] = field(default_factory=dict)
    traced: tuple[Bound, ...] = ()
    refill: Since | None = None
    live: bool = False
    warn_from_us: int = 0
    start_said: bool = True
    streams: tuple[Stream, ...] = STREAMS
    state_of: Identity | None = None
    in_flight: str = ""
    warmup_from: WarmUpFrom = "topics"
    logged: Logged | None = None
    network: str = ""
    registry: Followed | None = None

    @property
    def first(self) -> ByTopic:
        """Where reading begins without a checkpoint, as the table of streams says for each topic."""
        begins: dict[Begin, First] = {
            "WHOLE": "earliest",
            "SINCE": self.refill or self.start,
            "COMMITTED": self.start,
        }
        first = {stream.topic: begins[stream.begin] for stream in self.streams}
        if self.logged is not None:
            first[payments_among(self.streams).topic] = self.start
        return ByTopic(tuple(first.items()))

    @classmethod
    def of(cls, options: PipelineOptions) -> "JobSettings":
        """Check the options.

        Raises:
            ConfigError: one cannot be used; says which and how to mend it.

        """
        given = options.view_as(StoplineOptions)
        if not 1 <= given.ledger_shards <= 1024:
            raise ConfigError(f"--ledger_shards must be 1 to 1024, got {given.ledger_shards}")
        if not 0 <= given.decision_log_share <= 1:
            raise ConfigError(f"--decision_log_share must be 0 to 1, got {given.decision_log_share}")
        if not 0 <= given.ledger_warmup_h < math.inf:
            raise ConfigError(f"--ledger_warmup_h must be 0 hours or more, got {given.ledger_warmup_h}")
        if given.clock_past_days is not None and not 1 <= given.clock_past_days <= PAST_DAYS_MAX:
            raise ConfigError(
                f"--clock_past_days must be 1 to {PAST_DAYS_MAX:,} days, got {given.clock_past_days}"
            )
        if given.ledger_warmup_from not in get_args(WarmUpFrom):
            raise ConfigError(f"--ledger_warmup_from must be topics or log, got {given.ledger_warmup_from!r}")
        if given.ledger_warmup_from == "log" and not given.decision_log:
            raise ConfigError("--ledger_warmup_from log needs a --decision_log that keeps the payments")
        if given.ledger_warmup_from == "log" and given.ledger_shards > 1:
            raise ConfigError(
                "--ledger_warmup_from log refills one shard; give --ledger_shards 1, or refill from topics"
            )
        log, store = _log(given.decision_log)
        if store and given.ledger_warmup_from == "log":
            raise ConfigError(f"--ledger_warmup_from log reads a folder of this machine, not {store}")
        if log is not None and log.exists() and not log.is_dir():
            raise ConfigError(f"--decision_log {log} is a file; name a folder")
        return cls(
            kafka=kafka_settings(options),
            start=_start(given.kafka_start or "committed"),
            start_said=bool(given.kafka_start),
            warmup_h=given.ledger_warmup_h,
            models=_models(given.model_bundle, given.model_registry, given.model_registry_trust),
            policy=policy_of(options),
            shards=given.ledger_shards,
            decision_log=log,
            decision_log_store=store,
            decision_log_share=given.decision_log_share,
            warmup_from=given.ledger_warmup_from,
            network=_network(given.network_file),
            streams=_streams(
                given.kafka_payments_topic, given.token_keys, given.token_epoch, given.clues_subscriptions
            ),
            registry=_registry(kafka_settings(options), given),
        )


def in_process_options(words: Sequence[str]) -> PipelineOptions:
    """Return the options that words of a command line give a job of this process.

    On Flink more may be given: its job server knows options that Beam's Python does not.

    Raises:
        ConfigError: neither the job nor Beam knows a word.

    """
    options = PipelineOptions(words, streaming=True)
    unknown: list[str] = []
    known = options.get_all_options(
        add_extra_args_fn=lambda parser: unknown.extend(parser.parse_known_args(words)[1])
    )
    if unknown:
        near = get_close_matches(unknown[0].lstrip("-").partition("=")[0].replace("-", "_"), known, 1)
        hint = f"did you mean --{near[0]}?" if near else "see its --help"
        raise ConfigError(f"neither the job nor Beam has an option {unknown[0]}; {hint}")
    return options


def policy_of(options: PipelineOptions) -> policy.Policy:
    """Read the policy that is asked for; an option may stand in for how far back it believes events.

    Raises:
        ConfigError: an option cannot be used; says which and how to mend it.

    """
    given = options.view_as(StoplineOptions)
    found = policy.load(
        policy.named(given.policy_file, given.country),
        read_laws(Path(given.law_dir) if given.law_dir else None),
        given.language,
        tuple(code.strip() for code in given.institution.split(",") if code.strip()),
    )
    if given.clock_past_days is None:
        return found
    return replace(found, clock=msgspec.structs.replace(found.clock, past_days=given.clock_past_days))


def kafka_settings(options: PipelineOptions) -> KafkaSettings:
    """Read where the brokers are.

    Raises:
        ConfigError: an option cannot be used; says which and how to mend it.

    """
    given = options.view_as(StoplineOptions)
    return stated(
        given.kafka_brokers, given.kafka_security, group=given.kafka_group, client=given.kafka_client,
        security_file=given.kafka_security_file, seal_key=given.seal_key,
    )  # fmt: skip


def _log(place: str) -> tuple[Path | None, str]:
    """Return the folder that a log is written to, and the URL its finished files go on to."""
    if not is_url(place):
        return (Path(place).resolve() if place else None), ""
    return (SPOOL / xxhash.xxh64_hexdigest(place.encode())).resolve(), place


def _models(bundle: str, registry: str, trusted: str) -> ModelSource:
    if bundle and registry:
        raise ConfigError("--model_bundle and --model_registry exclude each other; give one of them")
    if registry:
        return open_registry(Path(registry).resolve(), Path(trusted).resolve() if trusted else None)
    if not bundle:
        raise ConfigError(
            "no model bundle is named; train one with `stopline train` and set --model_bundle or "
            "--model_registry"
        )
    return local(bundle).resolve()


def _streams(topic: str, keys: str, epoch: str, subscriptions: str) -> tuple[Stream, ...]:
    if topic and (not _TOPIC.fullmatch(topic) or topic in {stream.topic for stream in STREAMS[1:]}):
        raise ConfigError(f"--kafka_payments_topic takes the name of a topic of its own, got {topic[:60]!r}")
    file = str(Path(keys).absolute()) if keys else ""
    try:
        tokens_of(file, epoch)
    except ConfigError as error:
        raise ConfigError(f"--token_keys: {error}; on Flink workers need it there too") from error
    owned = str(Path(subscriptions).absolute()) if subscriptions else ""
    try:
        streams = subscribed(STREAMS, owned, file, epoch)
    except ConfigError as error:
        raise ConfigError(f"--clues_subscriptions: {error}") from error
    return read_as(streams, topic, Reading(file, epoch))


def _network(file: str) -> str:
    path = str(Path(file).absolute()) if file else ""
    try:
        network(path)
    except ConfigError as error:
        raise ConfigError(f"--network_file: {error}; on Flink workers need it there too") from error
    return path


def _registry(kafka: KafkaSettings, given: StoplineOptions) -> Followed | None:
    file, keys = given.lists_snapshot, given.lists_keys
    if file and not keys:
        raise ConfigError("--lists_snapshot needs --lists_keys, the public keys of who signs it")
    if not (file or given.lists_follow):
        return None
    return Followed(kafka, Path(file).resolve() if file else None, Path(keys).resolve() if keys else None)


def _start(text: str) -> First:
    named: dict[str, First] = {"committed": "committed", "earliest": "earliest", "latest": "latest"}
    if text in named:
        return named[text]
    if is_number(text):
        return int(text)
    raise ConfigError(f"--kafka_start must be committed, earliest, latest or microseconds UTC, got {text!r}")
