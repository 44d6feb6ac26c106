"""Messages of payments as rows, plain JSON or not, for blocks with nothing to refuse."""

from collections.abc import Sequence

import numpy as np

from schemas.rows import Rows
from schemas.rows.transfers import full_transfers, plain_transfers
from schemas.rows.values import Values


def transfers(values: Sequence[bytes]) -> Rows:
    """Decode payments, TRANSFER[n]; raises what `full_transfers` raises."""
    rows, plain = plain_transfers(Values.of(values))
    if not plain.all():
        others = np.flatnonzero(~plain)
        rows[others], _ = full_transfers([values[place] for place in others.tolist()])
    return rows
