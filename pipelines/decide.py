"""Scores into outcomes, outcomes into alerts and warning requests: every decision of the hot path."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from measures.jurisdiction import Regime
from models import features, reasons
from models.bundle import LegModel
from models.features import FloatArray, Legs
from models.ledger import NOTHING_LEAVES
from pipelines import decision_log
from pipelines.brake import Brake
from pipelines.kafka.sink import OutRecord
from pipelines.policy import DELAY, OUTCOMES, STOP, WARN, Policy, Verdict
from pipelines.records import alarm_record, alert_record
from pipelines.serving import InUse, Scored, Source, in_use
from pipelines.shards import event_order
from pipelines.telemetry import TELEMETRY
from pipelines.warn import warning
from schemas.alert import Alert, Leg, Reason
from schemas.ids import derived_id
from schemas.tokens import token_text
from schemas.warning import Warning


class Decided(NamedTuple):
    """What came of a block of legs: alerts and alarms, warnings asked for, a block for the log."""

    alerts: list[OutRecord]
    warnings: list[Warning]
    log: bytes


class Decider:
    """A policy and where models come from; picklable, models are loaded where they are used."""

    def __init__(self, policy: Policy, source: Source, log_share: float) -> None:
        self._policy = policy
        self._source = source
        self._log_share = log_share

    def models(self) -> InUse:
        """Return the models that a bundle of payments beginning now is scored with.

        Raises:
            ModelError: a bundle must not be used.
            ConfigError: policy and bundle do not fit.

        """
        return in_use(self._source, self._policy)

    def brake(self, shard: int, counts: bytes | None) -> Brake | None:
        """Return the brake of a shard of the account ledger; None if the policy has none."""
        return Brake.of(self._policy, shard, counts)

    def decide(
        self,
        models: InUse,
        legs: Legs,
        credit: bool,
        kept_minor: NDArray[np.int64],
        brakes: Sequence[tuple[slice, Brake]] = (),
    ) -> Decided:
        """Score legs of one kind, of which measures in force keep `kept_minor`, and say what follows.

        A brake counts the legs of its shard and may make what follows milder.
        """
        leg: Leg = "CREDIT" if credit else "DEBIT"
        X = features.matrix(features.GROUPS[leg.lower()], legs)
        live = models.live.scored(leg, X)
        shadow = models.shadow.scored(leg, X) if models.shadow else None
        outcome = live.outcome.copy()
        forbidden = kept_minor > 0
        alarms = [
            alarm
            for part, brake in brakes
            for alarm in brake.apply(
                leg, legs.transfer[part], outcome[part], forbidden[part], model=live.model
            )
        ]
        outcome[forbidden] = STOP
        flagged = np.flatnonzero(outcome >= (WARN if credit else DELAY))  # only payers are warned
        flagged = flagged[event_order(legs.transfer[flagged])]
        explained = _explain(models.live.model(leg), leg, self._policy.language, X[flagged])
        alerts, warnings = [], []
        for row, why in zip(flagged.tolist(), explained, strict=True):
            score = round(float(live.score[row]), 6)
            verdict = Verdict(int(outcome[row]), score, why, int(kept_minor[row]))
            held = verdict.outcome >= DELAY
            alert = self._alert(live.model, leg, legs.transfer[row], verdict) if held else []
            alerts += alert
            if credit:
                warnings.append(warning(self._policy, legs, row, verdict, hold=bool(alert)))
        if credit:
            TELEMETRY.decided(legs.transfer["received_us"])
        TELEMETRY.count("alerts", len(alerts))
        if shadow is not None:
            _compare(live, shadow)
        return Decided(
            [*map(alert_record, alerts), *map(alarm_record, alarms)],
            warnings,
            decision_log.block(leg, legs, X, (live, shadow), outcome=outcome, share=self._log_share),
        )

    def _alert(self, model: str, leg: Leg, transfer: np.void, verdict: Verdict) -> list[Alert]:
        """Return the alert, or none where the law of the day gives no ground to act."""
        ground = _ground(self._policy.law.on(int(transfer["at_us"])), leg, verdict)
        if ground is None:
            TELEMETRY.count("without_legal_ground", 1)
            return []
        enforced = [reasons.measure_in_force(self._policy.language)] if verdict.enforced_minor else []
        txn_id = transfer["txn_id"].decode()
        payer, payee = token_text(transfer["debtor_account"]), token_text(transfer["creditor_account"])
        alert = Alert(
            alert_id=derived_id("alert", txn_id, leg, self._policy.stamp),
            jurisdiction=self._policy.law.id,
            leg=leg,
            outcome=OUTCOMES[verdict.outcome],  # type: ignore[arg-type]
            measure_rule=ground.rule,
            txn_id=txn_id,
            account_token=payee if leg == "CREDIT" else payer,
            counterparty_token=payer if leg == "CREDIT" else payee,
            party_token=token_text(transfer["debtor"]),
            amount_minor=int(transfer["amount_minor"]),
            currency=transfer["currency"].decode(),
            at_us=int(transfer["at_us"]),
            score=verdict.score,
            reasons=(*enforced, *verdict.reasons),
            notice=self._policy.law.notice(ground.reason_code, ground.basis, self._policy.language),
            policy=self._policy.stamp,
            model=model,
            partition=int(transfer["partition"]),
            offset=int(transfer["offset"]),
            received_us=int(transfer["received_us"]),
        )
        return [alert]


class Ground(NamedTuple):
    """What lets the institution act: the country file's rule, the reason to give, the legal basis."""

    rule: str
    reason_code: str
    basis: str


def _ground(law: Regime, leg: Leg, verdict: Verdict) -> Ground | None:
    if verdict.enforced_minor == NOTHING_LEAVES and law.stop is not None:
        return Ground("stop", "STOP_ORDERED", law.stop.basis)
    if verdict.enforced_minor and law.freeze is not None:
        return Ground("freeze", "FREEZE_ORDERED", law.freeze.basis)
    about_account = leg == "DEBIT" or verdict.outcome == STOP
    rule = "payee_hold" if about_account else "payer_delay"
    reason = "PAYEE_SUSPECT" if about_account else "SCAM_SUSPECTED"
    return Ground(rule, reason, law.hold[rule].basis) if rule in law.hold else None


def enforced_minor(legs: Legs, credit: bool) -> NDArray[np.int64]:
    """Return the amount that a measure keeps on the account where this leg goes against it, else 0.

    Against a limit goes a debit after which less than the limit stays; without a known balance every debit.
    """
    if credit:
        return np.zeros(len(legs.value), np.int64)
    kept: NDArray[np.int64] = legs.account["enforced_minor"]
    stays = legs.transfer["balance_after_minor"]
    return np.where((kept > 0) & ((kept == NOTHING_LEAVES) | (stays < kept)), kept, 0)


def _compare(live: Scored, shadow: Scored) -> None:
    more = int(((shadow.outcome >= DELAY) & (live.outcome < DELAY)).sum())
    fewer = int(((shadow.outcome < DELAY) & (live.outcome >= DELAY)).sum())
    for name, by in (("scored", len(live.score)), ("more_held", more), ("fewer_held", fewer)):
        TELEMETRY.count(f"shadow_{name}", by)


def _explain(model: LegModel, leg: Leg, language: str, X: FloatArray) -> list[tuple[Reason, ...]]:
    if not len(X):
        return []
    codes = tuple(model.groups)
    added: NDArray[np.float64] = model.contributions(X)
    return [
        reasons.strongest(
            leg, language, codes, added[row], dict(zip(model.features, X[row].tolist(), strict=True))
        )
        for row in range(len(X))
    ]
