"""Topics whose messages are shown as they are: one table, found by account, party, payment and family."""

from collections.abc import Callable, Collection, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from desk.projections.projection import Ground, Message, Projection
from desk.sql import Connection, arriving, upsert
from desk.store import packed

TABLES = """
CREATE TABLE facts(
  seq INTEGER PRIMARY KEY, topic TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL,
  at_us INTEGER NOT NULL, account TEXT NOT NULL, other TEXT NOT NULL, party TEXT NOT NULL, txn TEXT NOT NULL,
  family TEXT NOT NULL, version INTEGER NOT NULL, record BLOB NOT NULL, UNIQUE(topic, id));
CREATE INDEX facts_by_time ON facts(topic, at_us);
CREATE INDEX facts_of_account ON facts(account) WHERE account != '';
CREATE INDEX facts_of_other ON facts(other) WHERE other != '';
CREATE INDEX facts_of_party ON facts(party) WHERE party != '';
CREATE INDEX facts_of_txn ON facts(txn) WHERE txn != '';
CREATE INDEX facts_of_family ON facts(family) WHERE family != ''
"""

_PUT = upsert(TABLES, "facts", key="topic, id", newer="version")

#: What a fact is found by, besides its id.
_FOUND_BY = ("kind", "at", "account", "other", "party", "txn", "family", "version")


def facts(topic: str, record: type[msgspec.Struct], *, name: str, **found_by: str) -> Projection:
    """Return the projection of a topic: `name` is the field of its id, `found_by` the fields it is found by.

    Of two messages of one id the one of the greater version stays, else the later.
    """
    wanted = {"name": name, **found_by}
    assert set(found_by) <= set(_FOUND_BY), found_by
    getters: dict[str, Callable[[Any], Any]] = {key: attrgetter(field) for key, field in wanted.items()}

    def put(db: Connection, ground: Ground, messages: Sequence[Message]) -> Collection[str]:
        rows, accounts, seq = [], set[str](), arriving(db, "facts")
        for place, value, fact in messages:
            text = {key: str(get(fact) or "") for key, get in getters.items()}
            at, version = int(text.get("at") or 0), int(text.get("version") or place.offset)
            row = [text.get(key, "") for key in ("account", "other", "party", "txn", "family")]
            rows.append(
                (next(seq), topic, text["name"], text.get("kind", ""), at, *row, version, packed(value))
            )
            accounts.update(filter(None, (text.get("account"), text.get("other"))))
        db.executemany(_PUT, rows)
        return accounts

    def others(db: Connection, messages: Sequence[Message]) -> Collection[str]:
        txns = {str(getters["txn"](fact) or "") for _, _, fact in messages} if "txn" in getters else ()
        found = (db.execute("SELECT DISTINCT account FROM alerts WHERE txn = ?", (txn,)) for txn in txns)
        return {account for rows in found for (account,) in rows}

    return Projection(topic, msgspec.json.Decoder(record).decode, put, others=others)
