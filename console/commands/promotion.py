"""`stopline registry promote`: a bundle passes the gate and takes a role."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from console import options
from models.features import computable
from models.scoring.bundle import load
from models.scoring.shelf import Role, open_registry, read_key
from pipelines import policy

app = typer.Typer(add_completion=False)


@app.command()
def promote(
    bundle: options.BundleFolder,
    *,
    registry: options.RegistryFolder = Path("var/registry"),
    key: options.RegistryKey = Path("registry.jwk"),
    trusted: options.RegistryTrust = None,
    role: Annotated[Role, typer.Option(help="live acts, shadow is only measured.")] = "live",
    decision_log: options.LogFolder = None,
    feedback: options.FeedbackPlaces = [],  # noqa: B006
    delay_days: Annotated[
        float, typer.Option(help="Days until a payment without a label is good.", min=0)
    ] = 7.0,
    policy_file: options.PolicyFile = None,
    country: options.Country = "",
    force: Annotated[str, typer.Option(help="Pass the gate all the same, for this reason, recorded.")] = "",
) -> None:
    """Sign a bundle, keep it in the registry and put it into a role; what was live becomes previous.

    Before a bundle acts it passes a gate: every outcome of the policy up to DELAY can be reached; and in
    frozen worlds of the mix nobody trains on, and on --decision_log with --feedback, it holds no less scam
    value than the live one at 5 good payments of 10,000, beyond chance. --force "reason" is recorded.

    Example: stopline registry promote var/bundle --registry var/registry --key registry.jwk
    """
    # The gate loads Beam, which the list of commands need not wait for.
    from console.lab import gate  # noqa: PLC0415
    from console.lab.feedback import log_feedback  # noqa: PLC0415
    from console.lab.rows import DecisionLog, labelled_log  # noqa: PLC0415

    opened, private = open_registry(registry, trusted), read_key(key)
    if role == "live" and not force:
        rules = policy.load(policy.named(policy_file, country))
        candidate = load(bundle, features=computable())
        # A pointer that is refused is mended by promoting; what it was is then not known.
        before = opened.readable("live") or opened.readable("previous")
        acting = opened.bundle(before, features=computable()) if before else None
        labels = log_feedback(decision_log, feedback, [], "")

        def labelled() -> gate.RowsByLeg:
            log = DecisionLog(decision_log or Path())
            return labelled_log(log, labels, rules, known_by="", delay_days=delay_days)

        with Console(stderr=True).status("holding it against what is live"):
            gate.require_passed(candidate, acting, rules, labelled if decision_log else None)
    digest = opened.add(bundle, private)
    opened.promote(digest, private, role=role)
    if force:
        gate.record(registry, digest, force)
    typer.echo(f"{role}: {digest[:12]}; jobs with --model_registry {registry} follow")
