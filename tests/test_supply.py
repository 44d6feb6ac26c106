"""What we run of others is known by its bytes: wheels by the lock, jars by theirs, all of it in one list."""

import json
from pathlib import Path

import pytest

from pipelines.jars import noted, verify
from schemas.errors import ConfigError
from tests import supply

FOUND = '{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "X-1", "fix_versions": ["2"]}]}]}'


def test_a_jar_that_is_changed_missing_or_added_keeps_java_from_starting(tmp_path: Path) -> None:
    libs, lock = tmp_path / "libs", tmp_path / "jars.sha256"
    libs.mkdir()
    (libs / "a-1.jar").write_bytes(b"a")
    lock.write_text("ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  a-1.jar\n")
    verify(libs, lock)

    (libs / "b-1.jar").write_bytes(b"b")
    with pytest.raises(ConfigError, match=r"b-1[.]jar is no jar that this release runs"):
        verify(libs, lock)
    (libs / "b-1.jar").unlink()
    (libs / "a-1.jar").write_bytes(b"b")
    with pytest.raises(ConfigError, match="its SHA-256 differs; Java is not started: remove"):
        verify(libs, lock)
    (libs / "a-1.jar").unlink()
    with pytest.raises(ConfigError, match=r"a-1[.]jar is missing"):
        verify(libs, lock)


def test_the_bill_of_materials_names_every_wheel_and_jar_with_its_digest() -> None:
    bill = json.loads(supply.bill())
    named = {each["purl"]: each for each in bill["components"]}

    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert any(purl.startswith("pkg:pypi/apache-beam@") for purl in named)
    assert any("flink-core" in purl for purl in named)
    assert any("kafka-clients" in purl for purl in named)
    assert all(each["hashes"] for each in named.values())
    assert len(named) == len(supply.wheels()) + len({*supply.jars()})


def test_every_lock_of_jars_holds_whole_digests() -> None:
    for lock in supply.JARS:
        assert all(len(digest) == 64 and name.endswith(".jar") for name, digest in noted(lock).items())


@pytest.mark.parametrize(
    ("code", "words", "says", "returned"),
    [
        (0, '{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}', "no known vulnerability of", 0),
        (0, '{"dependencies": [{"name": "a", "skip_reason": "not found"}]}', "NOT AUDITED: 1 of 1", 0),
        (0, "", "could not be reached", 0),
        (1, FOUND, "a 1: X-1, fixed in ['2']", 1),
        (1, "", "could not be reached", 0),
    ],
)  # fmt: skip
def test_an_audit_that_finds_something_fails_and_one_that_reaches_nobody_says_so(
    code: int, words: str, says: str, returned: int
) -> None:
    said, result = supply.judged(code, words, "ConnectionError: no route" if not words and code else "")

    assert says in said
    assert result == returned
