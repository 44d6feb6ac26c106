"""Reports as XARF 4.2, for who hosts or registers what is reported: one message a site, out and in."""

from collections.abc import Mapping
from typing import Any

from measures.blocking.forms import form
from measures.exchange.names import confidence, entity_name, instant, micros, random_looking
from schemas.ids import derived_id
from schemas.report import Entity, Report, ReportCase
from schemas.scams import FRAUD_CLASSES, SCAM_CLASSES

VERSION = "4.2.0"

#: What a host or registrar can be asked about.
SITES = ("DOMAIN", "URL", "IP")

_BY_TYPE = {
    word: name for name, row in reversed(SCAM_CLASSES.items()) if name != "UNKNOWN" for word in row.xarf
}


def messages(case: ReportCase, *, org: str, contact: str, domain: str) -> list[dict[str, Any]]:
    """Return a message for each site of a report, from an organisation with a mail address and a domain."""
    sender = {"org": org, "contact": contact, "domain": domain}
    return [_message(case, entity, sender) for entity in case.report.entities if entity.kind in SITES]


def _message(case: ReportCase, entity: Entity, sender: dict[str, str]) -> dict[str, Any]:
    report = case.report
    host, url = _place(entity)
    row = SCAM_CLASSES[report.fraud_class]
    phishing = report.information == "PHISHING_SITE"
    return {
        "xarf_version": VERSION,
        "report_id": random_looking("xarf", entity_name(report, entity)),
        "timestamp": instant(report.at_us),
        "reporter": sender,
        "sender": sender,
        "source_identifier": host,
        "category": "content",
        "type": "phishing" if phishing else "fraud",
        "url": url,
        "confidence": confidence(report) / 100,
        "tags": [
            f"{word}:{value.lower().replace('.', '-')}"
            for word, value in (
                ("class", report.fraud_class),
                ("role", entity.role),
                *(("f3", each) for each in row.f3),
            )
        ],
        **({} if phishing else {"fraud_type": row.xarf[0]}),
    }


def _place(entity: Entity) -> tuple[str, str]:
    """Return the host or address of a site, and a URL of it."""
    if entity.kind == "IP":
        bracketed = f"[{entity.value}]" if ":" in entity.value else entity.value
        return entity.value, f"http://{bracketed}"
    if entity.kind == "DOMAIN":
        domain = form("DOMAIN", entity.value)
        return domain, f"http://{domain}"
    url = entity.value if "://" in entity.value else f"http://{entity.value}"
    return form("URL", entity.value).partition("/")[0].partition(":")[0], url


def report(given: Mapping[str, Any], *, reporter: str, jurisdiction: str) -> Report:
    """Return a message as a report.

    Raises:
        ValueError: it is no XARF 4 message, or of a category that names no site.

    """
    if not str(given.get("xarf_version", "")).startswith("4.") or "source_identifier" not in given:
        raise ValueError("no XARF 4 message: xarf_version 4.x and source_identifier are expected")
    if given.get("category") != "content":
        raise ValueError(f"category {given.get('category')!r} reports no site; content is understood")
    tags = dict(
        str(each).partition(":")[::2] for each in given.get("tags", ()) if str(each).startswith("class:")
    )
    tags["class"] = tags.get("class", "").upper()
    named: Any = tags["class"] or _BY_TYPE.get(str(given.get("fraud_type")), "UNKNOWN")
    return Report(
        report_id=derived_id("xarf", given["report_id"]),
        origin="FOREIGN",
        reporter=reporter,
        jurisdiction=jurisdiction,
        at_us=micros(str(given["timestamp"])),
        entities=(_entity(given),),
        information="PHISHING_SITE" if given.get("type") == "phishing" else "TIP",
        fraud_class=named if named in FRAUD_CLASSES else "UNKNOWN",
    )


def _entity(given: Mapping[str, Any]) -> Entity:
    url, source = str(given.get("url", "")), str(given["source_identifier"])
    try:
        return Entity(kind="IP", value=form("IP", source), role="INFRA")
    except ValueError:
        bare = url.partition("://")[2].rstrip("/")
        if bare in ("", source):
            return Entity(kind="DOMAIN", value=source, role="INFRA")
        return Entity(kind="URL", value=url, role="INFRA")
