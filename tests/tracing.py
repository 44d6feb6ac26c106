"""`python -m tests.tracing`: how well the money is found, on generated cases whose truth is known.

Every case is one victim's money through layers of accounts that also hold and move clean money, split and
gathered, partly through a pooled wallet account whose two legs share only a clearing serial. Truth is kept
note by note: which units of each transfer were the victim's. The generator spends an account's money by a
habit of its own (newest first, oldest first, mixed), which the tracer is not told.

Two questions are scored. Chain: which accounts did the victim's money reach. Amount: how much of what a
trace calls tainted on an account at the end is, and how much of what is there it finds.

A second table replays freezes: the victim reports, hop 0 is frozen, then each hop the answer points to;
how much of the loss is still there, by hop, for the dwell times of domain.md 3.3.
"""

import argparse
import random
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from measures.money.purse import Method
from measures.money.tracing import Transfer, join_legs, trace

Habit = Literal["NEWEST", "OLDEST", "MIXED"]

METHODS: tuple[Method, ...] = ("FIFO", "LIFO", "LIBR", "PRO_RATA")
POOL = "wallet-pool"
MINUTE = 60_000_000
PAID_US = 60 * MINUTE

#: An account is emptied within this time, once it begins.
SPREAD_US = 10_000_000

#: Dwell in an account (domain.md 3.3): median minutes of a lognormal, and its sigma.
DWELL = {"UK mixed": (51.0, 2.11), "CN professional": (3.0, 1.16), "bots": (0.25, 0.6)}


#: Report after the transfer (Xiamen, domain.md 3.3), minutes; then what the authority takes, and each hop.
REPORT = (330.0, 1.85)
ORDER_MINUTES, HOP_MINUTES = 30, 5

#: Anchors of domain.md 5: share of reported loss that was stopped.
ANCHORS = "IN 14, TH 11-15, SG 12-16, HK 15 %"

#: When an account of a layer is frozen, microseconds.
Freeze = Callable[[int], int]


class Case(NamedTuple):
    """Legs as institutions see them, and the truth.

    `truth` is the victim's money by account at the end, `reached` every account it went through.
    """

    legs: list[Transfer]
    truth: Counter[str]
    reached: set[str]


class Score(NamedTuple):
    """Precision and recall, of accounts reached and of amounts left."""

    chain_precision: float
    chain_recall: float
    amount_precision: float
    amount_recall: float


class Purse:
    """One account's money as single notes: (amount, whether the victim's), oldest first."""

    def __init__(self, habit: Habit, rng: random.Random) -> None:
        self._habit, self._random = habit, rng
        self.notes: list[tuple[int, bool]] = []

    def total(self) -> int:
        return sum(amount for amount, _ in self.notes)

    def dirty(self) -> int:
        return sum(amount for amount, stolen in self.notes if stolen)

    def take(self, amount: int) -> list[tuple[int, bool]]:
        """Take notes for `amount` as this holder does."""
        taken = []
        while amount:
            mixed = self._random.randrange(len(self.notes))
            place = {"NEWEST": -1, "OLDEST": 0, "MIXED": mixed}[self._habit]
            size, stolen = self.notes.pop(place)
            part = min(size, amount)
            if part < size:
                self.notes.insert(place if place >= 0 else len(self.notes), (size - part, stolen))
            taken.append((part, stolen))
            amount -= part
        return taken


def generate(rng: random.Random, layers: int, dwell: str, freeze: Freeze | None = None) -> Case:
    """Make one case: the victim pays, the money moves on layer by layer, life goes on beside it.

    With `freeze` the last layer cashes out too, and a frozen account pays nothing any more.
    """
    median, sigma = DWELL[dwell]
    names = [[f"l{layer}-{n}" for n in range(rng.randint(1, 1 + 2 * layer))] for layer in range(layers)]
    mules = [name for layer in names for name in layer]
    habits: list[Habit] = ["NEWEST", "NEWEST", "OLDEST", "MIXED"]
    others = ["cash-out", *(f"shop-{n}" for n in range(5))]
    purses = {name: Purse(rng.choice(habits), rng) for name in [*mules, *others]}
    legs: list[Transfer] = []
    reached: set[str] = set()

    def move(at_us: int, debtor: str, creditor: str, notes: list[tuple[int, bool]]) -> None:
        amount, number = sum(size for size, _ in notes), len(legs)
        purses[creditor].notes += notes
        if any(stolen for _, stolen in notes):
            reached.add(creditor)
        if debtor in mules and rng.random() < 0.2:
            serial = f"cs-{number}"
            legs.append(Transfer(f"t{number:04d}b", at_us, debtor, POOL, amount, serial))
            legs.append(Transfer(f"t{number:04d}w", at_us + 1, POOL, creditor, amount, serial))
        else:
            legs.append(Transfer(f"t{number:04d}", at_us, debtor, creditor, amount))

    agenda: list[tuple[int, str, str, float]] = []
    for name in mules:
        for _ in range(rng.randint(0, 4)):
            move(rng.randint(0, 30) * MINUTE, "employer", name, [(rng.randint(100, 80_000), False)])
    legs.sort(key=lambda leg: (leg.at_us, leg.txn_id))
    start = PAID_US
    move(start, "victim", names[0][0], [(rng.randint(5_000, 500_000), True)])
    for layer, following in pairwise([*names, ["cash-out"]] if freeze else names):
        start += SPREAD_US + int(rng.lognormvariate(0, sigma) * median * MINUTE)
        for name in layer:
            *targets, last = rng.sample(following, rng.randint(1, len(following)))
            times = sorted(start + rng.randint(1, SPREAD_US) for _ in range(len(targets) + 2))
            agenda.append((times[0], name, f"shop-{rng.randrange(5)}", 0.1))
            shares = zip(times[1:], targets, strict=False)
            agenda += [(at_us, name, to, rng.uniform(0.2, 0.8)) for at_us, to in shares]
            agenda.append((times[-1], name, last, 0.99))
    for at_us, debtor, creditor, share in sorted(agenda):
        frozen = freeze is not None and at_us >= freeze(layer_of(debtor))
        if not frozen and (amount := int(purses[debtor].total() * share)):
            move(at_us, debtor, creditor, purses[debtor].take(amount))
    truth = Counter({name: left for name, purse in purses.items() if (left := purse.dirty())})
    return Case(legs, truth, reached)


def layer_of(account: str) -> int:
    """Tell the layer of an account from its name."""
    return int(account.split("-", maxsplit=1)[0][1:])


def frozen_shares(rng: random.Random, dwell: str, count: int, *, warned: bool) -> tuple[float, list[float]]:
    """Replay freezes; gives the median minutes to the first and the shares of loss frozen at hops 0, 1, 2+.

    With `warned` the first account is frozen a minute after the payment, without waiting for a report.
    """
    waits, shares = [], [0.0, 0.0, 0.0]
    for _ in range(count):
        wait = 1.0 if warned else rng.lognormvariate(0, REPORT[1]) * REPORT[0] + ORDER_MINUTES
        waits.append(wait)

        def freeze(layer: int, wait: float = wait) -> int:
            return PAID_US + int((wait + layer * HOP_MINUTES) * MINUTE)

        case = generate(rng, rng.randint(2, 5), dwell, freeze)
        loss = next(leg.amount_minor for leg in case.legs if leg.debtor == "victim")
        for account, left in case.truth.items():
            if account.startswith("l"):
                shares[min(2, layer_of(account))] += left / loss / count
    return sorted(waits)[count // 2], shares


def score(cases: Sequence[Case], method: Method) -> Score:
    """Trace every case and compare with its truth; all cases count as one."""
    hits, chain = Counter[str](), Counter[str]()
    for case in cases:
        transfers = join_legs(case.legs, {POOL})
        seed = next(t.txn_id for t in transfers if t.debtor == "victim")
        found = trace(transfers, {seed: "v"}, method=method, hop_limit=99)
        accounts = {hop.creditor for hop in found.hops}
        chain += Counter(both=len(accounts & case.reached), said=len(accounts), true=len(case.reached))
        left = Counter({name: taint["v"] for name, taint in found.remaining.items()})
        hits += Counter(both=(left & case.truth).total(), said=left.total(), true=case.truth.total())
    return Score(
        chain["both"] / chain["said"],
        chain["both"] / chain["true"],
        hits["both"] / hits["said"],
        hits["both"] / hits["true"],
    )


def main() -> None:
    """Print a table of methods against cases."""
    parser = argparse.ArgumentParser(prog="python -m tests.tracing", description=__doc__)
    parser.add_argument("--cases", type=int, default=500, help="cases per row")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{options.cases} cases per row, seed {options.seed}")
    print("layers  method     chain precision  chain recall  amount precision  amount recall")
    for layers in (2, 4, 6):
        rng = random.Random(f"{options.seed}-{layers}")
        cases = [generate(rng, layers, "CN professional") for _ in range(options.cases)]
        for method in METHODS:
            one, two, three, four = score(cases, method)
            print(f"{layers:6d}  {method:9s} {one:16.3f} {two:13.3f} {three:17.3f} {four:14.3f}")
    print(f"\nshare of the loss frozen, by hop; anchors after a report: {ANCHORS}")
    print("dwell            first freeze            hop 0  hop 1  hop 2+  together")
    for dwell in DWELL:
        for warned in (False, True):
            rng = random.Random(f"{options.seed}-{dwell}-{warned}")
            minutes, shares = frozen_shares(rng, dwell, options.cases, warned=warned)
            when = "warned" if warned else "reported"
            figures = " ".join(f"{share:7.1%}" for share in (*shares, sum(shares)))
            print(f"{dwell:16s} {when:8s} {minutes:7.0f} min      {figures}")


if __name__ == "__main__":
    main()
