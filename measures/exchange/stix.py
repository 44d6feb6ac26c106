"""Reports as STIX 2.1 bundles, out and in.

Each entity is an indicator; sites, addresses and hashes by the standard's own observables, accounts, cards,
numbers and wallets by the names OpenCTI gave them. What STIX has no word for travels in a property extension
of ours, so that our own bundles come back whole; of others' bundles the patterns are read.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from measures.exchange.names import confidence, instant, micros, named
from schemas.report import Edge, Entity, EntityKind, Report, ReportCase, Tlp
from schemas.scams import SCAM_CLASSES

#: Where in a pattern a value of a kind stands: object type and property.
PATHS: Mapping[EntityKind, tuple[str, str]] = {
    "DOMAIN": ("domain-name", "value"),
    "URL": ("url", "value"),
    "IP": ("ipv4-addr", "value"),
    "APP_HASH": ("file", "hashes.'SHA-256'"),
    "NUMBER": ("phone-number", "value"),
    "ACCOUNT": ("bank-account", "account_number"),
    "CARD": ("payment-card", "card_number"),
    "WALLET": ("cryptocurrency-wallet", "value"),
    "SOCIAL_ID": ("user-account", "user_id"),
    **{
        kind: (f"x-stopline-{kind.lower().replace('_', '-')}", "value")
        for kind in (
            "PERSON", "ORG", "SIM", "DEVICE", "MERCHANT", "OUTLET", "INSIDER", "DOCUMENT", "TRANSACTION",
            "NUMBER_RANGE", "IMEI", "SENDER_ID",
        )
    },
}  # fmt: skip
_KINDS = {path: kind for kind, path in PATHS.items()} | {("ipv6-addr", "value"): "IP"}

#: The standard's own marks (STIX 2.1, 7.2.1.4), which are of TLP 1.
TLP: dict[Tlp, str] = {
    "CLEAR": "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
    "GREEN": "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
    "AMBER": "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
    "AMBER+STRICT": "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
    "RED": "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
}
_TLP_NAMES: dict[str, Tlp] = {mark: name for name, mark in reversed(list(TLP.items()))}

EXTENSION = f"extension-definition--{named('extension', 'report', 1)}"
_PATTERN = re.compile(r"\[\s*([a-z0-9-]+):([A-Za-z0-9_.'\-]+)\s*=\s*'((?:[^'\\]|\\.)*)'\s*\]")


def bundle(case: ReportCase) -> dict[str, Any]:
    """Return a case's report as a bundle; a report that was taken back or found wrong is revoked."""
    report, when = case.report, instant(case.report.at_us)
    revoked = case.state == "REVOKED" or case.verdict == "REJECTED"
    common: dict[str, Any] = {
        "spec_version": "2.1", "created": when, "modified": instant(case.closed_us) if revoked else when,
        "object_marking_refs": [TLP[report.tlp]],
    }  # fmt: skip
    reporter = {
        "type": "identity", "spec_version": "2.1", "id": f"identity--{named('identity', report.reporter)}",
        "created": instant(0), "modified": instant(0), "name": report.reporter,
        "identity_class": "individual" if report.origin == "CITIZEN" else "organization",
    }  # fmt: skip
    common["created_by_ref"] = reporter["id"]
    indicators = [_indicator(report, place, common, revoked=revoked) for place in range(len(report.entities))]
    relations = [_relation(report, edge, indicators, common) for edge in report.edges]
    told = {
        "type": "report", "id": f"report--{named('report', report.report_id)}", **common,
        "name": f"{report.information} {report.fraud_class}", "published": when,
        "object_refs": [each["id"] for each in (*indicators, *relations)],
        "confidence": confidence(report), "revoked": revoked, "report_types": ["indicator"],
        "labels": [each.lower().replace("_", "-") for each in (report.information, report.fraud_class)],
        "extensions": {EXTENSION: {"extension_type": "property-extension", "report": _plain(report)}},
    }  # fmt: skip
    if techniques := SCAM_CLASSES[report.fraud_class].f3:
        told["external_references"] = [
            {"source_name": "mitre-f3", "external_id": each} for each in techniques
        ]
    return {
        "type": "bundle", "id": f"bundle--{named('bundle', report.report_id, case.version)}",
        "objects": [reporter, _extension(), *_marks(report), *indicators, *relations, told],
    }  # fmt: skip


def reports(given: Mapping[str, Any], *, reporter: str, jurisdiction: str) -> list[Report]:
    """Return the reports of a bundle: ours whole, others' by the patterns of their indicators.

    Raises:
        ValueError: it is no bundle, or says nothing we have a word for.

    """
    objects = given.get("objects")
    if given.get("type") != "bundle" or not isinstance(objects, list):
        raise ValueError("no STIX bundle: type bundle with objects is expected")
    found = [
        msgspec.convert(each["extensions"][EXTENSION]["report"], Report)
        for each in objects
        if each.get("type") == "report"
        and EXTENSION in each.get("extensions", {})
        and not each.get("revoked")
    ]
    if found:
        return found
    foreign = [
        _foreign(each, reporter, jurisdiction)
        for each in objects
        if each.get("type") == "indicator" and not each.get("revoked") and _entities(each)
    ]
    if not foreign:
        raise ValueError("the bundle holds no indicator whose pattern names something we know")
    return foreign


def _indicator(report: Report, place: int, common: dict[str, Any], *, revoked: bool) -> dict[str, Any]:
    entity = report.entities[place]
    first = entity.first_seen_us or report.at_us
    return {
        "type": "indicator", "id": f"indicator--{named('indicator', report.report_id, place)}", **common,
        "name": f"{entity.role} {entity.kind}", "pattern": _pattern(entity), "pattern_type": "stix",
        "pattern_version": "2.1", "valid_from": instant(first), "indicator_types": ["malicious-activity"],
        "valid_until": instant(max(first, report.at_us) + report.ttl_h * 3_600_000_000),
        "confidence": confidence(report), "revoked": revoked,
    }  # fmt: skip


def _pattern(entity: Entity) -> str:
    of, path = PATHS[entity.kind]
    if entity.kind == "IP" and ":" in entity.value:
        of = "ipv6-addr"
    value = entity.value.replace("\\", "\\\\").replace("'", "\\'")
    return f"[{of}:{path} = '{value}']"


def _relation(report: Report, edge: Edge, indicators: list[Any], common: dict[str, Any]) -> dict[str, Any]:
    ends = indicators[edge.from_entity]["id"], indicators[edge.to_entity]["id"]
    return {
        "type": "relationship", "id": f"relationship--{named('edge', report.report_id, edge.kind, *ends)}",
        **common, "relationship_type": "related-to", "description": edge.kind, "source_ref": ends[0],
        "target_ref": ends[1],
    }  # fmt: skip


def _extension() -> dict[str, Any]:
    return {
        "type": "extension-definition", "spec_version": "2.1", "id": EXTENSION, "created": instant(0),
        "modified": instant(0), "created_by_ref": f"identity--{named('identity', 'stopline')}",
        "name": "stopline-report", "version": "1.0.0", "extension_types": ["property-extension"],
        "schema": "https://stopline.example/schemas/report.v1.json",
    }  # fmt: skip


def _marks(report: Report) -> list[dict[str, Any]]:
    """Return the identity that extensions are of; the marks of TLP are known to every reader."""
    return [
        {
            "type": "identity", "spec_version": "2.1", "id": f"identity--{named('identity', 'stopline')}",
            "created": instant(0), "modified": instant(0), "name": "stopline", "identity_class": "system",
        }
    ]  # fmt: skip


def _plain(report: Report) -> Any:
    return msgspec.to_builtins(report)


def _entities(indicator: Mapping[str, Any]) -> list[Entity]:
    found = []
    for of, path, value in _PATTERN.findall(str(indicator.get("pattern", ""))):
        if kind := _KINDS.get((of, path)):
            found.append(Entity(kind=kind, value=re.sub(r"\\(.)", r"\1", value), role="INFRA"))
    return found


def _foreign(indicator: Mapping[str, Any], reporter: str, jurisdiction: str) -> Report:
    marks = indicator.get("object_marking_refs") or [TLP["AMBER"]]
    return Report(
        report_id=str(indicator["id"])[:64],
        origin="FOREIGN",
        reporter=reporter,
        jurisdiction=jurisdiction,
        at_us=micros(str(indicator["created"])),
        entities=tuple(_entities(indicator)),
        tlp=_TLP_NAMES.get(marks[0], "AMBER"),
    )
