"""Model and policy: what decides now, how often it was right, what another policy would have done."""

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException
from fastapi.responses import Response

from console.lab.trying import Trials
from console.web.visit import Acted, Seen, Visit, back
from desk.measuring import deciding, outcomes_by_model
from pipelines import policy
from schemas.errors import ConfigError

router = APIRouter()

#: What is told of both policies, in this order; the words are `trial.<name>`.
COUNTS = ("delayed", "held", "stopped", "warned", "innocent_held", "customers_disturbed", "braked")

#: No policy file is longer, characters.
POLICY_MAX = 100_000


@router.get("/model", name="model")
def model(visit: Seen) -> Response:
    """Show which models and policies decided, and what people found of their alerts."""
    return visit.page(
        "model.html", found=outcomes_by_model(visit.desk.store),
        took=deciding(visit.desk.store, visit.desk.clock.column.removeprefix("since_")),
        people=visit.desk.laws.of(visit.desk.country).on(visit.now_us).people, currency=_currency(visit),
        minutes=visit.desk.service_minutes, outcomes=policy.OUTCOMES, stamp=visit.site.policy_stamp,
        trial=visit.site.trials.now if visit.site.trials else None, counts=COUNTS,
    )  # fmt: skip


@router.get("/model/trial", name="trial")
def trial(visit: Seen) -> Response:
    """Show how far the newest trial of a policy is, as a part of the page."""
    return visit.page("_trial.html", trial=_trials(visit).now, counts=COUNTS)


@router.get("/model/try", name="trial_form")
def trial_form(visit: Seen) -> Response:
    """Show the policy in force, to be changed and tried."""
    return _form(visit, _trials(visit).text(), "")


@router.post("/model/try", name="trial_act")
def trial_act(
    visit: Acted,
    text: Annotated[str, Form(max_length=POLICY_MAX)] = "",
    since: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Begin to replay the recorded payments under another policy; nothing is sent."""
    text = text.replace("\r\n", "\n")
    try:
        begun = _trials(visit).start(text, since or "1970-01-01", visit.person.id)
    except ConfigError as error:
        return _form(visit, text, since, str(error))
    visit.noted("trial", policy=begun.stamp)
    return back("/model#trial")


@router.post("/model/stop", name="trial_stop")
def trial_stop(visit: Acted) -> Response:
    """End the trial that is under way."""
    _trials(visit).stop()
    visit.noted("trial.stop")
    return back("/model#trial")


def _form(visit: Visit, text: str, since: str, error: str = "") -> Response:
    return visit.page("trial.html", 409 if error else 200, text=text, since=since, error=error)


def _trials(visit: Visit) -> Trials:
    if visit.site.trials is None:
        raise HTTPException(404)
    return visit.site.trials


def _currency(visit: Seen) -> str:
    return visit.desk.laws.of(visit.desk.country).currency
