"""Model and policy: what decides now, how often it was right, and what waits for the law."""

from fastapi import APIRouter
from fastapi.responses import Response

from console.web.visit import Seen
from desk.measuring import deciding, outcomes_by_model
from pipelines import policy

router = APIRouter()


@router.get("/model", name="model")
def model(visit: Seen) -> Response:
    """Show which models and policies decided, and what people found of their alerts."""
    return visit.page(
        "model.html", found=outcomes_by_model(visit.desk.store),
        took=deciding(visit.desk.store, visit.desk.clock.column.removeprefix("since_")),
        people=visit.desk.laws.of(visit.desk.country).on(visit.now_us).people, currency=_currency(visit),
        minutes=visit.desk.service_minutes, outcomes=policy.OUTCOMES, stamp=visit.site.policy_stamp,
    )  # fmt: skip


def _currency(visit: Seen) -> str:
    return visit.desk.laws.of(visit.desk.country).currency
