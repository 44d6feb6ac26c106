"""Who is in doubt, and what an operator's answer changes: one question a party, and never for the better.

In doubt is a payment that is to be warned of, delayed or held, and one that lacks one sign at the button.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.features import Legs
from models.ledgers import clues
from pipelines.hot.button import signs, to_somebody_new
from pipelines.network.questions import Answer
from pipelines.policy import STOP, WARN, ButtonPolicy
from schemas.units import SECOND_US

#: What goes on rather than happened.
_GOES_ON = (clues.CALL, clues.FORWARDING)


def in_doubt(
    legs: Legs, outcome: NDArray[np.int64], score: NDArray[np.float64], rule: ButtonPolicy | None
) -> NDArray[np.intp]:
    """Return the credit legs in doubt, the highest score first."""
    doubted = (outcome >= WARN) & (outcome < STOP)
    if rule is not None:
        short = signs(legs) == rule.signals - 1
        if short.any():
            doubted |= short & to_somebody_new(legs, rule)
    found = np.flatnonzero(doubted)
    return found[np.argsort(-score[found], kind="stable")]


def told(legs: Legs, rows: NDArray[np.intp], said: Sequence[tuple[Answer, ...]]) -> Legs:
    """Return some of the legs with what an operator says of their payers; what was known before stays."""
    few = legs.rows(rows)
    payer = few.payer.copy()
    for row, answers in zip(range(len(rows)), said, strict=True):
        at_us = int(few.transfer["at_us"][row])
        for answer in answers:
            if answer.since_us:
                _write(payer, row, answer, max(at_us - answer.since_us, 0) / SECOND_US)
    return few._replace(payer=payer)


def _write(payer: NDArray[np.void], row: int, answer: Answer, since_s: float) -> None:
    known_s = payer["clue_since_s"][row, answer.kind]
    goes_on = int(payer["clue_goes_on"][row]) >> answer.kind & 1
    if answer.kind in _GOES_ON:
        if not goes_on:
            payer["clue_since_s"][row, answer.kind] = since_s
            payer["clue_goes_on"][row] |= 1 << answer.kind
    elif np.isnan(known_s) or since_s < known_s:
        payer["clue_since_s"][row, answer.kind] = since_s


def answers_of(
    parties: Sequence[str], found: Mapping[str, tuple[Answer, ...]]
) -> list[tuple[int, tuple[Answer, ...]]]:
    """Return the places of parties of whom something is so, with the answers."""
    return [
        (place, found[party])
        for place, party in enumerate(parties)
        if any(answer.since_us for answer in found.get(party, ()))
    ]
