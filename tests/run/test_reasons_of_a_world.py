"""Of every alert of a whole world no reason is untrue or empty, in every shipped language."""

from typing import get_args

import numpy as np
import pytest

from console.lab.rows import transfers_of
from fixtures.world import simulate
from models import SHIPPED
from models.features import versions
from models.ledgers.history import history
from models.scoring import reasons
from pipelines import policy
from pipelines.hot import serving
from pipelines.policy import WARN
from schemas.alert import Leg
from tests.models.test_reasons import CLAIMS

WORDS = reasons.shipped()
LANGUAGES = sorted({language for groups in WORDS.groups.values() for clauses in groups.values()
                    for clause in clauses for language in clause.texts})  # fmt: skip


def untrue(text: str, figures: dict[str, float]) -> list[str]:
    """Sentences of an English reason that its figures do not carry, by the claims written by hand."""
    found = []
    for said in text.rstrip(".").split(". "):
        claims = [claim for claim in CLAIMS if claim.piece in f"{said}."]
        true = [
            claim.least <= figures[claim.figure] <= claim.most and claim.said(said, figures[claim.figure])
            for claim in claims
        ]
        if not true or not all(true):
            found.append(said)
    return found


@pytest.mark.parametrize("country", ["cn", "uk", "kr"])
def test_no_reason_of_a_world_is_untrue_or_empty(country: str) -> None:
    rules = policy.load(policy.named(country=country))
    world = simulate(seed=911, days=4, accounts=600, scam_rate=0.01).paid_in(rules.currency)
    rows = transfers_of(world.payments)
    seen = history(rows, rules.value(rows))
    models = serving.in_use(SHIPPED, rules)
    told = 0
    for leg in get_args(Leg):
        computed = models.computed(leg, seen.credit if leg == "CREDIT" else seen.debit)
        flagged = np.flatnonzero(computed.scored(models.live).outcome >= WARN)
        columns = dict(zip(versions(leg.lower()), computed.whole(flagged).T, strict=True))
        model = models.live.model(leg)
        added = model.contributions(computed.of(models.live, flagged))
        by_language = {
            language: reasons.strongest(
                WORDS, leg, language, tuple(model.groups), contributions=added, figures=columns
            )
            for language in LANGUAGES
        }
        for row, said in enumerate(by_language["en"]):
            figures = {name: float(column[row]) for name, column in columns.items()}
            others = [by_language[language][row] for language in LANGUAGES]
            assert said and all([each.code for each in said] == [r.code for r in other] for other in others)
            assert all(reason.text.strip(" .。") for other in others for reason in other)
            for reason in said:
                if reason.code != reasons.SEVERAL_SIGNS:
                    assert not untrue(reason.text, figures), (reason.text, reason.code)
                told += 1
    assert told > 200
