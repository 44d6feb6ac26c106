"""What looks wrong in payments though each could be read: units, ids, statuses."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipelines.policy import ClockPolicy
from schemas.currencies import digits_of
from schemas.instants import unit_of
from schemas.payment import STATUSES
from schemas.rows import Rows
from schemas.units import DAY_US, HOUR_US, MINUTE_US

#: What is wrong, in how many payments, at which offset first (-1: of all together), and the mend.
Doubt = tuple[str, int, int, str]

_TIMES = ("payee_added_at_us", "creditor_opened_at_us", "limit_changed_at_us")

#: So many payments say something of all.
_ENOUGH = 20

#: A message that comes so long after its payment warns nobody; most of a topic say that a zone is wrong.
_LATE_US, _MOSTLY = 30 * MINUTE_US, 0.9

#: One account in such a share of payments is nobody's.
_CROWD = 0.3

#: So many accounts that pay more than once say something of all.
_AGAIN = 10

#: One account that pays so many others, and so many times as many as pay any other, is probably a payee.
_HUB, _LOPSIDED = 20, 4

#: Nobody's device is older: 20 years of hours.
_HOURS_MAX = 175_200


def doubts(rows: Rows, ahead_us: int, *, live: bool) -> Iterator[Doubt]:
    """Yield what looks wrong in TRANSFER[n]; clocks may differ by `ahead_us`; `live`: of a topic."""
    late = rows["received_us"] - rows["at_us"] > _LATE_US
    if live and late.sum() > _MOSTLY * len(rows):
        hours = float(np.median(rows["received_us"] - rows["at_us"])) / HOUR_US
        mend = "check that `accepted_at_us` is in UTC, not local time, and that the topic is no backlog"
        yield from _doubt(rows, late, f"payments are {hours:.1f} h older than their messages", mend)
    yield from _times(rows, ahead_us)
    yield from _amounts(rows)
    yield from _ids(rows)
    old = rows["new_device_age_h"] > _HOURS_MAX
    yield from _doubt(
        rows, old, "`new_device_age_h` is over 20 years", "it is in hours; divide seconds by 3,600"
    )
    status = Counter(STATUSES[code] for code in rows["status"].tolist() if code)
    for name, times in status.items():
        first = int(rows["offset"][rows["status"] == STATUSES.index(name)][0])
        mend = "send a payment when it is INITIATED, before it is settled; others are never scored"
        yield f"status {name}: not scored", times, first, mend


def too_old(rows: Rows, clock: ClockPolicy, now_us: int) -> Iterator[Doubt]:
    """Say of payments of a file that a job would refuse them if they were sent today."""
    old = rows["at_us"] < now_us - clock.past_us
    said = f"over {clock.past_days} days old: sent as they are, a job refuses them as PAST"
    mend = "send recorded ones with `stopline send --now`; to train on they may be old"
    yield from _doubt(rows, old, said, mend)


def _times(rows: Rows, ahead_us: int) -> Iterator[Doubt]:
    for step, said in ((DAY_US, "falls on one time of day"), (HOUR_US, "falls on one minute of the hour")):
        phase = rows["at_us"] % step
        if len(rows) >= _ENOUGH and (phase == phase[0]).all():
            mend = "send the instant, not only its day or hour: what happened within an hour says most"
            yield f"every `accepted_at_us` {said}", len(rows), -1, mend
            break
    for name in _TIMES:
        column = rows[name]
        unit = np.array([unit_of(at) for at in column.tolist()], "U12")
        for wrong in ("seconds", "milliseconds", "nanoseconds"):
            said = f"`{name}` looks like {wrong}"
            yield from _doubt(rows, unit == wrong, said, "write microseconds since 1970 in UTC")
        yield from _doubt(
            rows, column == 0, f"`{name}` is 0, the year 1970", "leave it out where it is not known"
        )
        later = (column > rows["at_us"] + ahead_us) & (unit == "microseconds")
        said = f"`{name}` lies after the payment"
        yield from _doubt(rows, later, said, "check clock and zone of its source: times are UTC")


def _amounts(rows: Rows) -> Iterator[Doubt]:
    for currency in np.unique(rows["currency"]).tolist():
        name, mine = currency.decode(), rows["currency"] == currency
        amounts, digits = rows["amount_minor"][mine], digits_of(name)
        if digits is None:
            yield from _doubt(rows, mine, f"{name} is no currency of ISO 4217", "write its three-letter code")
        elif len(amounts) < _ENOUGH:
            continue
        elif digits and np.median(amounts) < 10**digits:
            said = f"half of the amounts are under 1 {name}: they look like whole {name}"
            mend = f"multiply by {10**digits}: `amount_minor` is in the smallest unit, 12.50 is 1250"
            yield said, len(amounts), -1, mend
        elif not (amounts % 10 ** (digits or 2)).any():
            said = (
                f"every amount is a multiple of {10 ** (digits or 2)} {name if not digits else 'minor units'}"
            )
            mend = (f"see that nothing was rounded on the way: 12.50 {name} is 1250" if digits
                    else f"do not multiply: {name} has no smaller unit, 1200 {name} is 1200")  # fmt: skip
            yield said, len(amounts), -1, mend


def _ids(rows: Rows) -> Iterator[Doubt]:
    _, first = np.unique(rows["txn_id"], return_index=True)
    again = np.ones(len(rows), np.bool_)
    again[first] = False
    mend = "give every payment an id of its own; on a retry the same payment comes again, which is harmless"
    yield from _doubt(rows, again, "`txn_id` came before", mend)
    own = (rows["debtor_account"] == rows["creditor_account"]).all(axis=1)
    mend = "see which account is which: the debtor pays, the creditor is paid"
    yield from _doubt(rows, own, "`debtor_account` and `creditor_account` are the same", mend)
    if len(rows) >= _ENOUGH and (rows["debtor"] == rows["debtor_account"]).all():
        mend = "make `debtor`'s of the customer's number: who has two accounts is one party"
        yield "`debtor` and `debtor_account` have one token", len(rows), -1, mend
    for name in ("debtor", "debtor_account", "creditor_account"):
        if len(rows) < _ENOUGH:
            continue
        _, counts = np.unique(_one_word(rows[name]), return_counts=True)
        if len(counts) == 1:
            mend = "make its token of the party's own number"
            yield f"`{name}` is the same in all payments", len(rows), -1, mend
        elif counts.max() >= _CROWD * len(rows):
            mend = "if it stands for nobody (0000, unknown), it is nobody's token: give such payments another"
            yield (
                f"one `{name}` is in {counts.max() / len(rows):.0%} of payments",
                int(counts.max()),
                -1,
                mend,
            )
    yield from _sides(rows)


def _sides(rows: Rows) -> Iterator[Doubt]:
    """Doubt who pays whom: an account that pays has one party, and those whom many pay are few."""
    debtor, paying, paid = (
        _one_word(rows[name]) for name in ("debtor", "debtor_account", "creditor_account")
    )
    mend = "see whether payer and payee are swapped: the debtor pays, the creditor is paid"
    parties, counterparts, payers = (
        _partners(paying, debtor),
        _partners(paying, paid),
        _partners(paid, paying),
    )
    shared = parties > 1
    if (
        len(parties) >= _AGAIN
        and shared.mean() > 0.5
        and shared.mean() > (_partners(paid, debtor) > 1).mean()
    ):
        yield (
            f"{shared.mean():.0%} of `debtor_account`s that pay again are of several `debtor`s",
            len(rows),
            -1,
            mend,
        )
    elif len(counterparts) and counterparts.max() >= max(_HUB, _LOPSIDED * payers.max(initial=1)):
        said = (
            f"one `debtor_account` pays {counterparts.max():,} others, and none is paid by more than "
            f"{payers.max(initial=1):,}"
        )
        yield said, len(rows), -1, mend


def _partners(of: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return with how many different others each comes, those that come once left out."""
    pairs = np.unique(np.stack((of, other), axis=1), axis=0)
    _, different = np.unique(pairs[:, 0], return_counts=True)
    _, times = np.unique(of, return_counts=True)
    found: NDArray[np.int64] = different[times > 1]
    return found


def _one_word(tokens: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return tokens in one word each: enough to tell those of a sample apart."""
    word: NDArray[np.uint64] = tokens[:, 0] ^ tokens[:, 1]
    return word


def _doubt(rows: Rows, at: NDArray[np.bool_], said: str, mend: str) -> Iterator[Doubt]:
    if at.any():
        yield said, int(at.sum()), int(rows["offset"][np.argmax(at)]), mend
