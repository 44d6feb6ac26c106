"""Reports as MISP events (core format), out and in: an attribute an entity, our tags for the rest."""

from collections.abc import Mapping
from typing import Any

from measures.exchange.names import instant, micros, named
from schemas.ids import derived_id
from schemas.report import INFORMATION, Entity, EntityKind, Report, ReportCase, Role
from schemas.scams import FRAUD_CLASSES, SCAM_CLASSES
from schemas.strict_text import is_number

#: MISP's type and category of a value of a kind; the others are "text" and named by a tag.
TYPES: Mapping[EntityKind, tuple[str, str]] = {
    "DOMAIN": ("domain", "Network activity"),
    "URL": ("url", "Network activity"),
    "IP": ("ip-dst", "Network activity"),
    "APP_HASH": ("sha256", "Payload delivery"),
    "NUMBER": ("phone-number", "Financial fraud"),
    "ACCOUNT": ("bank-account-nr", "Financial fraud"),
    "CARD": ("cc-number", "Financial fraud"),
    "WALLET": ("btc", "Financial fraud"),
}
_KINDS = {name: kind for kind, (name, _) in TYPES.items()} | {"hostname": "DOMAIN", "ip-src": "IP"}

_THREAT = {4: "1", 3: "2", 2: "3", 1: "4"}


def event(case: ReportCase) -> dict[str, Any]:
    """Return a report as an event; one that was taken back or found wrong has its attributes deleted."""
    report = case.report
    gone = case.state == "REVOKED" or case.verdict == "REJECTED"
    row = SCAM_CLASSES[report.fraud_class]
    tags = [
        f"tlp:{report.tlp.lower()}",
        _tag("class", report.fraud_class),
        _tag("information", report.information),
    ]
    tags += [f'mitre-f3:technique="{each}"' for each in row.f3]
    tags += [f'admiralty-scale:source-reliability="{report.grade[0].lower()}"'] if report.grade else []
    stamp = str((case.closed_us if gone else report.at_us) // 1_000_000)
    body = {
        "uuid": named("misp", report.report_id),
        "info": f"{report.information} {report.fraud_class}",
        "date": instant(report.at_us)[:10],
        "timestamp": stamp,
        "threat_level_id": _THREAT[report.priority],
        "analysis": "2" if case.closed_us else "0",
        "distribution": "0",
        "published": False,
        "Orgc": {"name": report.reporter, "uuid": named("identity", report.reporter)},
        "Tag": [{"name": each} for each in tags],
        "Attribute": [_attribute(report, place, stamp, gone=gone) for place in range(len(report.entities))],
    }
    return {"Event": body}


def report(given: Mapping[str, Any], *, reporter: str, jurisdiction: str) -> Report:
    """Return an event as a report.

    Raises:
        ValueError: it is no event, or has no attribute we have a word for.

    """
    body = given.get("Event")
    if not isinstance(body, Mapping):
        raise ValueError("no MISP event: an object with Event is expected")
    told = _told(body)
    entities = tuple(
        entity
        for each in body.get("Attribute", ())
        if not each.get("deleted") and (entity := _entity(each)) is not None
    )
    if not entities:
        raise ValueError("the event holds no attribute of a type we know")
    seconds = int(body["timestamp"]) if is_number(str(body.get("timestamp", ""))) else 0
    return Report(
        report_id=derived_id("misp", body["uuid"]),
        origin="FOREIGN",
        reporter=reporter,
        jurisdiction=jurisdiction,
        at_us=seconds * 1_000_000 or micros(f"{body['date']}T00:00:00+00:00"),
        entities=entities,
        information=_one_of(told.get("information"), INFORMATION, "TIP"),
        fraud_class=_one_of(told.get("class"), FRAUD_CLASSES, "UNKNOWN"),
        priority={level: each for each, level in _THREAT.items()}.get(str(body.get("threat_level_id")), 2),
    )


def _attribute(report: Report, place: int, stamp: str, *, gone: bool) -> dict[str, Any]:
    entity = report.entities[place]
    name, category = TYPES.get(entity.kind, ("text", "Other"))
    return {
        "uuid": named("misp", report.report_id, place),
        "type": name,
        "category": category,
        "value": entity.value,
        "to_ids": entity.role != "VICTIM",
        "timestamp": stamp,
        "deleted": gone,
        "Tag": [
            {"name": _tag(word, value)}
            for word, value in (
                ("kind", entity.kind), ("role", entity.role), ("institution", entity.institution),
            )
            if value
        ],
    }  # fmt: skip


def _tag(word: str, value: str) -> str:
    return f'stopline:{word}="{value}"'


def _told(given: Mapping[str, Any]) -> dict[str, str]:
    """Return our own tags as words and values."""
    names = [str(each.get("name", "")) for each in given.get("Tag", ())]
    ours = [each.removeprefix("stopline:").partition("=") for each in names if each.startswith("stopline:")]
    return {word: value.strip('"') for word, _, value in ours}


def _entity(attribute: Mapping[str, Any]) -> Entity | None:
    told = _told(attribute)
    kind: Any = told.get("kind") or _KINDS.get(str(attribute.get("type")))
    if kind is None:
        return None
    role: Role = _one_of(told.get("role"), ("SUSPECT", "VICTIM", "MULE", "INFRA"), "INFRA")
    return Entity(
        kind=kind, value=str(attribute["value"]), role=role, institution=told.get("institution", "")
    )


def _one_of(word: str | None, words: tuple[str, ...], otherwise: str) -> Any:
    return word if word in words else otherwise
