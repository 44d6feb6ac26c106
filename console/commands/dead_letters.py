"""`stopline dead-letters`: messages that were refused."""

from typing import Annotated

import typer
from rich.console import Console

from console.lab import letters
from console.lab.brokers import brokers_at
from console.options import Brokers, KafkaSecurity, RefusedFor, RefusedOf
from console.views import letters as views
from schemas.errors import ConfigError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Look at refused messages; send them again."
)


@app.command("list")
def list_(
    kafka_brokers: Brokers,
    *,
    kafka_security: KafkaSecurity = [],  # noqa: B006 - Typer's way
    code: RefusedFor = "",
    topic: RefusedOf = "",
    last: Annotated[int, typer.Option(help="So many of the newest.", min=1)] = 20,
) -> None:
    """Count refused messages by topic and reason, and list the newest.

    Example: stopline dead-letters list --kafka_brokers 127.0.0.1:9092
    """
    found = letters.chosen(brokers_at(kafka_brokers, kafka_security), code=code, topic=topic)
    if not found:
        typer.echo("no message was refused")
        return
    Console().print(views.counted(found))
    Console().print(views.newest(found[-last:]))


@app.command()
def show(
    letter: Annotated[str, typer.Argument(help="Id, or the place as topic/partition@offset.")],
    kafka_brokers: Brokers,
    *,
    kafka_security: KafkaSecurity = [],  # noqa: B006 - Typer's way
) -> None:
    """Show one refused message: where it stands, what is wrong, what to do, and its value.

    The value may hold personal data.

    Example: stopline dead-letters show dead_abc --kafka_brokers 127.0.0.1:9092
    """
    typer.echo(views.told(letters.one(brokers_at(kafka_brokers, kafka_security), letter)))


@app.command("send-again")
def send_again(
    kafka_brokers: Brokers,
    *,
    kafka_security: KafkaSecurity = [],  # noqa: B006 - Typer's way
    letter: Annotated[list[str], typer.Argument(help="Ids or places; or choose by --code or --topic.")] = [],  # noqa: B006 - Typer's way
    code: RefusedFor = "",
    topic: RefusedOf = "",
) -> None:
    """Send refused messages again as they were, each to its topic and partition.

    Mend first what refused them: a rate in the policy, a country file, a limit. What is wrong itself is
    refused again; its producer sends it right.

    Example: stopline dead-letters send-again --code UNKNOWN_CURRENCY --kafka_brokers 127.0.0.1:9092
    """
    settings = brokers_at(kafka_brokers, kafka_security)
    if not (letter or code or topic):
        raise ConfigError("nothing is chosen; name letters by id or place, or choose with --code or --topic")
    found = [letters.one(settings, each) for each in letter]
    if code or topic:
        found += letters.chosen(settings, code=code, topic=topic)
    sent = letters.send_again(settings, found)
    typer.echo(f"{sent:,} messages sent again")
