"""The optional fields of a payment that features are made of: what lacks them, in training and in a job."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from models.features.legs import FloatArray
from schemas.rows import Rows


class Field(NamedTuple):
    """An optional field.

    Attributes:
        feature: what is unknown without it.
        column: of TRANSFER.
        absent: what rows hold instead; coded words (0) stand in features, too, all others are nan there.

    """

    feature: str
    column: str
    absent: int


FIELDS: Mapping[str, Field] = {
    "payee_added_at_us": Field("payee_age_h", "payee_added_at_us", -1),
    "payee_check": Field("payee_check", "payee_check", 0),
    "creditor_opened_at_us": Field("account_open_d", "creditor_opened_at_us", -1),
    "new_device_age_h": Field("new_device_h", "new_device_age_h", -1),
    "limit_changed_at_us": Field("limit_raised_h", "limit_changed_at_us", -1),
    "balance_after_minor": Field("balance_share", "balance_after_minor", -1),
    "channel": Field("channel", "channel", 0),
    "purpose_code": Field("purpose", "purpose", 0),
    "age_band": Field("age_band", "age_band", 0),
}

_CODED = {"payee_check", "channel", "purpose"}


def lacking(rows: Rows) -> dict[str, int]:
    """Return how many of TRANSFER[n] lack each field."""
    return {name: int(np.count_nonzero(rows[field.column] == field.absent)) for name, field in FIELDS.items()}


def missing(X: FloatArray, names: Iterable[str]) -> dict[str, float]:
    """Return the share of rows, float64[n, names], that lack each field whose feature is a column."""
    held = list(names)
    found = {}
    for name, field in FIELDS.items():
        if field.feature in held:
            column = X[:, held.index(field.feature)]
            lacks = column == 0 if field.feature in _CODED else np.isnan(column)
            found[name] = round(float(lacks.mean()), 4)
    return found
