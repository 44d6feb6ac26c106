"""Whose payments these are: which side of each an institution keeps, and so may act on."""

import re
from typing import NamedTuple

from schemas.errors import ConfigError

_CODE = re.compile(r"[!-~]{1,14}")

#: ISO 9362: institution, country, place, and a branch or none.
_BIC = re.compile(r"([A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2})([A-Z0-9]{3})?")

_HEAD_OFFICE = "XXX"


class Sides(NamedTuple):
    """Which accounts of a payment are kept here."""

    debtor: bool
    creditor: bool


_BOTH = Sides(debtor=True, creditor=True)


class Institution(NamedTuple):
    """An institution by its codes, BICs or national ones; without any, all accounts are here."""

    codes: tuple[str, ...] = ()

    def sides(self, debtor_agent: str, creditor_agent: str) -> Sides:
        """Tell which sides of a payment between two agents are here; an agent that is not named may be.

        >>> Institution(("WESTGB22",)).sides("WESTGB22XXX", "COBADEFFXXX")
        Sides(debtor=True, creditor=False)
        """
        if not self.codes:
            return _BOTH
        return Sides(*(not agent or self.keeps(agent) for agent in (debtor_agent, creditor_agent)))

    def keeps(self, agent: str) -> bool:
        """Tell whether an agent is this one: any branch of a BIC of eight letters, else the very code."""
        return not self.codes or any(_same(code, agent.upper()) for code in self.codes)


EVERYBODY = Institution()


def _same(code: str, agent: str) -> bool:
    ours, theirs = _BIC.fullmatch(code), _BIC.fullmatch(agent)
    if ours is None or theirs is None:
        return code == agent
    branch = ours[2] or theirs[2] or _HEAD_OFFICE
    return ours[1] == theirs[1] and branch == (theirs[2] or _HEAD_OFFICE)


def institution(codes: tuple[str, ...], where: str) -> Institution:
    """Return the institution of some codes.

    Raises:
        ConfigError: one is no code; names `where` it stands.

    """
    for code in codes:
        if not _CODE.fullmatch(code):
            raise ConfigError(
                f"{where} takes BICs or national codes of at most 14 letters as payments name their agents, "
                f"got {code[:40]!r}"
            )
    return Institution(tuple(code.upper() for code in codes))
