"""The topics as an AsyncAPI 3 document (asyncapi.com, 3.0.0): channels, messages, headers, keys.

Payloads are the JSON Schemas beside it; attributes travel in CloudEvents' binary mode, a Kafka header each.
"""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from schemas import topics

FILE = "asyncapi.json"

#: Topic -> names of the schemas its messages may be of, and what they are.
MESSAGES: Mapping[str, tuple[tuple[str, ...], str]] = {
    topics.PAYMENTS: (("payment.v1",), "Payments as they are initiated."),
    topics.CLUES: (("clue.v1",), "What operators and devices tell of a party."),
    topics.FEEDBACK: (("feedback.v1",), "What became known of payments."),
    topics.ORDERS: (("order.v1",), "Orders of authorities, signed, and replies."),
    topics.ACCOUNTS: (("account.v1",), "What banks state, book and ask about accounts."),
    topics.REPORTS: (("report.v1",), "Reports of scams, and what takes them back."),
    topics.CASEWORK: (("casework.v1",), "What recipients, institutions and people answer and ask."),
    topics.INDICATORS: (("indicator.v1",), "What is known of telephone numbers."),
    topics.ALERTS: (("alert.v1",), "Payments to hold, and why."),
    topics.WARNINGS: (("warning.v1",), "What a probable victim is to be told."),
    topics.CONTACTS: (("contact.v1",), "Whom to try to reach, and what came of it."),
    topics.WARNING_OUTCOMES: (("warning_outcome.v1",), "What came of tries, and what parties answer."),
    topics.MEASURES: (("measure.v1",), "The journal of measures on accounts."),
    topics.TRACES: (("trace.v1",), "Where tainted money went."),
    topics.REFUNDS: (("measure.v1",), "Rounds of giving money back."),
    topics.DEAD_LETTERS: (("dead_letter.v1",), "Messages that were refused, with the reason."),
    topics.ALARMS: (("alarm.v1",), "What an operator must look at."),
    topics.ACTIONS: (("action.v1",), "What people decided at the desk."),
    topics.CASES: (("ring.v1",), "Rings of accounts that hang together."),
    topics.REPORT_ACTIONS: (("report_case.v1",), "Reports as they stand, whole."),
    topics.REPORT_OUTCOMES: (("report_outcome.v1",), "What a reporter is told, in counts."),
    topics.REPORTERS: (("reporter.v1",), "How often a reporter was right."),
    topics.BLOCKS: (("block.v1",), "Sites, numbers and apps to block."),
    topics.SUSPICIONS: (("suspicion.v1",), "Whom institutions suspect."),
    topics.LISTINGS: (("listed_subject.v1",), "Whom authorities list."),
    topics.LIST_VERSIONS: (("list_versions.v1",), "Which version of a country's list is in force."),
    topics.RECTIFICATIONS: (("rectification.v1",), "What institutions have to put right."),
}

_TEXT = {"type": "string"}

#: Headers of what this product writes; `traceparent` where the payment that led to it had one.
HEADERS: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": _TEXT, "ce_type": _TEXT, "ce_source": _TEXT, "ce_subject": _TEXT,
        "ce_time": {"type": "string", "format": "date-time"},
        "content-type": {"type": "string", "const": "application/json"},
        "traceparent": {"type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"},
    },
}  # fmt: skip


def document() -> dict[str, Any]:
    """Return the document; its references are to files beside it."""
    channels = {
        topic: {
            "address": topic,
            "description": what,
            "messages": {name.replace(".", "_"): _message(name) for name in names},
            **_settings(topic),
        }
        for topic, (names, what) in MESSAGES.items()
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Stopline",
            "version": _version(),
            "description": "Kafka topics. Keys are tokens, ids or names of what a message is about.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "components": {"schemas": {"headers": HEADERS}},
    }


def _message(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/headers"},
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"./{name}.json"},
        },
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": "0.5.0"}},
    }


def _settings(topic: str) -> dict[str, Any]:
    """Return Kafka settings of a topic as the binding writes them; it has no word for some."""
    config = topics.TOPIC_CONFIG.get(topic, {})
    found: dict[str, Any] = {}
    if "cleanup.policy" in config:
        found["cleanup.policy"] = config["cleanup.policy"].split(",")
    if "retention.ms" in config:
        found["retention.ms"] = int(config["retention.ms"])
    if not found:
        return {}
    return {"bindings": {"kafka": {"topicConfiguration": found, "bindingVersion": "0.5.0"}}}


def _version() -> str:
    try:
        return version("stopline")
    except PackageNotFoundError:
        return "0"
