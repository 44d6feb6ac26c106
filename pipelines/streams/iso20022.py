"""ISO 20022 on the topic of payments: a message of XML holds one transaction or many, refused one by one."""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from pipelines.kafka.port import Chunk
from pipelines.process import PROCESS
from pipelines.streams.stream import refusal
from schemas import token_keys
from schemas.dead_letter import DeadLetter
from schemas.errors import SchemaError
from schemas.iso20022.document import Element, NotXmlError
from schemas.iso20022.transfers import Found, Initiated, Said, Tokens, Wrong, read
from schemas.payment import Payment
from schemas.rows import Rows
from schemas.rows.transfers import of_payments
from schemas.token_recipe import token


class Transfers(NamedTuple):
    """What messages of ISO 20022 hold.

    Attributes:
        rows: payments, TRANSFER[n].
        places: of which message of the chunk each is, int64[n].
        elements: what says how much each is and when, by name of the field.
        letters: of messages that are refused, as a whole or in part.
        told: what was said of earlier payments, by status.

    """

    rows: Rows
    places: NDArray[np.int64]
    elements: list[Mapping[str, Element]]
    letters: list[DeadLetter]
    told: Counter[str]


def tokens_of(keys: str, epoch: str) -> Tokens | None:
    """Return what makes tokens with the secret of a key file, read once a process; None without a file.

    Raises:
        ConfigError: the file cannot be used or has no such epoch.

    """
    if not keys:
        return None
    secret = PROCESS.shared("token secret", (keys, epoch), lambda: token_keys.secret(Path(keys), epoch))
    return partial(token, secret)


def transfers(chunk: Chunk, places: Iterable[int], tokens: Tokens | None, zone: str) -> Transfers:
    """Read the messages at some places of a chunk; `zone` is that of times that name none."""
    payments: list[Payment] = []
    of: list[int] = []
    elements: list[Mapping[str, Element]] = []
    letters: list[DeadLetter] = []
    told: Counter[str] = Counter()
    for place in places:
        found, letter = _read(chunk, place, tokens, zone)
        letters += letter
        good = [each for each in found if isinstance(each, Initiated)]
        payments += [each.payment for each in good]
        of += [place] * len(good)
        elements += [{"currency": each.amount, "accepted_at_us": each.accepted} for each in good]
        told.update(each.status for each in found if isinstance(each, Said))
    return Transfers(of_payments(payments), np.array(of, np.int64), elements, letters, told)


def _read(chunk: Chunk, place: int, tokens: Tokens | None, zone: str) -> tuple[list[Found], list[DeadLetter]]:
    if tokens is None:
        said = "ISO 20022 names accounts, and no key is there to make their tokens with"
        return [], [refusal(chunk, place, "NO_TOKEN_KEY", said)]
    try:
        found = list(read(chunk.values[place], tokens, ZoneInfo(zone)))
    except NotXmlError as error:
        return [], [refusal(chunk, place, "NOT_XML", str(error))]
    except SchemaError as error:
        return [], [refusal(chunk, place, "INVALID", str(error))]
    wrong = [each for each in found if isinstance(each, Wrong)]
    if not wrong:
        return found, []
    return found, [refusal(chunk, place, "INVALID", _in_part(str(wrong[0].error), len(wrong), len(found)))]


def _in_part(said: str, wrong: int, transactions: int) -> str:
    """Say what is wrong with the first of the transactions of a message that are, and with how many."""
    return said if transactions == 1 else f"{said}; {wrong} of {transactions} transactions are refused"
