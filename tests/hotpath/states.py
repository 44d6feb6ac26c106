"""Beam's value and bag state of one key, with bundles that commit or fail."""

import copy
from typing import Self


class Value:
    def __init__(self) -> None:
        self.value: bytes | None = None

    def read(self) -> bytes | None:
        return self.value

    def write(self, value: bytes) -> None:
        self.value = value

    def clear(self) -> None:
        self.value = None


class Bag:
    def __init__(self) -> None:
        self.items: list[bytes] = []
        self.written = 0

    def read(self) -> list[bytes]:
        return list(self.items)

    def add(self, item: bytes) -> None:
        self.items.append(item)
        self.written += len(item)

    def clear(self) -> None:
        self.items.clear()


class Shard:
    """One shard's state: `head` of a stage, `version` of a ledger without one, the two bags of its log.

    `with shard.bundle():` commits; an exception inside takes everything back.
    """

    def __init__(self) -> None:
        self.head, self.version, self.logs = Value(), Value(), (Bag(), Bag())

    def bundle(self) -> "Bundle":
        return Bundle(self)

    def copy(self) -> Self:
        return copy.deepcopy(self)


class Bundle:
    def __init__(self, shard: Shard) -> None:
        self._shard = shard

    def __enter__(self) -> Shard:
        self._before = self._shard.copy()
        return self._shard

    def __exit__(self, failed: object, *_: object) -> None:
        if failed:
            self._shard.__dict__.update(self._before.__dict__)
