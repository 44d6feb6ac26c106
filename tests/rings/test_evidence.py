"""Evidence of a ring: the same a second time, signed, tampering found, others' tokens masked."""

import json

import msgspec
import pytest
from joserfc.jwk import OKPKey
from stix2validator import ValidationOptions, validate_string

from measures.rings import evidence, following
from tests.rings.ties import AT, known, link, token

KEY = OKPKey.generate_key("Ed25519")
PUBLIC = OKPKey.import_key(KEY.as_dict(private=False))
OF = known(
    link("v", "m1", kind="DECEIVED"), link("v", "m2", 1, kind="DECEIVED"), link("m1", "l1", 5),
    link("number", "v", kind="CALLED"), suspected="l1",
)  # fmt: skip
(RING,) = following.found(OF, {})


def folder(**arguments):
    made = evidence.files(RING, OF.links, audience="POLICE") if not arguments else arguments["made"]
    made[evidence.MANIFEST] = evidence.manifest(RING, made, KEY)
    made[evidence.CUSTODY] = evidence.handed_on(b"", "lin", "made", AT)
    return made


def test_a_second_run_gives_the_same_bytes():
    assert folder() == folder()


def test_a_folder_as_it_was_signed_has_no_faults():
    assert evidence.faults(folder(), PUBLIC) == []


@pytest.mark.parametrize("name", sorted(folder()))
def test_every_changed_file_is_found(name):
    made = folder()
    made[name] = made[name].replace(b"a", b"b", 1) if b"a" in made[name] else made[name] + b"x"
    assert evidence.faults(made, PUBLIC) != []


@pytest.mark.parametrize("name", sorted(folder()))
def test_every_missing_file_is_found(name):
    made = folder()
    del made[name]
    assert evidence.faults(made, PUBLIC) != []


def test_a_file_that_was_added_and_a_manifest_of_another_key_are_found():
    assert evidence.faults({**folder(), "more.txt": b""}, PUBLIC) == ["more.txt is not in the manifest"]
    other = OKPKey.generate_key("Ed25519")
    assert "another key" in evidence.faults(folder(), other)[0]


def test_custody_is_a_chain_in_which_no_line_can_be_left_out_or_changed():
    made = folder()
    for who in ("wang", "zhao"):
        made[evidence.CUSTODY] = evidence.handed_on(made[evidence.CUSTODY], who, "received", AT)
    assert evidence.faults(made, PUBLIC) == []
    lines = made[evidence.CUSTODY].splitlines(keepends=True)
    for tampered in (b"".join([lines[0], lines[2]]), b"".join(lines).replace(b"wang", b"song")):
        assert (
            "changed before or in line 2" in evidence.faults({**made, evidence.CUSTODY: tampered}, PUBLIC)[0]
        )


def test_an_institution_sees_its_own_accounts_and_pseudonyms_of_all_others():
    made = evidence.files(RING, OF.links, audience="INSTITUTION", own=[token("m1")])
    text = b"".join(made.values()).decode("latin-1")
    assert token("m1") in text
    assert not any(token(name) in text for name in ("v", "m2", "l1", "number"))
    assert evidence.faults(folder(made=made), PUBLIC) == []


def test_no_cell_of_a_table_is_a_formula_to_a_spreadsheet():
    links = [msgspec.structs.replace(OF.links[1], txn_id="=1+1")]
    flows = evidence.files(RING, links, audience="POLICE")["flows.csv"].decode()
    assert ",'=1+1," in flows


def test_the_bundle_is_stix_as_the_standards_validator_reads_it():
    text = evidence.files(RING, OF.links, audience="POLICE")["ring.stix.json"].decode()
    result = validate_string(text, ValidationOptions(version="2.1", silent=True))
    assert result.is_valid, result.errors
    assert {each["type"] for each in json.loads(text)["objects"]} == {"campaign", "indicator", "relationship"}


def test_the_printed_report_shows_the_ring_and_masks_as_the_text_does():
    for audience, own, shown in (("POLICE", (), True), ("INSTITUTION", (), False)):
        made = evidence.files(RING, OF.links, audience=audience, own=own)["report.pdf"]
        assert made.startswith(b"%PDF")
        assert RING.ring_id.encode() in made
        assert (token("m1").encode() in made) is shown
