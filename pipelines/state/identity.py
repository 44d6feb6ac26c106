"""What state is state of: compared before it is used, so that figures of one thing never become another's."""

from functools import cached_property

import msgspec

from pipelines.state import evolve
from schemas.errors import StateError

#: Field of `Identity` -> what it says of state and of now, and the way to go on with the state.
_ASPECTS = {
    "cluster_id": (
        "is of the brokers with cluster id {was}, --kafka_brokers names those of {now}",
        "name the brokers it is of",
    ),
    "shards": ("has ledgers of {was} shards, now {now} are asked for", "give --ledger_shards {was}"),
    "currency": (
        "counts values in {was}, the policy in {now}",
        "give the --policy_file or --country it began with, or one with the same reference currency",
    ),
    "jurisdiction": (
        "is of a job under the law of {was}, the policy is of {now}",
        "give the --policy_file or --country it began with",
    ),
}


class Identity(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What a job's state is state of; None where a job has no such thing.

    Attributes:
        cluster_id: of the brokers whose topics its positions are in.
        shards: of each ledger.
        currency: that the ledgers' values are counted in.
        jurisdiction: under whose law it decides.
        rows: name -> number of the rows it stores (`evolve`).

    """

    cluster_id: str
    shards: int | None = None
    currency: str | None = None
    jurisdiction: str | None = None
    rows: dict[str, int] = msgspec.field(default_factory=evolve.newest)

    @cached_property
    def encoded(self) -> bytes:
        """It as JSON."""
        return msgspec.json.encode(self)

    def check(self, stored: bytes | msgspec.Raw, what: str) -> None:
        """Refuse state that is of something else; `stored` is `encoded` of what it is of, or `null`.

        Raises:
            StateError: it is; says of what, and the ways to go on.

        """
        was = msgspec.json.decode(stored, type=Identity | None)
        if was is None:
            return
        for name, (differs, way) in _ASPECTS.items():
            then, now = getattr(was, name), getattr(self, name)
            if then != now:
                told = f"{what} {differs}; {way}, or begin without state: --fresh"
                raise StateError(told.format(was=then, now=now))
        known = evolve.newest()
        for name, number in was.rows.items():
            if number > known.get(name, 0):
                raise StateError(
                    f"{what} holds rows {name!r} of number {number}, this release knows {known.get(name, 0)};"
                    " run the newer release that wrote it, or begin without state: --fresh"
                )
