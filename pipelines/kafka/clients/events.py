"""Events of others in Kafka's binary mode, which every client hands on as they are in structured mode."""

from collections.abc import Callable, Mapping, Sequence

from schemas import clue, topics
from schemas.envelope import SPECVERSION, TYPE, structured
from schemas.rows.values import Values

#: Headers as clients read them; a header may have no value.
Headers = Sequence[tuple[str, bytes | None]]

#: Topics whose messages may be events of others, and what tells by type and value which one says all already.
EVENTS: dict[str, Callable[[str, bytes], bool]] = {topics.CLUES: clue.says_all}


def is_event(headers: Headers) -> bool:
    """Tell whether a message is an event by its headers."""
    return any(name == SPECVERSION for name, _ in headers)


def in_structured_mode(topic: str, values: Values, headers: Mapping[int, Headers]) -> Values:
    """Return a topic's values, the events among them in structured mode; their headers are given by place."""
    changed = {
        place: structured(said, values[place])
        for place, said in headers.items()
        if not EVENTS[topic]((dict(said).get(TYPE) or b"").decode("utf-8", "replace"), values[place])
    }
    return Values.of([changed.get(place, value) for place, value in enumerate(values)]) if changed else values
