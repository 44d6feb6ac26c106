"""What institutions' people propose to be listed: a note for an authority, without effect."""

from msgspec.structs import replace

from measures.authority.people import deed_fault
from measures.law.country_file import Laws
from measures.refusal import Refusal
from schemas.casework import ProposeListing
from schemas.errors import ConfigError
from schemas.reply import Why
from schemas.subject import Proposal

#: Proposals that wait about one subject.
PROPOSALS_MAX = 16


def proposed(
    waiting: tuple[Proposal, ...], asked: ProposeListing, at_us: int, laws: Laws
) -> tuple[Proposal, ...] | Refusal:
    """Return the proposals about a subject with one more; an institution's newer word replaces its older."""
    try:
        regime = laws.of(asked.jurisdiction).on(at_us)
    except ConfigError as error:
        return Refusal(why=Why.NO_LEGAL_BASIS, detail=str(error))
    grounds = sorted(regime.listing.grounds) if regime.listing else []
    if asked.ground not in grounds:
        known = ", ".join(grounds)
        return Refusal(
            why=Why.NO_LEGAL_BASIS,
            detail=f"{regime.id} lists for {known}, not for {asked.ground!r}"
            if known
            else f"{regime.id} lists nobody, not for {asked.ground!r}",
        )
    if fault := deed_fault("PROPOSE_LISTING", asked.by, asked.reason, regime):
        return fault
    mine = Proposal(
        institution=asked.institution, jurisdiction=asked.jurisdiction, ground=asked.ground,
        by=asked.by, reason=asked.reason, at_us=at_us,
    )  # fmt: skip
    before = next((each for each in waiting if _name(each) == _name(mine)), None)
    if before is not None and replace(before, at_us=at_us) == mine:
        return waiting
    others = tuple(each for each in waiting if each is not before)
    if len(others) >= PROPOSALS_MAX:
        return Refusal(why=Why.LIMIT_REACHED, detail=f"{PROPOSALS_MAX} proposals wait already")
    return (*others, mine)


def _name(each: Proposal) -> tuple[str, str, str]:
    return each.institution, each.jurisdiction, each.ground
