"""One rule of the casework job broken at a time: each of its invariants must be seen to fail."""

from typing import Any

from measures import casework
from measures.aggregate import Applied, Refuse
from measures.blocking import admission, entry
from measures.cases import report
from measures.registry import listing, suspicion
from schemas.casework import Withdraw
from tests.vopr.mutations import Mutation


def everything(action: Any, sources: Any) -> Any:
    """Let one private word block."""
    return action


def unguarded(guard: Any, kind: Any, value: Any) -> str:
    """Protect nothing."""
    return ""


def believing(source: Any, key: Any, country: str) -> Any:
    """Take whoever claims to be an authority for one."""
    return source


def generous(sources: Any) -> int:
    """Give every source the tier it asks for."""
    return max((each.tier for each in sources), default=0)


def ignored(known: Any, command: Any, at_us: int, office: Any) -> Applied:
    """Undo nothing."""
    return Applied(known)


def counted_twice(known: Any, command: Any, at_us: int, office: Any) -> Applied:
    """Keep what was rejected among the reports."""
    return _withdrawn(known, command, at_us, office)._replace(state=known)


def at_once(now: Any, institution: str) -> Any:
    """Take the first removal for all of them."""
    after = _acknowledge(now, institution)
    return after if after.state in listing.LIVE else listing.replace(after, state="REMOVED")


def unversioned(record: Any, /, **changes: Any) -> Any:
    """Change without a version."""
    return listing.replace(record, **changes)


_withdrawn, _acknowledge = suspicion._withdrawn, listing.acknowledge

MUTATIONS = (
    Mutation(
        20, "one private word blocks", ((admission, "allowed", everything), (entry, "allowed", everything))
    ),
    Mutation(21, "nothing is protected", ((admission.Guard, "objection", unguarded),)),
    Mutation(21, "a claim to be an authority is believed", ((casework, "_believed", believing),)),
    Mutation(22, "who does not answer is told of late", ((report, "_owed", lambda each: 0),)),
    Mutation(23, "one private word holds an account", ((suspicion, "tier_of", generous),)),
    Mutation(24, "what was rejected still counts", ((suspicion, "_TAKES", {Withdraw: counted_twice}),)),
    Mutation(25, "a block outlives the only report of it", ((entry, "_TAKES", {Withdraw: ignored}),)),
    Mutation(26, "the first removal stands for all", ((listing, "acknowledge", at_once),)),
    Mutation(27, "a state changes without a version", ((entry, "moved", unversioned),)),
    Mutation(29, "one person alone lifts", ((entry, "deed_fault", lambda *given: None),)),
    Mutation(
        28, "the parts of the job do not answer", ((entry, "_answer", lambda *given: Refuse("not answered")),)
    ),
)
