"""Dens: numbers that share handsets, cells, trunks or callees, as components of the graph these make."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Numbers = NDArray[np.uint64]

#: What more numbers share than this joins nobody: a cell of a station, a hotline.
HUB = 400
#: Two cards are joined by callees if they share at least so many, and so much of the shorter list of both:
#: they dial one list, not one town.
CALLEES, OF_LIST = 6, 0.25


def dens(calls: NDArray[np.void], hot: Numbers, numbers: Numbers) -> NDArray[np.int64]:
    """Return the component of each of `numbers`, int64[n]; -1 where it shares nothing.

    Handsets join any two numbers. Cells, trunks that are not attested, and callees join only `hot` numbers,
    which call like a SIM box: ordinary people share cells and hotlines. Callees join cards, no fixed lines:
    two call centres dial the same people.
    """
    links = [_links(calls["number"], calls["imei"], 1)]
    of_hot = calls[np.isin(calls["number"], hot)]
    links += [
        _links(of_hot["number"], of_hot["cell"], 2),
        _links(of_hot["number"], np.where(of_hot["attested"], 0, of_hot["trunk"]), 3),
        _pairs(of_hot[of_hot["cell"] != 0]),
    ]
    who, what = (np.concatenate([link[side] for link in links]) for side in (0, 1))
    if not len(who):
        return np.full(len(numbers), -1, np.int64)
    known, left = np.unique(who, return_inverse=True)
    things, right = np.unique(what, return_inverse=True)
    size = len(known) + len(things)
    graph = coo_array((np.ones(len(left)), (left, len(known) + right)), shape=(size, size))
    _, label = connected_components(graph, directed=False)
    members = np.bincount(label[: len(known)], minlength=int(label.max()) + 1)
    place = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
    found = np.where(known[place] == numbers, label[place], -1)
    return np.where((found >= 0) & (members[np.maximum(found, 0)] > 1), found, -1).astype(np.int64)


def _links(number: Numbers, thing: Numbers, kind: int) -> tuple[Numbers, Numbers]:
    """Return each number beside each known thing it has, without hubs; things of kinds do not meet."""
    there = thing != 0
    pairs = np.unique(np.stack([thing[there], number[there]]), axis=1)
    _, place, times = np.unique(pairs[0], return_inverse=True, return_counts=True)
    few = times[place] <= HUB
    with np.errstate(over="ignore"):
        spread = (pairs[0][few] + np.uint64(kind)) * np.uint64(0x9E3779B97F4A7C15)
    return pairs[1][few], (spread & np.uint64(2**62 - 1)) | np.uint64(kind) << np.uint64(62)


def _pairs(calls: NDArray[np.void]) -> tuple[Numbers, Numbers]:
    """Return both numbers of each pair that shares callees, beside what stands for the pair."""
    told = np.unique(calls[["number", "callee"]])
    number, row = np.unique(told["number"], return_inverse=True)
    callee, column = np.unique(told["callee"], return_inverse=True)
    called = coo_array((np.ones(len(told)), (row, column)), shape=(len(number), len(callee))).tocsr()
    shared = (called @ called.T).tocoo()
    one, other = shared.coords
    dialled = np.bincount(row, minlength=len(number))
    least = np.maximum(CALLEES, OF_LIST * np.minimum(dialled[one], dialled[other]))
    kept = (one < other) & (shared.data >= least)
    both = np.stack([number[one[kept]], number[other[kept]]])
    pair = np.arange(kept.sum(), dtype=np.uint64)
    return both.reshape(-1), np.tile(pair, 2)
