"""`python -m tests.reference`: write docs/reference.md from the code: options, policy, topics, units."""

import re
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import typer

from console.cli import LAZY, app, loaded
from pipelines import policy
from pipelines.jobs.options import StoplineOptions
from pipelines.kafka.security import SECURITY_KEYS
from pipelines.streams.table import STREAMS
from schemas import topics

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference.md"

#: Topic -> its messages' key, and the CloudEvents type where we write it; `*` is a word of the record.
TOPICS = {
    topics.PAYMENTS: ("debtor's account, a token", ""),
    topics.CLUES: ("the party, a token", ""),
    topics.FEEDBACK: ("any; the desk: transaction or party", "fp.action.*.v1 (the desk)"),
    topics.ORDERS: ("the account ordered about, a token", ""),
    topics.ACCOUNTS: ("the account, a token", "fp.action.*.v1 (the desk)"),
    topics.REPORTS: ("the report's case family", "fp.clue.*.v1"),
    topics.CASEWORK: ("any", ""),
    topics.REGISTRY: ("the subject", ""),
    topics.INDICATORS: ("the telephone number, a token", "fp.casework.*.v1"),
    topics.ALERTS: ("the account the alert is about", "fp.alert.*.v1"),
    topics.WARNINGS: ("the party to warn", "fp.warning.issued.v1"),
    topics.CONTACTS: ("the party", "fp.warning.contact.v1"),
    topics.WARNING_OUTCOMES: ("the party", "fp.warning.outcome.v1"),
    topics.MEASURES: ("the account", "fp.measure.entry.v1"),
    topics.TRACES: ("the account the money came to", "fp.trace.hop.v1"),
    topics.REFUNDS: ("the account", "fp.refund.round.v1"),
    topics.DEAD_LETTERS: ("the topic it came from", "fp.deadletter.v1"),
    topics.ALARMS: ("none or the shard", "fp.alarm.v1"),
    topics.ACTIONS: ("the case, else the subject", "fp.action.*.v1"),
    topics.CASES: ("the ring", ""),
    topics.REPORT_ACTIONS: ("the report", "fp.casework.*.v1"),
    topics.REPORT_OUTCOMES: ("the report's case family", "fp.clue.outcome.v1"),
    topics.REPORTERS: ("the reporter, a token", "fp.casework.*.v1"),
    topics.CASEWORK_INTERNAL: ("aggregate and its name", "fp.casework.delivery.v1"),
    topics.BLOCKS: ("the entry", "fp.casework.*.v1"),
    topics.SUSPICIONS: ("the subject, a token", "fp.casework.*.v1"),
    topics.LISTINGS: ("country and subject", "fp.casework.*.v1"),
    topics.LIST_VERSIONS: ("country", "fp.casework.*.v1"),
    topics.RECTIFICATIONS: ("the rectification", "fp.casework.*.v1"),
}

#: What the end of a field's name says of its unit.
UNITS = {
    "_us": "microseconds since 1970 UTC, an integer; event time unless the name says otherwise",
    "_minor": "minor units of the record's currency, an integer: cents of EUR, yen of JPY",
    "_h": "hours, an integer",
    "_s": "seconds",
    "_token": "a token: 26 letters of lower-case base32 (docs/your-data.md)",
}


def page() -> str:
    """Return the page."""
    parts = [
        "# Reference",
        "Written by `python -m tests.reference` from the code; `tests/test_reference.py` holds it current.",
        "## Commands",
        *_commands(),
        "## Options of jobs",
        "Of `stopline run`; other commands with *and of the job* take those that their help tells. "
        "Beam's own options may follow. `-` and `_` in a name are the same.",
        _table(("option", "default", "what"), _job_options()),
        "## Client keys",
        "`--kafka_security KEY=VALUE` takes "
        + ", ".join(f"`{key}`" for key in SECURITY_KEYS)
        + ". With TLS and a "
        "password, in a file that only its owner can read:",
        "```properties\nsecurity.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\nsasl.username=stopline\n"
        "sasl.password=@/run/secrets/kafka\nssl.ca.location=/etc/stopline/ca.pem\n```",
        "and `--kafka_security @/etc/stopline/kafka.properties` on any command that speaks to a broker.",
        "## Policy file",
        _table(("key", "default", "what"), _policy(policy._File, policy.Policy)),
        "## Topics",
        "Values are JSON, attributes of CloudEvents 1.0 are headers (`ce_id`, `ce_type`, `ce_source`, "
        "`ce_subject`, `ce_time`, `ce_specversion`). The key decides the partition: messages of one key stay "
        "in order.",
        _table(("topic", "key", "CloudEvents type", "settings"), _topics()),
        "## Units",
        _table(("name ends with", "unit"), [(f"`{end}`", said) for end, said in UNITS.items()]),
    ]
    return "\n\n".join(parts) + "\n"


def commands(group: Any, path: str = "stopline") -> Iterator[tuple[str, Any]]:
    """Every command by its whole name."""
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def every_command() -> dict[str, Any]:
    root = typer.main.get_command(app)
    for name in LAZY:
        root.add_command(loaded(name), name)  # type: ignore[attr-defined]
    return dict(commands(root))


def _commands() -> Iterator[str]:
    for name, command in every_command().items():
        yield f"### {name}"
        said, _, example = command.help.partition("Example:")
        yield _line(said.split("\n\n")[0])
        rows = [row for param in command.params if (row := _option(param))]
        if rows:
            yield _table(("option", "default", "what"), rows)
        if command.context_settings.get("ignore_unknown_options"):
            yield "*and of the job*"
        yield f"    {' '.join(example.split())}"


def _option(param: Any) -> tuple[str, str, str] | None:
    if param.name in {"help", "context"}:
        return None
    if param.param_type_name == "argument":
        return f"`{(param.metavar or param.name).upper()}`", "", _line(param.help or "")
    names = ", ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))
    return names, _default(param.default, required=param.required), _line(param.help or "")


def _default(value: object, *, required: bool = False) -> str:
    if required:
        return "required"
    if value in (None, "", False, [], (), frozenset()) or callable(value):
        return ""
    if isinstance(value, list | tuple):
        value = " ".join(map(str, value))
    text = str(value).replace(str(ROOT) + "/", "")
    return f"`{text}`"


def _job_options() -> Iterator[tuple[str, str, str]]:
    parser = ArgumentParser(add_help=False)
    StoplineOptions._add_argparse_args(parser)
    for each in parser._actions:
        yield f"`{each.option_strings[0]}`", _default(each.default), _line(each.help or "")


def _policy(of: type, told: type | None = None, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    said = _attributes(told or of)
    for field in msgspec.structs.fields(of):
        kind = next((each for each in _kinds(field.type) if _is_struct(each)), None)
        default = "required" if field.required else "" if kind else _default(field.default)
        what = said.get(field.name, OF_POLICY.get(field.name, ""))
        if kind is not None and not what:
            what = _line((kind.__doc__ or "").split("\n\n")[0])
        yield f"`{prefix}{field.name}`", default, what
        if kind is not None:
            yield from _policy(kind, prefix=f"{prefix}{field.name}.")


#: What docstrings of the policy do not say.
OF_POLICY = {
    "version": "Any text; stands in the stamp that every alert carries.",
    "language": "Of reasons and warnings, one of the country file's.",
    "currencies": "What one minor unit of a currency is worth in those of the reference, which counts 1.",
    "words": "Folder of your own words, beside the file (your-data.md).",
    "institution": "BICs or national codes whose accounts alerts are about; all if none.",
    "named_classes": "Kinds of scam that warnings name: those guessed rightly in 80 % of a labelled log.",
    "jurisdiction": "Country file to act by, such as UK.",
    "warn": "Least score of a warning to the payer.",
    "delay": "Least score of a delay.",
    "hold": "Least score of a hold until a person decides.",
    "stop": "Least score of a stop.",
    "least_minor": "Smaller tainted sums are not followed.",
    "good_faith": "Accounts at which following ends: merchants and the like, by token.",
    "pooled": "Accounts of many people, at which following ends, by token.",
    "signals": "So many of call, shared screen and remote control while he pays are enough.",
    "new_payee_h": "A payee known for less than this is new, hours.",
}


def _kinds(kind: Any) -> Iterator[Any]:
    yield kind
    for each in getattr(kind, "__args__", ()):
        yield from _kinds(each)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _attributes(of: type) -> dict[str, str]:
    _, _, listed = (of.__doc__ or "").partition("Attributes:")
    found = re.findall(r"^ {4,8}(\w+): (.*(?:\n(?! *\w+: ).*\S.*)*)", listed, re.M)
    return {name: _line(text)[:1].upper() + _line(text)[1:] for name, text in found}


def _topics() -> Iterator[tuple[str, str, str, str]]:
    read = {stream.topic for stream in STREAMS}
    for topic, (key, kind) in sorted(TOPICS.items()):
        settings = "; ".join(
            f"`{name}={value}`" for name, value in topics.TOPIC_CONFIG.get(topic, {}).items()
        )
        mark = " (read by the main job)" if topic in read else ""
        yield f"`{topic}`{mark}", key, f"`{kind}`" if kind else "yours", settings


def _line(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("<", "\\<").split())


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
