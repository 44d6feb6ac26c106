"""Many byte strings in one piece of memory, as the compiled readers take them."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import overload

import numpy as np
from numpy.typing import NDArray

#: Ends every value; stands nowhere in plain JSON, so no reading goes beyond a value.
END = b"\0"

#: Zero bytes behind the last value: a word of at most this size is compared with any place of a value.
AFTER = 64


class Values(Sequence[bytes]):
    """Byte strings one after the other, each ended by `END`, and `AFTER` zero bytes.

    A slice is a view. Values equal any sequence of the same byte strings.

    Attributes:
        text: uint8, read-only.
        starts: int64[n + 1]; value i is `text[starts[i] : starts[i + 1] - 1]`.

    """

    __slots__ = ("starts", "text")

    def __init__(self, text: NDArray[np.uint8], starts: NDArray[np.int64]) -> None:
        text.flags.writeable = False
        self.text, self.starts = text, starts

    @classmethod
    def of(cls, values: Sequence[bytes]) -> "Values":
        """Copy `values`."""
        starts = np.zeros(len(values) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, values), np.int64, len(values)) + 1, out=starts[1:])
        return cls(np.frombuffer(END.join((*values, bytes(AFTER))), np.uint8), starts)

    def sizes(self) -> NDArray[np.int64]:
        """Return the length of each value in bytes, int64[n]."""
        return np.diff(self.starts) - 1

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, place: int) -> bytes: ...

    @overload
    def __getitem__(self, place: slice) -> "Values": ...

    def __getitem__(self, place: int | slice) -> "bytes | Values":
        if isinstance(place, slice):
            first, last, step = place.indices(len(self))
            if step != 1:
                raise ValueError("values are cut in one piece")
            return Values(self.text, self.starts[first : max(first, last) + 1])
        at = range(len(self))[place]
        return self.text[self.starts[at] : self.starts[at + 1] - 1].tobytes()

    def __iter__(self) -> Iterator[bytes]:
        if not len(self):
            return
        first, last = self.starts[0], self.starts[-1]
        text = self.text[first:last].tobytes()
        for start, end in pairwise((self.starts - first).tolist()):
            yield text[start : end - 1]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Values.of({list(self)!r})"
