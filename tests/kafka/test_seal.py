"""The seal of the journals: who wrote an entry, over all of its bytes."""

import stat
from pathlib import Path

import pytest

from pipelines.kafka.seal import Seal, believed, read_seal
from schemas import token_keys
from schemas.errors import ConfigError

VALUE = b'{"entry_id":"e1","version":5}'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "seal.json"
    token_keys.add(path, "2026-11")
    return path


def seal_of(file: Path) -> Seal:
    found = read_seal(str(file))
    assert found is not None
    return found


def test_a_sealed_value_is_the_value_with_its_seal_as_last_field(file: Path) -> None:
    sealed = seal_of(file).sealed("measures", VALUE)

    assert sealed.startswith(VALUE[:-1] + b',"seal":"') and sealed.endswith(b'"}')
    assert seal_of(file).holds("measures", sealed)


def test_one_bit_anywhere_or_another_topic_breaks_a_seal(file: Path) -> None:
    seal = seal_of(file)
    sealed = seal.sealed("measures", VALUE)

    for place in range(len(sealed)):
        flipped = bytearray(sealed)
        flipped[place] ^= 1
        assert not seal.holds("measures", bytes(flipped)), place
    assert not seal.holds("traces", sealed)


@pytest.mark.parametrize(
    "value", [b"", b"{}", VALUE, b'{"seal":"' + b"0" * 64 + b'"}', b'"' * 200, bytes(75)]
)
def test_what_nobody_sealed_has_no_seal(value: bytes, file: Path) -> None:
    assert not seal_of(file).holds("measures", value)


def test_after_a_new_key_old_entries_still_hold_and_another_file_opens_nothing(
    file: Path, tmp_path: Path
) -> None:
    old = seal_of(file).sealed("measures", VALUE)
    token_keys.add(file, "2026-12")
    token_keys.add(tmp_path / "other.json", "2026-12")

    assert seal_of(file).holds("measures", old)
    assert seal_of(file).sealed("measures", VALUE) != old
    assert not seal_of(tmp_path / "other.json").holds("measures", old)


def test_a_key_is_for_its_owner_alone_and_a_missing_one_is_refused_in_a_sentence(
    file: Path, tmp_path: Path
) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match=r"--seal_key: key file .*`stopline tokens keygen"):
        read_seal(str(tmp_path / "absent.json"))


def test_without_a_key_the_start_says_who_is_believed(file: Path) -> None:
    (said,) = believed("")
    assert "whoever may write topic measures or traces is believed" in said
    assert believed(str(file)) == []
