"""How names of institutions and people compare, wherever it counts that two are different."""

import re
import unicodedata
from collections.abc import Iterable

_JOINTS = re.compile(r"[\s_\-\u058a\u2010-\u2015\u2212\ufe58\ufe63\uff0d]+")


def folded(name: str) -> str:
    """Return a name without what two systems of one institution spell differently: case, width, joints.

    Letters of other alphabets that only look the same stay different, as two invented names do: who may write
    is for the broker to say (docs/threat-model.md).

    >>> folded("Bank-2"), folded("BANK 2"), folded("bank_2")
    ('bank-2', 'bank-2', 'bank-2')
    """
    return _JOINTS.sub("-", unicodedata.normalize("NFKC", name).casefold()).strip("-")


def how_many(names: Iterable[str]) -> int:
    """Return how many different ones names are of.

    >>> how_many(("lin", "Lin"))
    1
    """
    return len({folded(each) for each in names})
