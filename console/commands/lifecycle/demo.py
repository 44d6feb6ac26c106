"""`stopline lifecycle demo`: reported scams of a simulated world become stop orders at its banks."""

from typing import Annotated

import typer
from rich.console import Console

from console.lab.casework import LAW, answered
from console.lab.values import terminal_language
from console.options import Language
from console.views import casework
from fixtures.world import simulate
from measures.law.country_file import jurisdiction
from schemas.errors import ConfigError

app = typer.Typer(add_completion=False)


@app.command()
def demo(
    *,
    seed: Annotated[int, typer.Option(help="Seed of the world.", min=0)] = 2,
    days: Annotated[int, typer.Option(help="Days to simulate.", min=1)] = 3,
    accounts: Annotated[int, typer.Option(help="Accounts to simulate.")] = 2_000,
    language: Language = "",
) -> None:
    """Watch orders being carried out: victims report, police order, simulated banks stop.

    The banks write what they know of the accounts that victims paid to topic `accounts`; orders are signed
    and come half an hour after each report; the job runs over both, on an embedded Kafka broker. Holders are
    told in the terminal's language if the country speaks it, else in English.

    Example: stopline lifecycle demo --seed 3 --language en
    """
    console = Console()
    languages = jurisdiction(LAW).languages
    if language and language not in languages:
        raise ConfigError(f"{language!r} is not spoken by {LAW}; use one of {', '.join(languages)}")
    spoken = language or terminal_language(languages)
    found = answered(simulate(seed=seed, days=days, accounts=accounts, scam_rate=0.005), spoken)
    console.print(f"{found.told:,} account messages of simulated banks, {found.orders:,} stop orders")
    console.print(casework.table(found))
    if found.notice:
        console.print(casework.told(found.notice))
