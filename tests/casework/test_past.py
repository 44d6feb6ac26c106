"""States that a start takes over are ones that can be told something; others, whoever wrote them, are not."""

import msgspec
import pytest

from measures.casework import AGGREGATES
from pipelines.casework.past import _READERS, _state
from pipelines.casework.records import delivery_message
from schemas.casework import Tick
from tests.fuzz.offices import states

BLOCKS = AGGREGATES["block"].topic


@pytest.mark.parametrize("key", ["", "a\x00b", "\u202e", "k" * 257])
def test_a_state_that_no_command_could_be_told_to_is_passed_over(key: str) -> None:
    """It ended the job at every start: what wakes it could not be written."""
    state = msgspec.json.decode(states()[BLOCKS][-1])

    assert _state(_READERS[BLOCKS], msgspec.json.encode(state)) is not None
    assert _state(_READERS[BLOCKS], msgspec.json.encode(state | {"entry_id": key})) is None


def test_every_state_that_is_taken_over_can_be_woken() -> None:
    for kind, of in AGGREGATES.items():
        for value in states()[of.topic]:
            if state := _state(_READERS[of.topic], value):
                assert delivery_message(kind, state.key, Tick())
