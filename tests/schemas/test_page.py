"""docs/schemas.md says what the records say."""

import re
from inspect import cleandoc
from pathlib import Path

import msgspec

from schemas.payment import Payment
from schemas.stored import schemas, stored

PAGE = (Path(__file__).parents[2] / "docs" / "schemas.md").read_text(encoding="utf-8")
MAPPED = re.findall(r"^\| `(\w+)` \| (\w+)(, optional)? \| (?:`([^`]+)`)? *\| .*\|$", PAGE, re.M)


def test_the_page_maps_every_field_of_a_payment_in_its_order() -> None:
    schema = stored("payment.v1")["$defs"]["Payment"]

    assert [(name, kind, bool(optional)) for name, kind, optional, _ in MAPPED] == [
        (field.name, schema["properties"][field.name].get("type", "string"), not field.required)
        for field in msgspec.structs.fields(Payment)
    ]


def test_the_page_names_only_elements_that_the_record_names() -> None:
    said = dict(re.findall(r"^ {4}(\w+): (.*)$", cleandoc(Payment.__doc__ or ""), re.M))

    assert {name: path for name, _, _, path in MAPPED if path and path not in said[name]} == {}


def test_the_page_names_every_contract() -> None:
    assert set(re.findall(r"schemas/json/([\w.]+)\.json", PAGE)) == set(schemas())
