"""Grades of telephone numbers as they are known in this process: written by one stream, asked by another."""

import threading

import numpy as np
from numpy.typing import NDArray

from pipelines.process import PROCESS

#: The second word of a number's token, its grade and until when that holds, in order of the words.
_GRADE = np.dtype([("number", "u8"), ("grade", "u1"), ("until_us", "i8")])


class Grades:
    """The newest grade of each number; what is asked sees one state of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[int, tuple[int, int, int]] = {}
        self._sorted: NDArray[np.void] | None = np.zeros(0, _GRADE)

    def learn(self, number: int, version: int, grade: int, until_us: int) -> None:
        """Take a grade, unless a newer one of the number is known."""
        with self._lock:
            if version >= self._known.get(number, (-1, 0, 0))[0]:
                self._known[number] = (version, grade, until_us)
                self._sorted = None

    def of(self, numbers: NDArray[np.uint64], at_us: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the grade of each number at a time, uint8[n]; 0 of those nobody graded."""
        known = self._table()
        if not len(known):
            return np.zeros(len(numbers), np.uint8)
        place = np.minimum(np.searchsorted(known["number"], numbers), len(known) - 1)
        found = known[place]
        holds = (found["number"] == numbers) & (at_us < found["until_us"])
        return np.where(holds, found["grade"], 0).astype(np.uint8)

    def _table(self) -> NDArray[np.void]:
        with self._lock:
            if self._sorted is None:
                rows = [(number, grade, until) for number, (_, grade, until) in self._known.items() if grade]
                self._sorted = np.sort(np.array(rows, _GRADE), order="number")
            return self._sorted


def grades() -> Grades:
    """Return the grades that this process knows."""
    return PROCESS.shared("grades", None, Grades)
