"""Topic `actions`: what people decided, each once, and where it stands on the topic."""

from collections.abc import Collection, Sequence

import msgspec

from desk.projections.projection import Ground, Message, Projection
from desk.sight import put_institutions
from desk.sql import Connection, arriving, insert
from desk.store import packed
from schemas.action import Action
from schemas.topics import ACTIONS

TABLES = """
CREATE TABLE actions(
  seq INTEGER PRIMARY KEY, action_id TEXT NOT NULL UNIQUE, partition INTEGER NOT NULL,
  message_offset INTEGER NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, case_id TEXT NOT NULL,
  account TEXT NOT NULL, subject TEXT NOT NULL, by TEXT NOT NULL, at_us INTEGER NOT NULL,
  upto_us INTEGER NOT NULL, proposal_id TEXT NOT NULL, record BLOB NOT NULL, institution TEXT NOT NULL,
  payee_institution TEXT NOT NULL, amount_minor INTEGER NOT NULL, currency TEXT NOT NULL,
  value REAL NOT NULL);
CREATE INDEX actions_of_account ON actions(account, at_us);
CREATE INDEX actions_of_proposal ON actions(proposal_id) WHERE proposal_id != '';
CREATE INDEX actions_by_place ON actions(partition, message_offset)
"""


def put(db: Connection, ground: Ground, messages: Sequence[Message]) -> Collection[str]:
    """Add actions; one that stands on the topic twice counts where it stands first."""
    seq = arriving(db, "actions")
    rows = [
        (
            next(seq), a.action_id, place.partition, place.offset, a.kind, a.state, a.case_id,
            a.account_token, a.subject, a.by, a.at_us, a.upto_us, a.proposal_id, packed(value), a.institution,
            a.terms.get("institution", "") if a.kind == "REPORT" else "", a.amount_minor, a.currency,
            ground.worth(a.amount_minor, a.currency),
        )
        for place, value, a in messages
    ]  # fmt: skip
    db.executemany(insert("actions", 19), rows)
    put_institutions(db, (code for row in rows for code in row[14:16]))
    return {row[7] for row in rows if row[7]}


PROJECTION = Projection(ACTIONS, msgspec.json.Decoder(Action).decode, put, TABLES)
