"""Stream `indicators`: how suspect telephone numbers are, for the clues about calls with them.

A grade is no fact of a party: it is known in the process, and a clue read from then on carries it. So a call
counts as contact with a graded number if the grade was known when its beginning or its end was read.
"""

import msgspec

from pipelines.kafka.port import Chunk
from pipelines.policy import Policy
from pipelines.streams.clock import Window
from pipelines.streams.grades import grades
from pipelines.streams.stream import Decoded, Stream, unreadable
from schemas import topics
from schemas.contract import UNREADABLE
from schemas.indicator import NumberIndicator
from schemas.rows.tokens import token_words

_INDICATOR = msgspec.json.Decoder(NumberIndicator)


def decode(chunk: Chunk, _: Policy, window: Window) -> Decoded:
    """Read what is to be thought of numbers; no value is a number whose entry was dropped."""
    letters, known = [], grades()
    for place, value in enumerate(chunk.values):
        if not value:
            continue
        try:
            found = _INDICATOR.decode(value)
        except UNREADABLE as error:
            letters.append(unreadable(chunk, place, error))
            continue
        number = int(token_words([found.number_token])[0, 1])
        known.learn(number, found.version, found.grade, found.valid_until_us)
    return Decoded((), letters, {"indicators": len(chunk.values) - len(letters)})


INDICATORS = Stream(topics.INDICATORS, "WHOLE", (), decode)
