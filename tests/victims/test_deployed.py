"""What warnings did in a deployment: counted from its topics, shares with intervals."""

import json
from contextlib import closing
from typing import Any

import msgspec
import pytest

from console.lab.deployed import labels_of, lives, measured, told_of
from console.lab.dissuading import COST_MINOR, Paid, costs
from measures.law.country_file import jurisdiction
from measures.victims.ladder import Answer, Rules, apply, entry, held_out
from pipelines import policy
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin
from schemas import topics
from schemas.contact import ContactEntry, ContactOutcome, Party
from schemas.errors import ConfigError
from schemas.feedback import Feedback
from tests.command import command
from tests.tokens import token_of
from tests.victims.conftest import send
from tests.victims.test_ladder import DAY, HOUR, SECOND, T0, warning

RULES = Rules(jurisdiction("CN"))


class Life:
    """A party's ladder by hand; what the victims job would write of it."""

    def __init__(self, token: str) -> None:
        self.token, self.party, self.entries = token, None, list[ContactEntry]()

    def take(self, command_: object, at_us: int) -> None:
        party: Party | None = self.party
        self.party, events = apply(party, command_, RULES, at_us)  # type: ignore[arg-type]
        if events:
            self.entries.append(entry(self.party, events))

    def heard(self, key: str, channel: str, state: str, at_us: int) -> None:
        told = ContactOutcome(key=key, party_token=self.token, channel=channel, state=state, at_us=at_us)  # type: ignore[arg-type]
        self.take(told, at_us)


def label(txn_id: str, verdict: str = "SCAM", kind: str = "LABEL", at_us: int = T0 + DAY, **more: str) -> Any:
    given = {"txn_id": txn_id, "verdict": verdict, "kind": kind, "known_at_us": at_us, **more}
    return msgspec.convert({"feedback_id": f"f-{txn_id}-{at_us}", **given}, Feedback)


def payment(token: str, amount_minor: int) -> bytes:
    account = token_of("account")
    given = {
        "txn_id": f"t-{token}", "accepted_at_us": T0, "amount_minor": amount_minor, "currency": "CNY",
        "debtor": token, "debtor_account": account, "creditor_account": account,
        "debtor_agent": "BANKCN01", "creditor_agent": "BANKCN02", "status": "INITIATED",
    }  # fmt: skip
    return json.dumps(given).encode()


def dissuaded(token: str) -> Life:
    """Warned at severity 4, reached in the app after a second, and stopped in its dialogue."""
    life = Life(token)
    made = warning(4, party=token, warning_id=f"w-{token}", txn_id=f"t-{token}")
    life.take(made, T0)
    life.heard(f"w-{token}/0/1", "IN_APP", "SENT", T0 + SECOND)
    life.heard(f"w-{token}/0/1", "IN_APP", "DELIVERED", T0 + 2 * SECOND)
    answer = Answer(party_token=token, warning_id=made.warning_id, verdict="DISSUADED", at_us=T0 + 9 * SECOND)
    life.take(answer, T0 + 9 * SECOND)
    return life


def test_a_victim_that_stopped_is_counted_with_what_it_kept_and_what_it_lost_later() -> None:
    token = token_of("kept")
    (told,) = told_of(dissuaded(token).entries, {})
    labels = labels_of([label(f"t-{token}"), label("later"), label("much-later")])
    paid = {
        token: [
            (f"t-{token}", Paid(T0, 500, scam=False)), ("good", Paid(T0 + HOUR, 9_000, scam=False)),
            ("later", Paid(T0 + 3 * DAY, 70, scam=False)), ("much-later", Paid(T0 + 20 * DAY, 5, scam=False)),
        ]
    }  # fmt: skip

    (lived,) = lives([told], paid, labels, COST_MINOR)

    assert (lived.victim, lived.verdict, lived.channel, lived.delivered) == (
        True,
        "DISSUADED",
        "IN_APP",
        True,
    )
    assert lived.first_us == T0 + SECOND
    assert (lived.averted_minor, lived.lost_7d_minor, lived.lost_30d_minor) == (500, 70, 75)


def test_without_a_finding_a_payment_is_genuine_and_an_answer_after_a_day_is_none() -> None:
    token = token_of("genuine")
    life = Life(token)
    life.take(warning(4, party=token, warning_id="w", txn_id="t"), T0)
    life.heard("w/0/1", "IN_APP", "DELIVERED", T0 + SECOND)
    life.take(
        Answer(party_token=token, warning_id="w", verdict="CONTINUED", at_us=T0 + 2 * DAY), T0 + 2 * DAY
    )

    (lived,) = lives(told_of(life.entries, {}), {token: [("t", Paid(T0, 5, scam=False))]}, labels_of([]), {})

    assert not lived.victim and lived.verdict == ""


def test_who_was_held_out_is_counted_apart_with_what_the_warning_said() -> None:
    token = next(token for n in range(999) if held_out(token := token_of(f"party-{n}"), 5))
    life = Life(token)
    made = warning(1, party=token, warning_id="w", txn_id="t")
    life.take(made, T0)

    (told,) = told_of(life.entries, {"w": made})

    assert told.held_out and told.first_us is None and told.txn_id == "t"


def test_the_newest_label_counts_before_other_findings() -> None:
    said = [
        label("a", at_us=T0), label("a", "LEGITIMATE", at_us=T0 + DAY), label("b", kind="ANSWER"),
        label("b", "UNKNOWN", at_us=T0 + 2 * DAY), label("c", fraud_class="LOAN"),
        label("c", "LEGITIMATE", "ANSWER", at_us=T0 + 9 * DAY),
    ]  # fmt: skip

    found = labels_of(said)

    assert found.scams == {"b", "c"} and found.kinds == {"c": "LOAN"}


def test_what_tries_cost_is_told_or_assumed() -> None:
    assert costs(["CALL=900"]) == {**COST_MINOR, "CALL": 900}
    with pytest.raises(ConfigError, match="CHANNEL=COST"):
        costs(["PIGEON=3"])


def test_the_command_counts_what_the_topics_of_a_deployment_say(kafka: KafkaSettings) -> None:
    with closing(open_admin(kafka)) as admin:
        admin.create_topics([NewTopic(topics.PAYMENTS, 2)])
    token = token_of("kept")
    life = dissuaded(token)
    send(kafka, topics.CONTACTS, token, *life.entries, b"{}", *life.entries, at_us=T0)
    made = warning(4, party=token, warning_id=f"w-{token}", txn_id=f"t-{token}", fraud_class="LOAN")
    send(kafka, topics.WARNINGS, token, made, at_us=T0)
    send(kafka, topics.FEEDBACK, "f", label(f"t-{token}", fraud_class="LOAN"), b"no json", at_us=T0)
    send(kafka, topics.PAYMENTS, token, payment(token, 500), b"{}", at_us=T0)

    found = measured(kafka, policy.load(), COST_MINOR)
    said = command(
        "warnings", "report", "--kafka_brokers", kafka.brokers, "--last-days", "100000", "--json"
    ).output
    none = command("warnings", "report", "--kafka_brokers", kafka.brokers, "--last-days", "1").output

    assert (found.warnings, found.told, found.victims_stopped.count) == (1, 1, 1)
    assert [(row.name, row.share.count, row.share.of) for row in found.named] == [("LOAN", 1, 1)]
    plain = json.loads(said.splitlines()[-1])
    assert plain["stop_rate"]["count"] == 1 and plain["cost_per_averted"] == 0
    assert plain["first_contact_s"] == 1.0
    assert "none counted" in none and "counts as genuine" in " ".join(none.split())
