"""Topic names, and how a deployment creates them (DESIGN: Kafka is the loop)."""

from collections.abc import Mapping

PAYMENTS = "payments"
CLUES = "clues"
INDICATORS = "indicators"
REPORTS = "reports"
REPORT_ACTIONS = "report_actions"
REPORT_OUTCOMES = "report_outcomes"
REPORTERS = "reporters"
CASEWORK = "casework"
CASEWORK_INTERNAL = "casework_internal"
BLOCKS = "blocks"
SUSPICIONS = "suspicions"
LISTINGS = "listings"
LIST_VERSIONS = "list_versions"
RECTIFICATIONS = "rectifications"
ORDERS = "orders"
ACCOUNTS = "accounts"
REGISTRY = "registry"
FEEDBACK = "feedback"
ALERTS = "alerts"
WARNINGS = "warnings"
CONTACTS = "contacts"
WARNING_OUTCOMES = "warning_outcomes"
MEASURES = "measures"
TRACES = "traces"
REFUNDS = "refunds"
DEAD_LETTERS = "dead_letters"
ALARMS = "alarms"
ACTIONS = "actions"
CASES = "cases"

#: What the casework job keeps of its aggregates, whole and by key, and reads back when it starts.
CASEWORK_STATES = (
    REPORT_ACTIONS, REPORTERS, INDICATORS, BLOCKS, SUSPICIONS, LISTINGS, LIST_VERSIONS, RECTIFICATIONS,
)  # fmt: skip

#: Broker-side settings of topics that need any.
TOPIC_CONFIG: Mapping[str, Mapping[str, str]] = {
    REGISTRY: {"cleanup.policy": "compact"},
    ORDERS: {"message.timestamp.type": "LogAppendTime"},
    ACCOUNTS: {"message.timestamp.type": "LogAppendTime"},
    MEASURES: {"retention.ms": "-1"},
    TRACES: {"retention.ms": "-1"},
    CONTACTS: {"retention.ms": "-1"},
    ACTIONS: {"retention.ms": "-1"},
    CASES: {"retention.ms": "-1"},
    REPORTS: {"message.timestamp.type": "LogAppendTime"},
    CASEWORK: {"message.timestamp.type": "LogAppendTime"},
    CASEWORK_INTERNAL: {"message.timestamp.type": "LogAppendTime"},
    **{topic: {"cleanup.policy": "compact"} for topic in CASEWORK_STATES},
}

#: What the main job writes; what it reads is told by the table of its streams.
WRITTEN = (ALERTS, WARNINGS, ALARMS, TRACES, DEAD_LETTERS)

#: What the victims job reads and what it writes.
VICTIMS_READ = (WARNINGS, WARNING_OUTCOMES, FEEDBACK, CLUES)
VICTIMS_WRITTEN = (CONTACTS, DEAD_LETTERS)

#: What the lifecycle job reads and what it writes.
LIFECYCLE_READ, LIFECYCLE_WRITTEN = (ORDERS, ACCOUNTS), (MEASURES, REFUNDS, DEAD_LETTERS)

#: What the casework job reads and what it writes besides its states.
CASEWORK_READ = (REPORTS, CASEWORK, CASEWORK_INTERNAL, TRACES, MEASURES)
CASEWORK_WRITTEN = (CASEWORK_INTERNAL, REPORT_OUTCOMES, CASES, DEAD_LETTERS)
