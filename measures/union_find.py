"""Disjoint sets of names."""

from collections import defaultdict


class UnionFind:
    """Disjoint sets of names that grow by ties; each tie costs nearly nothing (Tarjan 1975)."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}
        self._size: dict[str, int] = {}

    def find(self, name: str) -> str:
        """Return the name that stands for the set of `name`."""
        above = self._above
        above.setdefault(name, name)
        while above[name] != name:
            above[name] = above[above[name]]
            name = above[name]
        return name

    def tie(self, left: str, right: str) -> None:
        """Make the sets of two names one."""
        small, large = sorted((self.find(left), self.find(right)), key=lambda root: self._size.get(root, 1))
        if small != large:
            self._above[small] = large
            self._size[large] = self._size.get(large, 1) + self._size.get(small, 1)

    def sets(self) -> list[set[str]]:
        """Return the sets of all names ever found or tied."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for name in list(self._above):
            found[self.find(name)].add(name)
        return list(found.values())
