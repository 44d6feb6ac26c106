"""The AsyncAPI document says of every topic what the code says, and nothing that is not there."""

import json

from schemas import topics
from schemas.asyncapi import FILE, MESSAGES, document
from schemas.stored import FOLDER, schemas


def test_the_stored_document_is_what_the_code_says() -> None:
    stored = json.loads((FOLDER / FILE).read_text(encoding="utf-8"))

    assert stored == json.loads(json.dumps(document())), "run: python -m schemas.stored"


def test_every_topic_that_others_may_read_or_write_is_a_channel() -> None:
    named = {value for name, value in vars(topics).items() if name.isupper() and isinstance(value, str)}

    # between parts of the casework job, and a name that nothing uses
    assert named - set(MESSAGES) == {topics.CASEWORK_INTERNAL, topics.REGISTRY}
    assert set(document()["channels"]) == set(MESSAGES)


def test_every_payload_is_a_schema_beside_the_document() -> None:
    used = {name for names, _ in MESSAGES.values() for name in names}

    assert used == set(schemas())
    assert all((FOLDER / f"{name}.json").exists() for name in used)
