"""`stopline replay`: a recorded scenario through the main job, compared with what it gave before."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from console.lab.replaying import differences, emitted, logged
from console.options import Country, Language, LawDir, ModelBundle, PolicyFile
from fixtures.scenario import load, path_of
from measures.law.country_file import read_laws
from models import SHIPPED
from pipelines import policy
from pipelines.hot import serving
from schemas.errors import ConfigError

app = typer.Typer(add_completion=False)

DIFFERENCES_SHOWN = 20


@app.command()
def replay(
    scenario: Annotated[
        str, typer.Argument(help="Name of a scenario in fixtures/scenarios, or a YAML file like theirs.")
    ],
    *,
    update: Annotated[bool, typer.Option(help="Write what it gives now as what is expected.")] = False,
    model_bundle: ModelBundle = SHIPPED,
    policy_file: PolicyFile = None,
    country: Country = "",
    language: Language = "",
    law_dir: LawDir = None,
    decision_log: Annotated[
        Path | None,
        typer.Option(
            "--decision_log",
            help="New folder for decision log and feedback.jsonl.",
        ),
    ] = None,
    decision_log_share: Annotated[
        float, typer.Option("--decision_log_share", help="Share of unflagged accounts the log keeps.")
    ] = 1.0,
) -> None:
    """Run a scenario from its first payment to its last and compare alerts, warnings and dead letters.

    All partitions are merged by event time, so every run gives the same records, byte for byte. Exit code 1
    if they differ from the scenario's expected.jsonl. With --decision_log it is a source of training rows:
    days of `history_days` only fill the ledgers and are not in the log.

    Example: stopline replay police_call
    """
    console = Console(highlight=False, soft_wrap=True, markup=False)
    chosen = load(scenario)
    rules = policy.load(policy.named(policy_file, country), read_laws(law_dir), language)
    serving.check(model_bundle.resolve(), rules)
    if decision_log is not None:
        labels = logged(chosen, model_bundle, decision_log, decision_log_share, rules)
        console.print(f"decision log and feedback.jsonl with {labels:,} labels in {decision_log}")
        return
    file = path_of(scenario).with_name("expected.jsonl")
    if not update and not file.exists():
        raise ConfigError(f"{file} is not there to compare with; write it with --update")
    given = emitted(chosen, model_bundle, rules=rules)
    if update:
        file.write_text("".join(f"{line}\n" for line in given), encoding="utf-8")
        console.print(f"{file.name} of {scenario} now holds {len(given)} records")
        return
    found = differences(file.read_text(encoding="utf-8").splitlines(), given)
    if not found:
        console.print(f"{scenario}: {len(given)} records, all as expected")
        return
    for line in found[:DIFFERENCES_SHOWN]:
        console.print(line)
    console.print(f"{scenario}: {len(found)} lines differ; accept them with --update")
    raise typer.Exit(1)
