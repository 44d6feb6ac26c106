"""Stream `contacts`, the victims job's journal: who was talked out of a scam, and is watched for a while."""

import msgspec
import numpy as np

from models.ledgers.watch import WATCH_FACT, WATCHES
from pipelines.kafka.port import Chunk
from pipelines.policy import Policy
from pipelines.streams.clock import Window
from pipelines.streams.stream import Decoded, Facts, Stream, each
from schemas import topics
from schemas.contact import ContactEntry, Watched
from schemas.rows import Rows
from schemas.rows.tokens import token_words

_ENTRY = msgspec.json.Decoder(ContactEntry)

#: The tag of the event; most entries have none, and are not read.
_TAG = b'"type":"watched"'


def watches(value: bytes) -> list[Rows]:
    """Read the watches that an entry begins, as WATCH_FACT rows."""
    if _TAG not in value:
        return []
    told = [event for event in _ENTRY.decode(value).events if isinstance(event, Watched)]
    rows = np.zeros(len(told), WATCH_FACT)
    for row, event in zip(rows, told, strict=True):
        row["key"] = token_words([event.party_token])[0]
        row["at_us"], row["until_us"] = event.from_us, event.until_us
    return [rows]


def decode(chunk: Chunk, _: Policy, window: Window) -> Decoded:
    """Read who is watched from now on."""
    rows, letters = each(chunk, WATCH_FACT, watches, window.long_ago(), "at_us")
    return Decoded([rows], letters, {"watches": len(rows)})


WATCHED = Stream(topics.CONTACTS, "WHOLE", (Facts(WATCH_FACT, "payers", fold=WATCHES),), decode)
