"""Files that people write: one meaning or one sentence with the line, never a traceback or a hang."""

from pathlib import Path

import pytest

from console.lab.feedback import read_feedback
from fixtures.scenario import load as load_scenario
from fixtures.scenario import path_of
from measures.authority.keys import read_keys
from pipelines.policy import DEFAULT
from pipelines.policy import load as load_policy
from schemas import strict_json, strict_yaml
from schemas.errors import ConfigError

LEVELS = list(zip(b"abcdefgh", b"bcdefghi", strict=True))
BOMB = b"a: &a [x, x, x]\n" + b"".join(b"%c: &%c [*%c, *%c]\n" % (new, new, old, old) for old, new in LEVELS)


@pytest.mark.parametrize(
    ("raw", "line", "says"),
    [
        (b"a: 1\nb: 2\na: 3", 3, "stands twice"),
        (b"a:\n  x: 1\n  x: 1", 3, "a.x: the key stands twice"),
        (BOMB, 1, "write the value out"),
        (b"a: 1\nb: *a", 2, "write the value out"),
        (b"<<: {a: 1}", 1, "write its keys out"),
        (b"a: !!python/object/apply:os.system [ls]", 1, "write plain YAML"),
        (b"a: !t 1", 1, "write plain YAML"),
        (b"a: " + b"[" * 100_000, 1, "nested more than"),
        (b"a: " + b"{b: " * 3_000, 1, "nested more than"),
        (b"\n".join(b"  " * depth + b"k:" for depth in range(200)), 33, "nested more than"),
        (b"? [a]\n: 1", 1, "a key is a word"),
        (b"a: 1\n---\na: 2", 2, "second document"),
        (b"a: 1\nb: [", 3, "no YAML"),
        (b"a: 1\nb: '\x07'", 2, "control characters"),
        (b"a: 1\nb: \xff", 2, "is not UTF-8"),
        ("a: 1".encode("utf-16"), 1, "UTF-16; save it as UTF-8"),
        ("a: 1".encode("utf-16-le"), 1, "UTF-16; save it as UTF-8"),
        ("a: 1".encode("utf-32"), 1, "UTF-32; save it as UTF-8"),
        (b"a: 99999999999999999999", 1, "too large a number"),
        (b"a: 1e999", 1, "too large a number"),
        (b"a: " + b"9" * 10_000, 1, "too large a number"),
        (b"null: 1", 1, "is no key"),
        (b"- x\n" * 60_000, 50_000, "more than 50,000 values"),
    ],
)
def test_yaml_that_could_mean_two_things_or_exhaust_us_is_refused_by_line(
    raw: bytes, line: int, says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        strict_yaml.parse(raw, "x.yaml")
    message = str(caught.value)
    assert message.startswith(f"x.yaml:{line}: ")
    assert says in message
    assert "\n" not in message and len(message) < 300


def test_a_yaml_value_means_what_it_looks_like() -> None:
    text = b"\xef\xbb\xbfa: [1, -2.5, 1:30, 1_0.0, 0300, no, on, 2026-02-30, 0x10, .inf, true, ~, '7']"
    assert strict_yaml.parse(text, "x").data["a"] == [
        1, -2.5, "1:30", "1_0.0", "0300", "no", "on", "2026-02-30", "0x10", ".inf", True, None, "7",
    ]  # fmt: skip


def test_a_file_too_large_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"# " + b"x" * 1_100_000)
    with pytest.raises(ConfigError, match="longer than"):
        strict_yaml.read(path)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("CNY: 1.0", "cny: 1.0", "currencies"),
        ("CNY: 1.0", "CNY: 1:30", "currencies"),
        ("CNY: 1.0", "CNY: 1_0.0", "currencies"),
        ("CNY: 1.0", '"CNY\\n": 1.0', "currencies"),
        ("CNY: 1.0", "CNY: 1.0, CNY: 9.2", "stands twice"),
        ("credit:", "debit: {warn: 1, delay: 1, hold: 1, stop: 1}\ncredit:", "stands twice"),
        ("version:", "<<: {jurisdiction: UK}\nversion:", "write its keys out"),
    ],
)
def test_a_policy_that_says_something_else_than_it_seems_to_is_refused_by_line(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    text = DEFAULT.read_text()
    assert old in text
    path = tmp_path / "p.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError, match=rf"p\.yaml:\d+: .*{says}"):
        load_policy(path)


def test_a_policy_without_any_currency_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    lines = DEFAULT.read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("currencies:"))
    rest = next(n for n in range(start + 1, len(lines)) if lines[n] and lines[n][0] not in " #")
    path.write_text("\n".join([*lines[:start], "currencies: {}", *lines[rest:]]))
    with pytest.raises(ConfigError, match=r"p\.yaml:\d+: currencies: "):
        load_policy(path)


def test_a_policy_of_a_windows_editor_is_read(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + DEFAULT.read_bytes().replace(b"\n", b"\r\n"))
    assert load_policy(path).law.id == "CN"


def test_a_world_that_says_a_thing_twice_is_refused_by_line(tmp_path: Path) -> None:
    text = path_of("quiet_day").read_text()
    path = tmp_path / "w.yaml"
    path.write_text(f"{text}\nseed: 8\n")
    with pytest.raises(ConfigError, match=r"w\.yaml:\d+: seed: the key stands twice"):
        load_scenario(str(path))


FINDING = b'{"feedback_id": "f", "txn_id": "t%d", "kind": "LABEL", "verdict": "SCAM", "known_at_us": %d}'
KNOWN_US = 1_764_547_200_000_000


def test_feedback_of_a_windows_tool_loses_no_line(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(FINDING % (n, KNOWN_US) for n in range(3)))
    assert [found.txn_id for found in read_feedback([str(path)])] == ["t0", "t1", "t2"]


def test_feedback_in_utf16_is_said_not_dropped(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes((FINDING % (1, KNOWN_US)).decode().encode("utf-16"))
    with pytest.raises(ConfigError, match="UTF-16; save it as UTF-8"):
        read_feedback([str(path)])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (FINDING % (1, KNOWN_US // 1_000), "is in milliseconds; microseconds since 1970 are expected"),
        (FINDING % (1, KNOWN_US // 1_000_000), "is in seconds"),
        (FINDING % (1, KNOWN_US * 1_000), "is in nanoseconds"),
        (FINDING % (1, 5), "no time of this century"),
        ((FINDING % (1, KNOWN_US))[:-1] + b', "verdict": "LEGITIMATE"}', "key 'verdict' stands twice"),
        ((FINDING % (1, KNOWN_US))[:-1] + b', "x": NaN}', "no number in JSON"),
        ((FINDING % (1, KNOWN_US))[:-1] + b', "x": ' + b"[" * 100_000, "nested too deep"),
        ((FINDING % (1, KNOWN_US))[:-1] + b', "x": ' + b"9" * 5_000 + b"}", "too large a number"),
        (b"\xff" * 20, "record 2"),
    ],
)
def test_a_finding_that_cannot_be_meant_is_left_out_aloud(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], line: bytes, says: str
) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(FINDING % (0, KNOWN_US) + b"\n" + line + b"\n")
    if b"\xff" in line:
        with pytest.raises(ConfigError, match=r"f\.jsonl:2: byte 0xff is not UTF-8"):
            read_feedback([str(path)])
        return
    assert [found.txn_id for found in read_feedback([str(path)])] == ["t0"]
    said = capfd.readouterr().err
    assert says in said and "1 of 2 records" in said


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b'[{"key_id": "a", "key_id": "b"}]', "stands twice"),
        (b"[" * 100_000, "nested too deep"),
        (b"\xff\xfe[\x00", "UTF-16"),
        (b"[", "no JSON"),
        (b"[NaN]", "no number in JSON"),
    ],
)
def test_a_key_file_that_could_mean_two_things_is_refused_in_one_sentence(
    tmp_path: Path, raw: bytes, says: str
) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(raw)
    with pytest.raises(ConfigError, match=says):
        read_keys(path)


def test_json_in_one_piece_is_given_back_unchanged() -> None:
    assert strict_json.checked(b'{"a": [1, {"a": null}]}') == b'{"a": [1, {"a": null}]}'


def test_a_key_whose_time_has_no_offset_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(
        '[{"authority_id": "p", "key_id": "k", "actor": "POLICE", "jurisdiction": "CN", '
        '"public": {"crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}, '
        '"good_from": "2026-01-01T00:00:00", "good_until": "2027-01-01T00:00:00"}]'
    )
    with pytest.raises(ConfigError, match="has no offset") as caught:
        read_keys(path)
    assert "\n" not in str(caught.value)
