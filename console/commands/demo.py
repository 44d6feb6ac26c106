"""`stopline demo`: a simulated world through the real job, on a broker of its own, in under a minute."""

from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from console.lab import summary
from console.lab.showing import shown
from console.lab.story import story
from console.lab.values import terminal_language
from console.options import Country, Language, ModelBundle, PolicyFile
from console.views import demo as views
from console.views.drawing import draw
from console.web.serve import beside, wait
from fixtures.world import lately, simulate
from models import SHIPPED
from models.scoring import bundle
from pipelines import policy
from pipelines.hot import serving
from pipelines.received import wall_clock_us
from schemas.units import DAY_US

app = typer.Typer(add_completion=False)


@app.command()
def demo(
    *,
    seed: Annotated[int, typer.Option(help="Seed of the world.", min=0)] = 2,
    days: Annotated[int, typer.Option(help="Days to watch.", min=1)] = 3,
    history_days: Annotated[int, typer.Option(help="Days before that only fill the ledgers.", min=0)] = 21,
    accounts: Annotated[int, typer.Option(help="Accounts to simulate.")] = 10_000,
    rate: Annotated[
        int, typer.Option(help="Payments a second to watch; 0 is as fast as possible.", min=0)
    ] = 3_000,
    model_bundle: ModelBundle = SHIPPED,
    policy_file: PolicyFile = None,
    country: Country = "",
    language: Language = "",
    desk: Annotated[bool, typer.Option(help="Open the desk's pages beside it.")] = True,
    picture: Annotated[Path | None, typer.Option(help="Draw what is shown to this SVG file, too.")] = None,
) -> None:
    """Watch scams being stopped: simulated days at high speed, then a scoreboard.

    Everything is real but the people: an embedded Kafka broker, `stopline run`, the jobs of law, casework and
    victims, the desk. Alerts and pages speak the terminal's language if the country does, else English.

    Example: stopline demo --seed 3 --rate 0
    """
    console = Console()
    file = policy.named(policy_file, country)
    spoken = language or ("" if policy_file else terminal_language(policy.load(file).law.languages))
    rules = policy.load(file, language=spoken)
    flags = ["--policy_file", str(file), *(("--language", spoken) if spoken else ())]
    serving.check(model_bundle.resolve(), rules)
    with ExitStack() as stack:
        with console.status("simulating people, shops, scammers and mules") as status:
            begins = lately(all_days := history_days + days, wall_clock_us())
            day = shown(
                lambda: simulate(seed, all_days, accounts, begins).paid_in(rules.currency),
                begins + history_days * DAY_US,
                law=rules.law.id, bundle=model_bundle, flags=flags, rate=rate, say=status.update,
                beside=partial(beside, rules, file, model_bundle, console.print) if desk else nullcontext,
            )  # fmt: skip
            world, board, moments = stack.enter_context(day)
        with Live(console=console, refresh_per_second=4) as live:
            for moment in moments:
                live.update(shows := views.picture(board, moment, rules.currency))
        console.line(0 if console.is_terminal else 1)  # Rich ends what is live on a terminal only
        hard = summary.kept(model_bundle, bundle.load(model_bundle).version)
        console.print(*(end := views.ending(board, story(board, world.payments), rules, hard)), sep="\n")
        if picture is not None:
            draw(picture, [shows, *end])
        if desk and console.is_terminal:
            wait(console.print)
