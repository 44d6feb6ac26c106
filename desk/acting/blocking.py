"""Sites, numbers, senders and apps blocked and given free, by the rules of admission."""

from typing import cast

import msgspec

from desk.acting.plan import Asked, Change, Plan, RefusedError
from measures.blocking.admission import Guard, Request, admitted, confirmed, lifted
from schemas.action import Effect
from schemas.block import ACTIONS, KINDS, BlockAction, BlockEntry, BlockKind, Source

BLOCKS = "blocks"


def plan(asked: Asked, before: BlockEntry | None, guard: Guard) -> Plan:
    """Say what an entry becomes.

    Raises:
        RefusedError: the value is nothing of its kind, or there is nothing to lift.

    """
    if asked.kind == "UNBLOCK":
        if before is None:
            raise RefusedError("NOT_LISTED", asked.subject)
        after = lifted(before, asked.at_us)
    elif before is not None and before.state == "IN_REVIEW" and asked.terms.get("step") == "CONFIRM":
        after = confirmed(before)
    else:
        after = _admitted(asked, before, guard)
    effect = Effect(topic=BLOCKS, key=after.entry_id.encode(), value=msgspec.json.encode(after))
    change = Change("BLOCK", after.value, before.state if before else "", f"{after.state} {after.action}")
    return Plan((effect,), (change,))


def _admitted(asked: Asked, before: BlockEntry | None, guard: Guard) -> BlockEntry:
    terms = asked.terms
    kind, action = terms.get("kind", ""), terms.get("action", "BLOCK")
    if kind not in KINDS or action not in ACTIONS:
        raise RefusedError("MALFORMED", f"kind {kind!r}, action {action!r}")
    decision = terms.get("decision", "")
    request = Request(
        kind=cast(BlockKind, kind), value=terms.get("value", ""), action=cast(BlockAction, action),
        source=Source(reporter=asked.people[-1], authority=bool(decision), decision=decision),
        at_us=asked.at_us, reason_code=asked.reason_code, legal_basis=terms.get("legal_basis") or "own terms",
        remedy_channel=terms.get("remedy_channel") or "object to this institution",
    )  # fmt: skip
    try:
        return admitted(request, before, guard)
    except ValueError as error:
        raise RefusedError("MALFORMED", str(error)) from error
