"""The key file: followed while a job runs, replaced whole, without keys that open everything."""

import base64
import logging
from pathlib import Path

import msgspec
import pytest
from joserfc.jwk import OKPKey

from measures.authority.keys import (
    _SMALL_ORDER,
    FollowedKeys,
    KeyEntry,
    is_weak,
    public_entry,
    read_keys,
    write_keys,
)
from measures.authority.signing import Opened, open_order, sign
from measures.refusal import Refusal
from schemas.errors import ConfigError
from schemas.order import Actor
from schemas.reply import Why
from tests.measures.kit import T0, make_order

OLD, NEW = OKPKey.generate_key("Ed25519"), OKPKey.generate_key("Ed25519")
P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


def entry(key: OKPKey, key_id: str, **changes: str) -> KeyEntry:
    made = public_entry(
        key, authority_id="police-1", key_id=key_id, actor=Actor.POLICE, country="CN",
        good_from="2026-01-01T00:00:00+00:00", good_until="2036-01-01T00:00:00+00:00",
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def opens(keys: FollowedKeys, private: OKPKey, key_id: str) -> bool | Why:
    opened = open_order(sign(make_order("S1"), private, key_id), keys.ring(), T0)
    return opened.why if isinstance(opened, Refusal) else isinstance(opened, Opened)


def test_a_key_added_while_the_job_runs_opens_and_a_removed_one_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    write_keys(path, [entry(OLD, "old")])
    keys = FollowedKeys(read_keys(path), path)
    assert (opens(keys, OLD, "old"), opens(keys, NEW, "new")) == (True, Why.UNKNOWN_KEY)
    write_keys(path, [entry(OLD, "old"), entry(NEW, "new")])
    assert (opens(keys, OLD, "old"), opens(keys, NEW, "new")) == (True, True)
    write_keys(path, [entry(NEW, "new")])
    assert (opens(keys, OLD, "old"), opens(keys, NEW, "new")) == (Why.UNKNOWN_KEY, True)


@pytest.mark.parametrize("spoil", [lambda path: path.write_text("[{"), lambda path: path.unlink()])
def test_a_file_that_cannot_be_used_leaves_the_keys_as_they_were_and_says_so_once(
    spoil: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "keys.json"
    write_keys(path, [entry(OLD, "old")])
    keys = FollowedKeys(read_keys(path), path)
    keys.ring()
    spoil(path)  # type: ignore[operator]
    with caplog.at_level(logging.ERROR):
        assert [opens(keys, OLD, "old") for _ in range(3)] == [True] * 3
    assert [record.getMessage().count("the keys stay as they were") for record in caplog.records] == [1]


def test_a_bad_list_of_keys_never_takes_the_place_of_a_good_one(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    write_keys(path, [entry(OLD, "old")])
    with pytest.raises(ConfigError, match="twice"):
        write_keys(path, [entry(OLD, "old"), entry(NEW, "old")])
    assert [each.key_id for each in read_keys(path)] == ["old"]


def doubled(x: int, y: int) -> tuple[int, int]:
    """A point of edwards25519 added to itself."""
    product = D * x * x * y * y
    return (
        2 * x * y * pow(1 + product, -1, P) % P,
        (y * y + x * x) * pow(1 - product, -1, P) % P,
    )


@pytest.mark.parametrize("encoded", sorted(_SMALL_ORDER))
def test_every_point_on_the_list_vanishes_when_taken_eight_times(encoded: str) -> None:
    y = int.from_bytes(bytes.fromhex(encoded), "little") % P
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert (x * x - square) % P == 0
    point = (x, y)
    for _ in range(3):
        point = doubled(*point)
    assert point == (0, 1)


@pytest.mark.parametrize("sign_bit", [0, 0x80])
@pytest.mark.parametrize("encoded", sorted(_SMALL_ORDER))
def test_a_key_that_opens_any_message_is_refused_by_name(encoded: str, sign_bit: int, tmp_path: Path) -> None:
    point = bytearray.fromhex(encoded)
    point[-1] |= sign_bit
    weak = entry(OLD, "weak")
    weak.public["x"] = base64.urlsafe_b64encode(bytes(point)).decode().rstrip("=")
    path = tmp_path / "keys.json"
    path.write_bytes(msgspec.json.encode([weak]))
    with pytest.raises(ConfigError, match="key 'weak': the point is of small order"):
        read_keys(path)


def test_an_honest_key_is_not_weak() -> None:
    assert not any(is_weak(OKPKey.generate_key("Ed25519").as_dict()["x"]) for _ in range(20))


def test_a_time_of_a_key_without_an_offset_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(msgspec.json.encode([entry(OLD, "old", good_from="2026-01-01T00:00:00")]))
    with pytest.raises(ConfigError, match="key 'old': '2026-01-01T00:00:00' has no offset; write it like"):
        read_keys(path)
