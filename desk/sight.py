"""What a person sees: everything, or for people of an institution what concerns the accounts it keeps.

An institution is known by its code, as payments name their agents and reports those who keep an account.
Whatever it does not see is not there for it: lists leave it out, and its own page is not found.
"""

from collections.abc import Iterable
from typing import NamedTuple

from desk.roles import Person, Role
from desk.sql import Connection, insert
from desk.store import Store
from pipelines.institution import Institution
from schemas.topics import CONTACTS, WARNINGS

TABLES = "CREATE TABLE institutions(code TEXT PRIMARY KEY)"


class Sight(NamedTuple):
    """The codes of an institution as the store has them; None sees everything."""

    codes: tuple[str, ...] | None = None

    def kept(self, column: str = "institution") -> str:
        """Return the condition that an institution in a column is one's own."""
        return "1 = 1" if self.codes is None else f"{column} IN ({_listed(self.codes)})"

    def accounts(self, column: str = "account") -> str:
        """Return the condition that one's own institution keeps an account that has a case."""
        return self._any(f"{column} IN (SELECT account FROM cases WHERE {self.kept()})")

    def facts(self) -> str:
        """Return the condition for `facts`: about own accounts; what is told a payer, by the payer's bank."""
        told = f"topic IN ('{WARNINGS}', '{CONTACTS}')"
        payers = f"SELECT txn FROM alerts WHERE {self.kept('payer_institution')}"
        parties = payers.replace("txn", "party", 1)
        about = (
            f"{self.accounts()} OR {self.accounts('other')} OR txn != '' AND txn IN (SELECT txn FROM alerts "
            f"WHERE {self.kept()}) OR family != '' AND family IN (SELECT family FROM measures "
            f"WHERE {self.accounts()} UNION SELECT case_id FROM cases WHERE {self.kept()})"
        )
        return self._any(
            f"(CASE WHEN {told} THEN txn != '' AND txn IN ({payers}) OR txn = '' AND party IN ({parties}) "
            f"ELSE {about} END)"
        )

    def aggregates(self) -> str:
        """Return the condition for `aggregates`: what names one's own institution, or an account it keeps."""
        return self._any(
            f"(id IN (SELECT o.id FROM owners AS o WHERE o.topic = aggregates.topic AND {self.kept()}) "
            "OR id IN (SELECT n.id FROM names AS n JOIN cases AS c ON c.account = n.name "
            f"WHERE n.topic = aggregates.topic AND {self.kept('c.institution')}))"
        )

    def actions(self) -> str:
        """Return the condition for `actions`: about own accounts, or decided by one's own people."""
        return self._any(f"({self.accounts()} OR {self.kept()})")

    def sees_case(self, store: Store, case_id: str) -> bool:
        """Tell whether a case is there to be seen."""
        return store.row(f"SELECT 1 FROM cases WHERE case_id = ? AND {self.kept()}", case_id) is not None

    def sees_record(self, store: Store, topic: str, name: str) -> bool:
        """Tell whether an aggregate is there to be seen."""
        query = f"SELECT 1 FROM aggregates WHERE topic = ? AND id = ? AND {self.aggregates()}"
        return store.row(query, topic, name) is not None

    def sees_action(self, store: Store, action_id: str) -> bool:
        """Tell whether an action is there to be seen."""
        query = f"SELECT 1 FROM actions WHERE action_id = ? AND {self.actions()}"
        return self.codes is None or store.row(query, action_id) is not None

    def _any(self, condition: str) -> str:
        return "1 = 1" if self.codes is None else condition


EVERYTHING = Sight()


def sight_of(store: Store, person: Person, own: str) -> Sight:
    """Return what a person sees at a desk of institution `own`; what names none is the desk's own."""
    if person.role is not Role.INSTITUTION:
        return EVERYTHING
    mine = person.institution or own
    keeps = Institution((mine.upper(),)).keeps
    codes = [row["code"] for row in store.rows("SELECT code FROM institutions") if keeps(row["code"])]
    return Sight((*codes, *([""] if mine == own else [])))


def put_institutions(db: Connection, codes: Iterable[str]) -> None:
    """Keep the codes by which institutions are named."""
    rows = [(code,) for code in dict.fromkeys(codes) if code]
    db.executemany(insert("institutions", 1), rows)


def _listed(texts: Iterable[str]) -> str:
    return ", ".join("'" + text.replace("'", "''") + "'" for text in texts) or "NULL"
