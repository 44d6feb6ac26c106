"""Reports in STIX, XARF and MISP: valid to others, the same again, back whole."""

import json
from pathlib import Path

import msgspec
import pytest
import stix2
import xarf as xarf_library
from stix2validator import ValidationOptions, validate_string

from console.lab import reporting
from measures.exchange import misp, stix, xarf
from schemas.errors import ConfigError
from schemas.report import ENTITY_KINDS, Edge, Entity, Finding, Report, ReportCase
from tests.casework.kit import T0, Bureau, account, number, report, site
from tests.tokens import token_of

VALUES = {
    "NUMBER": "+82212345678", "NUMBER_RANGE": "+82212345000-+82212345999", "DOMAIN": "evil.example",
    "URL": "https://evil.example/a'b\\c", "IP": "2001:db8::1", "APP_HASH": "ab" * 32,
    "IMEI": "490154203237518", "SENDER_ID": "BANK", "WALLET": "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
}  # fmt: skip


def everything() -> Report:
    """A report of one entity of each kind."""
    entities = tuple(
        Entity(kind=kind, value=VALUES.get(kind, token_of(kind)), role="INFRA", institution="bank-1")
        for kind in ENTITY_KINDS
    )
    edges = (Edge(from_entity=0, to_entity=1, kind="PAID"), Edge(from_entity=2, to_entity=3, kind="CALLED"))
    return report(1, *entities, edges=edges, fraud_class="POLICE_COURT", tlp="GREEN", grade="B2")


def case_of(said: Report, *, rejected: bool = False) -> ReportCase:
    bureau = Bureau()
    bureau.report(said)
    if rejected:
        bureau.now += 1_000_000
        bureau.say(Finding(report_id=said.report_id, verdict="REJECTED", by="desk", reason="wrong"))
    assert bureau.refused == []
    case: ReportCase = bureau.case(said.report_id)
    return case


@pytest.mark.parametrize("rejected", [False, True])
def test_a_bundle_passes_the_validator_of_oasis_and_parses(rejected: bool) -> None:
    made = stix.bundle(case_of(everything(), rejected=rejected))

    checked = validate_string(json.dumps(made), ValidationOptions(version="2.1"))

    assert checked.is_valid, [str(each) for each in checked.errors]
    assert len(stix2.parse(made, allow_custom=True).objects) == len(made["objects"])
    assert [each["revoked"] for each in made["objects"] if "revoked" in each] == [rejected] * 22


def test_a_second_export_is_the_same_and_ids_are_those_of_the_report() -> None:
    first, second = (
        [reporting.exported(case_of(everything()), form, org="Bank", contact="abuse@bank.example")
         for form in reporting.FORMS]
        for _ in range(2)
    )  # fmt: skip

    assert first == second


def test_our_bundles_come_back_whole_and_revoked_ones_not_at_all() -> None:
    said = everything()

    assert stix.reports(stix.bundle(case_of(said)), reporter="x", jurisdiction="CN") == [said]
    with pytest.raises(ValueError, match="no indicator"):
        stix.reports(stix.bundle(case_of(said, rejected=True)), reporter="x", jurisdiction="CN")


def test_a_bundle_of_others_is_read_by_its_patterns() -> None:
    indicator = stix2.v21.Indicator(
        pattern="[url:value = 'http://evil.example/x'] OR [domain-name:value='evil.example']",
        pattern_type="stix", valid_from="2026-01-01T00:00:00Z", created="2026-01-01T00:00:00Z",
    )  # fmt: skip
    given = json.loads(stix2.v21.Bundle(indicator).serialize())

    [found] = stix.reports(given, reporter="cert-1", jurisdiction="KR")

    assert [(each.kind, each.value) for each in found.entities] == [
        ("URL", "http://evil.example/x"), ("DOMAIN", "evil.example"),
    ]  # fmt: skip
    assert (found.origin, found.reporter) == ("FOREIGN", "cert-1")


@pytest.mark.parametrize("information", ["TIP", "PHISHING_SITE"])
def test_xarf_messages_pass_its_own_schemas_and_come_back(information: str) -> None:
    sites = (
        site(),
        Entity(kind="URL", value="http://evil.example/a?b=c"),
        Entity(kind="IP", value="192.0.2.1"),
    )
    said = report(1, *sites, account(), number(), fraud_class="LOAN", information=information)

    made = xarf.messages(case_of(said), org="Bank", contact="abuse@bank.example", domain="bank.example")

    assert len(made) == 3
    for message, entity in zip(made, sites, strict=True):
        assert xarf_library.parse(json.dumps(message), strict=False).errors == []
        back = xarf.report(message, reporter="host-1", jurisdiction="KR")
        assert (back.fraud_class, back.information, back.at_us) == ("LOAN", information, T0)
        assert (back.entities[0].kind, back.entities[0].value) == (entity.kind, entity.value)


def test_misp_events_come_back_with_every_entity() -> None:
    said = everything()

    back = misp.report(misp.event(case_of(said)), reporter="cert", jurisdiction="KR")

    assert back.entities == said.entities
    assert (back.fraud_class, back.information) == (said.fraud_class, said.information)
    with pytest.raises(ValueError, match="no attribute"):
        misp.report(misp.event(case_of(said, rejected=True)), reporter="cert", jurisdiction="KR")


def test_a_file_that_is_nothing_of_its_format_is_refused_in_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "given.json"
    for form in reporting.FORMS:
        for said in (
            "{}",
            "[]",
            "no json",
            '{"type": "bundle", "objects": [1]}',
            '{"Event": {"Attribute": [1]}}',
        ):
            file.write_text(said)
            with pytest.raises(ConfigError, match="cannot be read as"):
                list(reporting.imported(file, form, reporter="a", jurisdiction="KR"))


def test_imported_reports_can_be_sent(tmp_path: Path) -> None:
    file = tmp_path / "bundle.json"
    file.write_text(reporting.exported(case_of(everything()), "stix"))

    [line] = reporting.imported(file, "stix", reporter="a", jurisdiction="KR")

    assert msgspec.json.decode(line, type=Report) == everything()
