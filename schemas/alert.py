"""Alerts: what the pipeline recommends to stop, and why (topic `alerts`)."""

from typing import Literal

from schemas.contract import Currency, Event, Micros, Text, Token, Word
from schemas.measure import Notice

Outcome = Literal["APPROVE", "WARN", "DELAY", "HOLD", "STOP"]
Leg = Literal["CREDIT", "DEBIT"]
AccountSide = Literal["", "DEBTOR", "CREDITOR"]


class Reason(Event, frozen=True, kw_only=True):
    """One reason for a score.

    `contribution` is in log-odds: how much of the score goes away if this group of features were those of
    a median good payment. `text` says it in words, with the payment's own figures.
    """

    code: Word
    contribution: float
    text: Text


class Alert(Event, frozen=True, kw_only=True):
    """One recommendation about one leg of one payment; version 1. Message key: `account_token`.

    Attributes:
        alert_id: derived from payment, leg and policy: a retry or replay gives the same id.
        leg: CREDIT: the payee looks like a mule and the payer like a victim. DEBIT: suspicious money leaves.
        outcome: DELAY and HOLD are about the payment, STOP is about the account as well.
        measure_rule: the country file's rule that lets the institution act; its clock starts at execution.
        account_token: the account to act on: the payee's on CREDIT, the payer's on DEBIT; but on CREDIT the
            payer's for an institution that keeps it alone.
        account_side: whose that is: DEBTOR or CREDITOR of the payment.
        counterparty_token: the account on the other side.
        debtor_agent: BIC or national code of who keeps the payer's account, where the payment says.
        creditor_agent: likewise of the payee's.
        uetr: of the payment, where its id is one.
        party_token: the paying party.
        score: 0 to 1, higher for likelier scams and larger sums; it orders payments, it is no chance.
        reasons: strongest first.
        notice: what is told in the policy's language: to the payer where the payment is delayed or held on
            its way, else to the holder of `account_token`.
        notices: what each person concerned is told, in each language of the country: the payer whose payment
            is held, and the holder whose account is (`party`). The bank sends the one in their language.
        policy: version and hash of the policy that decided.
        model: digest of the bundle that scored.
        partition: where the payment was read, with `offset`.
        offset: see `partition`.
        received_us: Kafka timestamp of the payment, microseconds UTC.
        lists: version of the registry that was looked up, "" if none was.
        traceparent: W3C trace context of the payment's message, "" if it has none; a header here, too.

    """

    alert_id: str
    jurisdiction: str
    leg: Leg
    outcome: Outcome
    measure_rule: str
    txn_id: str
    account_token: Token
    counterparty_token: Token
    party_token: Token
    amount_minor: int
    currency: Currency
    at_us: Micros
    score: float
    reasons: tuple[Reason, ...]
    notice: Notice
    policy: str
    model: str
    partition: int
    offset: int
    received_us: int
    notices: tuple[Notice, ...] = ()
    account_side: AccountSide = ""
    debtor_agent: str = ""
    creditor_agent: str = ""
    uetr: str = ""
    lists: str = ""
    traceparent: str = ""


def payer_of(alert: Alert) -> Token:
    """Return the account that pays, whichever the alert is about."""
    about_payee = alert.leg == "CREDIT" and alert.account_side != "DEBTOR"
    return alert.counterparty_token if about_payee else alert.account_token


def accused_of(alert: Alert) -> Token:
    """Return the account that looks like a mule's, whichever is to be acted on."""
    about_payer = alert.leg == "CREDIT" and alert.account_side == "DEBTOR"
    return alert.counterparty_token if about_payer else alert.account_token
