"""Tables that others open in a spreadsheet: CSV as of RFC 4180, in which no cell is a formula."""

import csv
import io
from collections.abc import Iterable

#: Letters at which a spreadsheet takes a cell for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def comma_separated(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a table with a line of names before it.

    >>> comma_separated(["a"], [["=1+1"]]).split()
    ['a', "'=1+1"]
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_cell(str(each)) for each in row] for row in rows)
    return out.getvalue()


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
