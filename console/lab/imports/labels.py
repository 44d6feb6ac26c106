"""Labels of payments: from a column of their own table, or from a table that names their ids."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from console.lab.imports import fields, guessing, reading
from console.lab.imports.mapping import Label, Table
from schemas.errors import ConfigError
from schemas.feedback import Feedback, Verdict
from schemas.ids import derived_id
from schemas.units import DAY_US

#: Of the values of a column of labels so many different ones are kept, to be named.
_WORDS_KEPT = 20

_NONE = np.empty(0, np.int64)


@dataclass
class Told:
    """What a table says of payments.

    Attributes:
        labels: what is known of them.
        refused: reason -> rows that say something and are no label.
        others: values of its column that the mapping takes for nothing -> rows.
        unread: times that cannot be read, some of them.

    """

    labels: list[Feedback] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    unread: list[str] = field(default_factory=list)

    def take(self, label: Label, rows: pd.DataFrame, txn_ids: NDArray[Any], at_us: NDArray[Any]) -> None:
        """Take what rows say of payments with these ids and times (microseconds UTC; -1: there is none)."""
        words: dict[Verdict, tuple[str, ...]] = {
            "SCAM": label.scam, "LAUNDERING": label.laundering, "LEGITIMATE": label.legitimate
        }  # fmt: skip
        text = rows[label.column].astype(object).fillna("").astype(str).str.strip()
        verdicts = text.map({word: verdict for verdict, among in words.items() for word in among})
        known = verdicts.notna().to_numpy(bool)
        if len(self.others) < _WORDS_KEPT:
            self.others.update(text[~known & (text != "").to_numpy(bool)].tolist())
        known_us = _known_us(label, rows, at_us)
        if label.known_at is not None and len(self.unread) < _WORDS_KEPT:
            unread = rows[known & (known_us < 0)]
            self.unread += fields.text_of(label.known_at, unread.head(_WORDS_KEPT), _NONE)[0].tolist()
        for place in np.flatnonzero(known).tolist():
            if why := _wrong(int(at_us[place]), int(known_us[place])):
                self.refused[why] += 1
            else:
                self.labels.append(label_of(str(txn_ids[place]), verdicts.iloc[place], int(known_us[place])))

    def mends(self, label: Label) -> Iterator[str]:
        """Yield what to mend where nothing was found, or much was not."""
        if self.refused[STRANGER]:
            yield (
                f"labels of no payment here: {self.refused[STRANGER]:,}; is {label.txn_id!r} the id that "
                "`txn_id` of the payments is read from, and are both of the same days?"
            )
        if self.refused[BEFORE]:
            yield (
                f"labels older than their payments: {self.refused[BEFORE]:,}; see unit and zone of `known_at`"
            )
        if self.refused[UNREAD] and label.known_at is not None:
            mend = guessing.mend("accepted_at_us", label.known_at, self.unread)
            yield (
                f"labels whose known_at cannot be read: {self.refused[UNREAD]:,}; there it is "
                f"{guessing.shown('known_at', self.unread[0])}: {mend or 'see its unit and format'}"
            )
        if not self.labels and self.others:
            words = ", ".join(repr(word[:20]) for word, _ in self.others.most_common(5))
            yield f"no label: {label.column!r} holds {words}; say which are scams: label: {{scam: [{words}]}}"


#: Why a row is no label.
STRANGER, UNREAD, BEFORE = "of no payment here", "known_at: cannot be read", "known before its payment"


def _wrong(at_us: int, known_us: int) -> str:
    if at_us < 0:
        return STRANGER
    if known_us < 0:
        return UNREAD
    return BEFORE if known_us < at_us else ""


def of_table(label: Label, usual: Table, table: Path, payments: Mapping[str, int]) -> Told:
    """Return what a table of labels says of payments: id -> microseconds UTC.

    Raises:
        ConfigError: it cannot be read, or lacks a column.

    """
    told = Told()
    try:
        blocks = [*reading.blocks(label.table or usual, label.read, table)]
    except ConfigError as error:
        raise ConfigError(f"{error}; of labels all this stands below: label: {{table: …}}") from error
    for rows in blocks:
        txn_ids = rows[label.txn_id].astype(object).fillna("").astype(str).str.strip()
        at_us = txn_ids.map(payments).fillna(-1).to_numpy(np.int64)
        told.take(label, rows, txn_ids.to_numpy(), at_us)
    return told


def label_of(txn_id: str, verdict: Verdict, known_us: int) -> Feedback:
    """Return the label of a payment, known at an instant (microseconds UTC)."""
    return Feedback(
        feedback_id=derived_id("feedback", txn_id, "LABEL", known_us),
        txn_id=txn_id,
        kind="LABEL",
        verdict=verdict,
        known_at_us=known_us,
    )


def _known_us(label: Label, rows: pd.DataFrame, at_us: NDArray[np.int64]) -> NDArray[np.int64]:
    if label.known_at is None:
        return at_us + round(label.known_after_days * DAY_US)
    return fields.instants(label.known_at, rows).values.to_numpy(np.int64)
