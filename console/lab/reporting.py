"""Reports as a user sends, sees, exports and imports them."""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from console.lab.brokers import topic_records
from console.lab.signing import signed
from measures.aggregate import Office, Refuse
from measures.cases.campaigns import without_text
from measures.cases.report import REPORT
from measures.casework import TYPE
from measures.exchange import misp, stix, xarf
from pipelines.kafka.port import KafkaSettings, open_producer
from pipelines.kafka.preflight import require_listener
from schemas import topics
from schemas.casework import CaseworkMessage, TakeBack
from schemas.contract import UNREADABLE, explained
from schemas.errors import ConfigError, cause
from schemas.report import Answer, Finding, Report, ReportCase, Revocation

FORMS = ("stix", "xarf", "misp")

_CASE = msgspec.json.Decoder(ReportCase).decode
_REPORT = msgspec.json.Decoder(Report).decode
_CASEWORK = msgspec.json.Decoder(CaseworkMessage).decode


def send(kafka: KafkaSettings, file: Path, key: Path | None) -> int:
    """Send the reports of a file, a line each; returns how many.

    Raises:
        ConfigError: a line is no report; nothing is sent.

    """
    reports = []
    for number, line in enumerate(filter(None, _read(file).splitlines()), 1):
        try:
            reports.append(without_text(_REPORT(line)))
        except UNREADABLE as error:
            raise ConfigError(
                f"{file}, line {number}, is no report: {explained(error, Report)}; mend it"
            ) from error
    for each in reports:
        tell(kafka, each, key)
    return len(reports)


def say(kafka: KafkaSettings, file: Path, key: Path | None) -> str:
    """Send one message to topic `casework`; returns its kind.

    Raises:
        ConfigError: the file is no message of that topic.

    """
    try:
        said = _CASEWORK(_read(file))
    except UNREADABLE as error:
        raise ConfigError(
            f"{file} is no message of topic casework: {explained(error, CaseworkMessage)}; mend it"
        ) from error
    tell(kafka, said, key)
    return type(said).__name__


def tell(kafka: KafkaSettings, said: Any, key: Path | None = None) -> None:
    """Send one message to the topic of its kind, signed if a key is named.

    Raises:
        ConfigError: a word of it is not as its contract asks.

    """
    topic = topics.REPORTS if isinstance(said, Report | Revocation) else topics.CASEWORK
    value = msgspec.json.encode(said, order="deterministic")
    try:
        msgspec.json.decode(value, type=type(said))
    except UNREADABLE as error:
        raise ConfigError(f"not sent: {explained(error, type(said))}; mend it") from error
    named = getattr(said, "report_id", None) or getattr(said, "entry_id", None) or type(said).__name__
    require_listener(kafka)
    producer = open_producer(kafka)
    producer.send(
        topic, str(named).encode(), signed(value, key, TYPE) if key else value, (), time.time_ns() // 1000
    )
    producer.flush()


def tell_of(kafka: KafkaSettings, said: Answer | Finding | Revocation, key: Path | None = None) -> None:
    """Send what is said of a report, if the job would take it as the report stands now.

    Raises:
        ConfigError: there is no such report, or the job would refuse it.

    """
    case = one(cases(kafka), said.report_id)
    command = TakeBack(revocation=said, authority=key is not None) if isinstance(said, Revocation) else said
    applied = REPORT.apply(case, case.key, command, time.time_ns() // 1000, Office())
    for each in applied.followed:
        if isinstance(each, Refuse):
            raise ConfigError(f"not sent: {each.detail}; see `stopline reports show {case.key}`")
    tell(kafka, said, key)


def cases(kafka: KafkaSettings) -> dict[str, ReportCase]:
    """Return the newest version of every case by report."""
    found: dict[str, ReportCase] = {}
    for case in topic_records(kafka, topics.REPORT_ACTIONS, _CASE):
        if case.version >= (found[case.key].version if case.key in found else 0):
            found[case.key] = case
    return found


def one(known: Mapping[str, ReportCase], report: str) -> ReportCase:
    """Return a report's case.

    Raises:
        ConfigError: there is none.

    """
    if report not in known:
        raise ConfigError(f"there is no case of report {report!r}; see `stopline reports show`")
    return known[report]


def exported(case: ReportCase, form: str, *, org: str = "", contact: str = "") -> str:
    """Return a case's report in a form of `FORMS`.

    Raises:
        ConfigError: XARF needs a sender.

    """
    if form == "xarf":
        domain = contact.rpartition("@")[2]
        if not org or not domain:
            raise ConfigError("XARF names its sender; set --org and --contact, a mail address")
        said = xarf.messages(case, org=org, contact=contact, domain=domain)
        return "\n".join(json.dumps(each, ensure_ascii=False) for each in said)
    made = stix.bundle(case) if form == "stix" else misp.event(case)
    return json.dumps(made, ensure_ascii=False, indent=2)


def imported(file: Path, form: str, *, reporter: str, jurisdiction: str) -> Iterator[str]:
    """Yield the reports of a file in a form of `FORMS`, as lines.

    Raises:
        ConfigError: the file is nothing of that form.

    """
    try:
        given = json.loads(_read(file))
        if not isinstance(given, dict):
            raise ValueError("a JSON object is expected")
        if form == "stix":
            found = stix.reports(given, reporter=reporter, jurisdiction=jurisdiction)
        else:
            read = xarf.report if form == "xarf" else misp.report
            found = [read(given, reporter=reporter, jurisdiction=jurisdiction)]
        yield from (msgspec.json.encode(_checked(each)).decode() for each in found)
    except (*UNREADABLE, KeyError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"{file} cannot be read as {form}: {_fault(error)}; mend it, or choose another --format"
        ) from error


def _fault(error: Exception) -> str:
    """Say what is wrong with a file of a foreign form: what is missing in it, or of another shape."""
    if isinstance(error, KeyError):
        return f"it lacks {error.args[0]!r}"
    if isinstance(error, AttributeError | TypeError):
        return "a part of it has another shape than that form's (a text or list where an object is expected)"
    return explained(error) if isinstance(error, msgspec.MsgspecError) else cause(error)


def _checked(report: Report) -> Report:
    return _REPORT(msgspec.json.encode(report))


def _read(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {cause(error)}; name a file") from error
