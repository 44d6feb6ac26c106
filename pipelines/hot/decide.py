"""Scores into outcomes, outcomes into alerts and warning requests: every decision of the hot path."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.features import FloatArray, Legs
from models.ledgers.enforcement import NOTHING_LEAVES
from models.ledgers.ledger import Keep
from models.scoring import reasons
from models.scoring.bundle import LegModel
from pipelines.hot import listed
from pipelines.hot.alert import alert
from pipelines.hot.brake import Brake
from pipelines.hot.button import at_button
from pipelines.hot.decision_log import payments
from pipelines.hot.decision_log import rows as log_rows
from pipelines.hot.doubt import answers_of, in_doubt, told
from pipelines.hot.forgotten import Forgotten
from pipelines.hot.lacking import Lacking
from pipelines.hot.records import alarm_record, alert_record
from pipelines.hot.serving import Computed, InUse, ModelSource, Scored, in_use
from pipelines.hot.warn import fraud_classes, warning
from pipelines.institution import Sides
from pipelines.kafka.sink import OutRecord
from pipelines.network.client import Network
from pipelines.network.configured import network
from pipelines.policy import DELAY, STOP, WARN, Decision, Policy
from pipelines.process import Owner
from pipelines.state.shards import event_order
from pipelines.telemetry import TELEMETRY
from schemas.alert import Leg, Reason
from schemas.rows.tokens import token_texts
from schemas.rows.transfers import Paid, paid
from schemas.warning import Warning


class Decided(NamedTuple):
    """What came of a block of legs: alerts and alarms, warnings asked for, blocks for the log."""

    alerts: list[OutRecord]
    warnings: list[Warning]
    log: list[bytes]


class Decider:
    """A policy and where models come from; picklable, models are loaded where they are used."""

    def __init__(
        self,
        policy: Policy,
        source: ModelSource,
        log_share: float,
        warn_from_us: int = 0,
        *,
        log_payments: bool = False,
        network_file: str = "",
    ) -> None:
        """Of ordinary legs `log_share` is logged; with `log_payments` what ledgers are refilled with, too.

        `network_file` names the operator that is asked about payers in doubt; "" for none.
        """
        self._network = network_file
        self._policy = policy
        self._warn_from_us = warn_from_us
        self._source = source
        self._log_share = log_share
        self._log_payments = log_payments
        self._owner = Owner()

    def models(self) -> InUse:
        """Return the models that a bundle of payments beginning now is scored with.

        Raises:
            ModelError: a bundle must not be used.
            ConfigError: policy and bundle do not fit.

        """
        return in_use(self._source, self._policy)

    def keep(self, shards: int) -> Keep:
        """Return what one of the shards of the account ledger keeps."""
        return self._policy.memory.of_shard(shards)

    def forgotten(self) -> Forgotten:
        """Return what tells people of rows that were forgotten."""
        return Forgotten(self._policy)

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
        computed = models.computed(leg, legs)
        live = computed.scored(models.live)
        shadow = computed.scored(models.shadow) if models.shadow else None
        if credit and (asked := network(self._network)):
            computed, live, legs = self._asked(asked, models, computed, live)
        outcome = live.outcome.copy()
        forbidden = kept_minor > 0
        alarms = [
            alarm
            for part, brake in brakes
            for alarm in brake.apply(
                leg, legs.transfer[part], outcome[part], forbidden[part], model=live.model
            )
        ]
        own = outcome
        outcome = np.maximum(own, listed.outcomes(legs.transfer, leg, self._policy.lists))
        outcome[forbidden] = STOP
        guided = at_button(legs, self._policy.button if credit else None)
        outcome[guided] = np.maximum(outcome[guided], WARN)
        flagged = np.flatnonzero(outcome >= (WARN if credit else DELAY))  # only payers are warned
        flagged = flagged[event_order(legs.transfer[flagged])]
        few, scores = legs.rows(flagged), live.score[flagged].tolist()
        figures = dict(zip(computed.catalogue, computed.whole(flagged).T, strict=True))
        decisions = map(
            Decision,
            outcome[flagged].tolist(),
            [round(score, 6) for score in scores],
            map(
                _together,
                self._registered(few, leg),
                self._explained(models.live.model(leg), leg, computed.of(models.live, flagged), figures),
                forbidden[flagged].tolist(),
            ),
            kept_minor[flagged].tolist(),
            listed.grounds(few.transfer, leg, self._policy.lists, own[flagged]),
        )
        pairs = list(zip(paid(few.transfer), decisions, strict=True))
        alerts = [self._alert(live.model, leg, *each) for each in pairs]
        warnings = []
        if credit:
            kinds = fraud_classes(few, figures["balance_share"])
            warnings = [
                warning(self._policy, *each, kind, hold=made is not None, guided=pressed)
                for each, kind, made, pressed in zip(
                    pairs, kinds, alerts, guided[flagged].tolist(), strict=True
                )
                if each[0].received_us >= self._warn_from_us and self._kept(each[0]).debtor
            ]
            late = sum(payment.received_us < self._warn_from_us for payment, _ in pairs)
            TELEMETRY.count("warnings_too_late", late)
            TELEMETRY.decided(legs.transfer["received_us"])
            self._owner.shared("lacking", Lacking).note(legs.transfer, models.live.model(leg))
        if shadow is not None:
            _compare(live, shadow)
        records = [made for made in alerts if made]
        TELEMETRY.count("alerts", len(records))
        log = [log_rows.block(computed, (live, shadow), outcome=outcome, share=self._log_share)]
        if credit and self._log_payments:
            log.append(payments.block(legs.transfer))
        return Decided([*records, *map(alarm_record, alarms)], warnings, list(filter(None, log)))

    def _asked(
        self, operator: Network, models: InUse, computed: Computed, live: Scored
    ) -> tuple[Computed, Scored, Legs]:
        """Ask an operator about payers in doubt; what it says may make a score higher, never lower.

        Also returns the legs with all that it said, also where a score stays as it was without.
        """
        legs = computed.legs
        rows = in_doubt(legs, live.outcome, live.score, self._policy.button)
        if not len(rows):
            return computed, live, legs
        parties = token_texts(legs.transfer["debtor"][rows])
        found = answers_of(parties, operator.ask(parties, int(legs.transfer["received_us"].min())))
        if not found:
            return computed, live, legs
        places = rows[[place for place, _ in found]]
        few = models.computed("CREDIT", told(legs, places, [said for _, said in found]))
        again = few.scored(models.live)
        higher = again.score >= live.score[places]
        X, payer, scored = computed.X.copy(order="F"), legs.payer.copy(), legs.payer.copy()
        score, outcome = live.score.copy(), live.outcome.copy()
        payer[places], scored[places[higher]] = few.legs.payer, few.legs.payer[higher]
        X[places[higher]], score[places[higher]] = few.X[higher], again.score[higher]
        outcome[places] = np.maximum(outcome[places], again.outcome)
        TELEMETRY.count("network_raised", int((outcome[places] > live.outcome[places]).sum()))
        computed = computed._replace(X=X, legs=legs._replace(payer=scored))
        return computed, live._replace(score=score, outcome=outcome), legs._replace(payer=payer)

    def _alert(self, model: str, leg: Leg, payment: Paid, decision: Decision) -> OutRecord | None:
        """Return the alert about a leg, if it is held, of our accounts, and the law gives a ground to act.

        It is written out at once: a thousand alerts that wait to be are megabytes of notices.
        """
        if decision.outcome < DELAY:
            return None
        kept = self._kept(payment)
        if not (kept.debtor or (leg == "CREDIT" and kept.creditor)):
            TELEMETRY.count("of_others", 1)
            return None
        made = alert(self._policy, model, leg, payment, decision)
        if made is None:
            TELEMETRY.count("without_legal_ground", 1)
            return None
        return alert_record(made)

    def _registered(self, legs: Legs, leg: Leg) -> list[tuple[Reason, ...]]:
        policy = self._policy
        said = listed.codes(legs.transfer, leg).tolist()
        by_code = {
            code: listed.reasons(code, leg, policy.words.reasons, policy.language) for code in set(said)
        }
        return [by_code[code] for code in said]

    def _kept(self, payment: Paid) -> Sides:
        return self._policy.institution.sides(payment.debtor_agent, payment.creditor_agent)

    def _explained(
        self, model: LegModel, leg: Leg, X: FloatArray, figures: Mapping[str, FloatArray]
    ) -> list[tuple[Reason, ...]]:
        added = model.contributions(X)
        policy = self._policy
        return reasons.strongest(
            policy.words.reasons,
            leg,
            policy.language,
            tuple(model.groups),
            contributions=added,
            figures=figures,
        )


def _together(
    registered: tuple[Reason, ...], found: tuple[Reason, ...], forbidden: bool
) -> tuple[Reason, ...]:
    """Put reasons together; what is said for want of another is left out where there is one."""
    if not (registered or forbidden):
        return found
    return (*registered, *(each for each in found if each.code != reasons.SEVERAL_SIGNS))


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
