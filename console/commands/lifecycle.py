"""`stopline lifecycle`: the legal engine as a job, and what its operator needs: keys and country files."""

import time
from pathlib import Path
from typing import Annotated

import apache_beam as beam
import msgspec
import typer
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from rich.console import Console

from console.cli import BEAM_FLAGS
from console.lab import casework
from console.lab.ending import end_on_signals
from measures.authority.keys import KeyEntry, public_entry, read_keys
from measures.authority.signing import sign
from measures.law.calendar import EPOCH, MICROSECOND
from measures.law.country_file import jurisdiction, load
from pipelines.in_process import runner
from pipelines.jobs.options import in_process_options, kafka_settings
from pipelines.kafka.port import KafkaSettings, NewTopic, open_producer
from pipelines.kafka.preflight import problems, require_listener
from pipelines.kafka.reading.bounded import ReadChunksBounded
from pipelines.kafka.reading.source import ReadChunks
from pipelines.lifecycle import journal
from pipelines.lifecycle.job import build, write
from pipelines.lifecycle.settings import LifecycleSettings, no_clock, wall_clock_us
from schemas import strict_json, topics
from schemas.errors import BrokerError, ConfigError
from schemas.order import Actor, Order

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Carry out legal orders: keys, country files, the job."
)

app.command()(casework.demo)

YEAR_US = 365 * 86_400_000_000

#: Orders are few and urgent: a bundle is cut after this long, and what it read goes on.
READ_TIME_S = 0.1

KeysFile = Annotated[Path, typer.Option(help="JSON file of the authorities' public keys.")]


@app.command(context_settings=BEAM_FLAGS)
def run(
    context: typer.Context,
    keys: KeysFile,
    partitions: Annotated[int, typer.Option(help="Partitions every topic must have.", min=1)] = 4,
    create_topics: Annotated[bool, typer.Option(help="Create topics that are missing.")] = False,
    replay: Annotated[
        bool, typer.Option(help="Read what is there, then stop; no journal is taken over.")
    ] = False,
) -> None:
    """Read orders and account messages; write the journal of measures, replies, refunds, dead letters.

    Starts where the journal on topic `measures` ends: accounts, order numbers and due times are rebuilt
    from it. At-least-once: after a crash messages may be read again; their replies then say DUPLICATE.
    Everything else is an option of Kafka or of Beam: --kafka_brokers, --kafka_group, --kafka_client,
    --kafka_security.

    Example: stopline lifecycle run --kafka_brokers 127.0.0.1:9092 --keys keys.json --create-topics
    """
    options = in_process_options(context.args)
    kafka = kafka_settings(options)
    ring = read_keys(keys)
    preflight(kafka, partitions, create_topics)
    if replay:
        settings = LifecycleSettings(kafka, ring, clock=no_clock)
        with beam.Pipeline(runner=runner.in_process(), options=options) as pipeline:
            read = ReadChunksBounded(kafka, *topics.LIFECYCLE_READ)
            write(build(pipeline | "Read" >> read, settings), settings)
        return
    settings = LifecycleSettings(kafka, ring, journal.journal_bounds(kafka), ticks=True)
    known = settings.past()
    woken = journal.wake(kafka, known, wall_clock_us())
    end_on_signals(Console().print)
    Console().print(f"{len(known.kept):,} accounts rebuilt from the journal, {woken:,} with terms running")
    with beam.Pipeline(runner=runner.in_process(), options=options) as pipeline:
        read = ReadChunks(kafka, *topics.LIFECYCLE_READ, chunk_rows=200, max_read_time_s=READ_TIME_S)
        write(build(pipeline | "Read" >> read, settings), settings)


def preflight(kafka: KafkaSettings, partitions: int, create: bool) -> None:
    """Check broker and topics before anything is read.

    Raises BrokerError if they are not as needed; says the command that mends it.
    """
    names = (*topics.LIFECYCLE_READ, *topics.LIFECYCLE_WRITTEN)
    wanted = [NewTopic(name, partitions, config=topics.TOPIC_CONFIG.get(name, {})) for name in names]
    if found := problems(kafka, wanted, create_topics=create):
        raise BrokerError("; ".join(found))


@app.command()
def keygen(
    authority: Annotated[str, typer.Option(help="Id of the authority the key signs for.")],
    country: Annotated[str, typer.Option(help="Jurisdiction, e.g. CN.")],
    keys: KeysFile,
    *,
    actor: Annotated[Actor, typer.Option(help="What the authority is.")] = Actor.POLICE,
    out: Annotated[Path, typer.Option(help="Where the private key goes.")] = Path("private.jwk"),
    years: Annotated[int, typer.Option(help="How long the key is good, from now.", min=1)] = 1,
) -> None:
    """Make a signing key: the private half in a file of its own, the public half added to the key file.

    To rotate, make a second key while the first is still good, and sign with it from then on.

    Example: stopline lifecycle keygen --authority police-1 --country CN --keys keys.json
    """
    jurisdiction(country)
    known: tuple[KeyEntry, ...] = read_keys(keys) if keys.exists() else ()
    if out.exists():
        raise ConfigError(f"{out} exists; name another file with --out")
    private = OKPKey.generate_key("Ed25519")
    now = time.time_ns() // 1000
    entry = public_entry(
        private,
        authority_id=authority,
        key_id=f"{authority}-{now // 1_000_000}",
        actor=actor,
        country=country,
        good_from=_iso(now),
        good_until=_iso(now + years * YEAR_US),
    )
    out.touch(mode=0o600)
    out.write_bytes(msgspec.json.encode(private.as_dict(private=True) | {"kid": entry.key_id}))
    keys.write_bytes(msgspec.json.format(msgspec.json.encode([*known, entry])))
    read_keys(keys)
    typer.echo(f"key {entry.key_id}: private half in {out}, public half in {keys}")


@app.command(context_settings=BEAM_FLAGS)
def send(
    context: typer.Context,
    order: Annotated[Path, typer.Argument(help="An order as JSON, see schemas/json/order.v1.json.")],
    key: Annotated[Path, typer.Option(help="Private key, as keygen wrote it.")],
) -> None:
    """Sign an order as its authority would and send it to topic `orders`.

    The reply comes on topic `measures`. Kafka is named as for run: --kafka_brokers and so on.

    Example: stopline lifecycle send order.json --key private.jwk --kafka_brokers 127.0.0.1:9092
    """
    kafka = kafka_settings(in_process_options(context.args))
    try:
        signing = msgspec.json.decode(strict_json.read(key), type=dict[str, str])
        private = OKPKey.import_key({"kty": "OKP", **signing})
        given = msgspec.json.decode(strict_json.read(order), type=Order)
        message = sign(given, private, signing.get("kid", ""))
    except (msgspec.MsgspecError, JoseError, ValueError) as error:
        raise ConfigError(
            f"{order} cannot be signed with {key}: {error}; write the order as in "
            "schemas/json/order.v1.json, and make a key with: stopline lifecycle keygen"
        ) from error
    require_listener(kafka)
    producer = open_producer(kafka)
    target = given.target.account_token.encode()
    producer.send(topics.ORDERS, target, message, (), wall_clock_us())
    producer.flush()
    typer.echo(f"order {given.order_no} sent; its reply comes on topic {topics.MEASURES}")


@app.command()
def law(file: Annotated[Path, typer.Argument(help="A country file (YAML).")]) -> None:
    """Check a country file; a fault is told by line and rule.

    Example: stopline lifecycle law measures/law/countries/cn.yaml
    """
    found = load(file)
    rules = found.versions()
    versions = sum(len(each) for each in rules.values())
    typer.echo(f"{found.id} {found.name}: {len(rules)} rules in {versions} versions, in order")


def _iso(at_us: int) -> str:
    return (EPOCH + at_us * MICROSECOND).isoformat(timespec="seconds")
