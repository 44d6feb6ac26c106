"""Contracts of the records: stored schemas, compatibility, round trips."""

import copy
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import contract
from schemas.contract import arrow_schema
from schemas.dead_letter import VALUE_BYTES_MAX, DeadLetter, dead_letter, unreadable_as
from schemas.envelope import YEAR_10000_US, headers
from schemas.forms import mend_of_form
from schemas.payment import Payment
from schemas.stored import RECORDS, schemas, stored
from tests.schemas.compat import breaks
from tests.schemas.records import record

SAMPLES = Path(__file__).parent / "v1"
REGENERATE = "run `python -m schemas.stored`, and write a version 2 if v1 would no longer be readable"

each_record = pytest.mark.parametrize("name", RECORDS)
each_schema = pytest.mark.parametrize("name", schemas())


def samples(name: str) -> list[bytes]:
    return (SAMPLES / f"{name}.jsonl").read_bytes().splitlines()


def validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(stored(name))


@each_schema
def test_the_stored_json_schema_is_the_one_of_the_records(name: str) -> None:
    assert stored(name) == json.loads(json.dumps(schemas()[name])), REGENERATE


@each_schema
def test_every_message_of_version_1_stays_readable(name: str) -> None:
    assert breaks(stored(name), schemas()[name]) == []


@each_record
def test_the_messages_written_by_the_first_release_decode_and_are_written_the_same(name: str) -> None:
    lines = samples(name)
    decoded = [msgspec.json.decode(line, type=RECORDS[name]) for line in lines]

    assert [msgspec.json.encode(each) for each in decoded] == lines
    for line in lines:
        validator(name).validate(json.loads(line))


@each_record
def test_a_message_with_fields_of_a_newer_writer_decodes(name: str) -> None:
    line = samples(name)[-1]
    newer = json.dumps({"a_field_of_tomorrow": {"deep": [1, None]}, **json.loads(line)}).encode()

    assert msgspec.json.decode(newer, type=RECORDS[name]) == msgspec.json.decode(line, type=RECORDS[name])
    validator(name).validate(json.loads(newer))


def remove_a_field(schema: dict[str, Any]) -> None:
    del schema["properties"]["purpose_code"]


def require_an_optional_field(schema: dict[str, Any]) -> None:
    schema["required"].append("clearing_serial")


def shorten_a_text(schema: dict[str, Any]) -> None:
    schema["properties"]["txn_id"]["maxLength"] = 34


def bound_an_unbounded_length(schema: dict[str, Any]) -> None:
    schema["properties"]["currency"]["minItems"] = 1


def raise_a_minimum(schema: dict[str, Any]) -> None:
    schema["properties"]["amount_minor"]["minimum"] = 2


def lower_a_maximum(schema: dict[str, Any]) -> None:
    schema["properties"]["accepted_at_us"]["maximum"] -= 1


def drop_a_word(schema: dict[str, Any]) -> None:
    schema["properties"]["channel"]["enum"].remove("QR")


def change_a_type(schema: dict[str, Any]) -> None:
    schema["properties"]["remote_control"]["type"] = "integer"


def tighten_a_pattern(schema: dict[str, Any]) -> None:
    schema["properties"]["txn_id"]["pattern"] = "^[A-Z]{1,36}$"


@pytest.mark.parametrize(
    "narrow",
    [
        remove_a_field, require_an_optional_field, shorten_a_text, bound_an_unbounded_length, raise_a_minimum,
        lower_a_maximum, drop_a_word, change_a_type, tighten_a_pattern,
    ],
)  # fmt: skip
def test_a_narrowed_schema_is_found_out(narrow: Callable[[dict[str, Any]], None]) -> None:
    mutated = copy.deepcopy(stored("payment.v1"))
    narrow(mutated["$defs"]["Payment"])

    assert len(breaks(stored("payment.v1"), mutated)) == 1


def test_a_widened_schema_passes() -> None:
    wider = copy.deepcopy(stored("payment.v1"))
    payment = wider["$defs"]["Payment"]
    payment["properties"]["memo"] = {"type": "string", "default": ""}
    payment["properties"]["channel"]["enum"].append("GLASSES")
    payment["properties"]["debtor_agent"]["maxLength"] = 35
    payment["required"].remove("debtor")

    assert breaks(stored("payment.v1"), wider) == []


def test_a_narrowed_nested_record_is_found_out() -> None:
    mutated = copy.deepcopy(stored("alert.v1"))
    del mutated["$defs"]["Notice"]["properties"]["remedy_channel"]
    mutated["$defs"]["Reason"]["properties"]["contribution"]["type"] = "integer"

    assert sorted(breaks(stored("alert.v1"), mutated)) == [
        "Notice.remedy_channel is gone",
        "Reason.contribution: type 'number' became 'integer'",
    ]


@each_record
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_record_survives_the_wire_and_follows_its_schema(name: str, data: st.DataObject) -> None:
    of = RECORDS[name]
    drawn = data.draw(record(of))
    wire = msgspec.json.encode(drawn)

    assert msgspec.json.decode(wire, type=of) == drawn
    validator(name).validate(json.loads(wire))


def without_nulls(value: Any) -> Any:
    """A row as its writer left it: what has its default is absent, in nested records too."""
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


@each_record
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_a_record_survives_an_arrow_table_of_its_schema(name: str, data: st.DataObject) -> None:
    of = RECORDS[name]
    drawn = data.draw(st.lists(record(of), min_size=1, max_size=3))
    rows = [msgspec.to_builtins(each, builtin_types=(bytes,)) for each in drawn]
    (table,) = pa.Table.from_pylist(rows, schema=arrow_schema(of)).to_batches()
    back = [without_nulls(row) for row in table.to_pylist(maps_as_pydicts="strict")]

    assert [msgspec.convert(row, of, builtin_types=(bytes,)) for row in back] == drawn


@each_record
def test_the_arrow_schema_has_a_column_for_each_field_and_only_optional_ones_are_nullable(name: str) -> None:
    fields = msgspec.structs.fields(RECORDS[name])

    assert [(column.name, column.nullable) for column in arrow_schema(RECORDS[name])] == [
        (field.name, not field.required) for field in fields
    ]


def test_the_arrow_types_are_those_a_reader_expects() -> None:
    types = {column.name: str(column.type) for of in (Payment, DeadLetter) for column in arrow_schema(of)}
    alert = arrow_schema(RECORDS["alert.v1"])

    assert (types["amount_minor"], types["remote_control"], types["status"], types["value"]) == (
        "int64", "bool", "string", "binary",
    )  # fmt: skip
    assert [field.name for field in alert.field("reasons").type.value_type] == [
        "code",
        "contribution",
        "text",
    ]
    assert str(alert.field("score").type) == "double"


def test_a_dead_letter_of_an_enormous_message_fits_into_a_message_and_says_how_much_it_left_out() -> None:
    value = bytes(range(256)) * 8192
    letter = dead_letter(
        "payments", 0, 7, timestamp_us=0, stage="decode", error_code="TOO_LARGE", message="m", value=value
    )

    assert (letter.value, letter.value_bytes) == (value[:VALUE_BYTES_MAX], len(value))
    assert len(msgspec.json.encode(letter)) < 1_000_000


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_kafka_timestamp_makes_headers_and_a_time_the_calendar_has_is_exact(time_us: int) -> None:
    made = dict(headers(event_id="a", event_type="t", source="s", subject="x", time_us=time_us))

    assert ("ce_time" in made) == (0 <= time_us < YEAR_10000_US)
    assert {"ce_specversion", "ce_id", "ce_type", "ce_source", "ce_subject"} <= made.keys()


def test_the_last_microsecond_of_the_calendar_is_written_as_it_is() -> None:
    made = dict(headers(event_id="a", event_type="t", source="s", subject="x", time_us=YEAR_10000_US - 1))

    assert made["ce_time"] == b"9999-12-31T23:59:59.999999+00:00"


#: What jobs read though others may write it (docs/threat-model.md); the others are written by our jobs alone.
FROM_OUTSIDE = ("payment", "clue", "report", "casework", "feedback", "account", "order", "warning_outcome")


def unbounded(schema: Any, path: str = "") -> Iterator[str]:
    """Yield where a schema takes a text, a list or a number of any size, or a text of any characters."""
    if isinstance(schema, list):
        for each in schema:
            yield from unbounded(each, path)
    if not isinstance(schema, dict):
        return
    bound = {"string": "maxLength", "integer": "maximum", "number": "maximum"}.get(schema.get("type", ""))
    if bound and bound not in schema and not {"enum", "const"} & set(schema):
        yield path
    if schema.get("type") == "string" and schema.get("maxLength", 0) > 64 and "pattern" not in schema:
        yield path
    for word in ("anyOf", "oneOf", "items", "additionalProperties"):
        yield from unbounded(schema.get(word), path)
    for name, each in schema.get("properties", {}).items():
        yield from unbounded(each, f"{path}.{name}")


@pytest.mark.parametrize("name", FROM_OUTSIDE)
def test_what_comes_from_outside_is_bounded_and_holds_nothing_that_moves_a_screen(name: str) -> None:
    defined = stored(f"{name}.v1")["$defs"]
    found = {each for of, schema in defined.items() if of != "Reply" for each in unbounded(schema, of)}

    assert found == set()


@pytest.mark.parametrize("odd", ["\x1b[2Jbank-2", "bank\u202e2", "bank\x002", "bank-2\n", "\u2066bank"])
def test_a_name_that_would_move_a_screen_or_turn_what_stands_beside_it_is_refused(odd: str) -> None:
    for of in (contract.Name, contract.Line, contract.CaseName):
        with pytest.raises(msgspec.ValidationError, match="Expected"):
            msgspec.json.decode(msgspec.json.encode(odd), type=of)
    if "\n" not in odd:
        with pytest.raises(msgspec.ValidationError, match="Expected"):
            msgspec.json.decode(msgspec.json.encode(odd), type=contract.Text)
    assert msgspec.json.decode('"Banco \\u00e9 \u9280\u884c"', type=contract.Name)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ('{"a": 1}'.encode("utf-16"), "UTF-16"),
        ('{"a": 1}'.encode("utf-16-le"), "UTF-16"),
        (gzip.compress(b"{}", mtime=0), "compressed"),
        (b"\x00\x00\x00\x00\x01abc", "Avro"),
        (b'[{"a": 1}]', "no array"),
        (b'"{\\"a\\": 1}"', "within a string"),
        (b"{'a': None}", "Python"),
        (b'{"a": 1', "cut off"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": [1, -Infinity]}', "NaN"),
        (rb'{"a": "\ud83d"}', "alf a character"),
        (rb'{"a": "\udc00x"}', "alf a character"),
        (b"t-1,500,CNY", "table"),
        (b"", "without a value"),
    ],
)
def test_what_a_value_looks_like_that_is_no_json_is_said_with_the_next_step(value: bytes, said: str) -> None:
    letter = dead_letter(
        "accounts", 0, 1, timestamp_us=0, stage="decode", error_code="NOT_JSON", message="m", value=value
    )

    assert said in letter.hint and letter.hint.endswith("then send the message again.")


def test_a_whole_character_of_two_halves_and_nan_in_a_text_look_like_nothing_wrong() -> None:
    assert mend_of_form(rb'{"a": "\ud83d\ude00", "b": "it is NaN, or so"}') == ""


def test_what_a_pattern_asks_for_is_said_in_words() -> None:
    for of, wrong, said in (
        (contract.TransactionId, "a b", "printable characters of ASCII without blanks"),
        (contract.Id, "a b", "letters, digits, dots, hyphens and underscores"),
        (contract.Word, "a b", "letters, digits, dots, hyphens and underscores"),
        (contract.Line, "a\x00", "text without control characters"),
        (contract.Text, "a\x00", "text without control characters"),
    ):
        with pytest.raises(msgspec.ValidationError) as raised:
            msgspec.json.decode(msgspec.json.encode(wrong), type=of)
        assert said in unreadable_as(raised.value)[1]
