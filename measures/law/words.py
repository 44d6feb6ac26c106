"""The words of notices in one language: `words/<language>.yaml` beside the country files.

Sentences are put together by `measures.law.notices`; what stands in braces is filled in there.
"""

from collections.abc import Mapping
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from measures.law.rule_base import Data, Flag
from schemas.order import Scope

#: Reason codes the machines use; every language has a text for each.
REASON_CODES = (
    "STOP_ORDERED",
    "FREEZE_ORDERED",
    "RESTRICTION_ORDERED",
    "SCAM_SUSPECTED",
    "PAYEE_SUSPECT",
    "DELAYED_TRANSFER",
    "IDENTITY_CHECK",
    "LISTED",
    "ACCOUNT_SUSPECTED",
    "PAYEE_LISTED",
    "PAYEE_SUSPECTED",
    "MEASURE_IN_FORCE",
    "LINE_SUSPENDED",
    "LINE_TERMINATED",
    "LINE_CHECK",
    "LINE_UNVERIFIED",
)

#: Who can lift a measure: the institution that decided it, or the authority that ordered it; of a payment
#: that a measure in force stops, whoever that measure's notice names.
Decider = Literal["INSTITUTION", "AUTHORITY", "MEASURE"]

LANGUAGE = r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"


def _text(*names: str) -> Any:
    """Give the type of a text that may hold these names in braces, and nothing else."""

    def checked(value: str) -> str:
        try:
            parts = list(Formatter().parse(value))
        except ValueError as error:
            raise ValueError(f"{value[:40]!r}: {error}; write {{ and }} around a name only") from error
        for _, name, spec, conversion in parts:
            if name is not None and (name not in names or spec or conversion):
                allowed = ", ".join(f"{{{each}}}" for each in names) or "no braces"
                raise ValueError(f"{value[:40]!r} holds {{{name}}}; use {allowed}")
        return value

    return Annotated[str, Field(min_length=1), AfterValidator(checked)]


Plain = _text()
Reason = _text("due")
RemedyText = _text("authority", "number")


class Words(Data):
    """What notices say in one language.

    Attributes:
        machine_made: nobody who speaks the language has read the words yet; notices say so.
        layout: in which order the sentences come.
        reasons: reason code -> why something is held; `{due}` is by when its holder has to act.
        held: scope of the measure -> what is held.
        waiting: that an order waits and holds nothing yet.
        pending: what will be suspended after a time of grace.
        until: when it ends.
        no_end: that no end has been set.
        ordered: by whose order and under which number.
        phone: the authority's number, where the country file has it.
        own: that the institution decided.
        of_measure: the ground of what a measure in force stops: that of the measure, which its notice states.
        own_term: that the length of the term is no law's.
        authority: how an authority is called whose name is not known.
        remedy: how to object to the one who can lift it.
        documents: papers that help.
        functions: names of suspended functions.
        warnings: kind of scam -> warning to a probable victim, where the product ships none in this language.

    """

    language: Annotated[str, Field(pattern=LANGUAGE)]
    machine_made: Flag
    layout: _text("reason", "held", "until", "by")  # type: ignore[valid-type]
    reasons: dict[str, Reason]  # type: ignore[valid-type]
    held: dict[Scope, _text("amount", "functions")]  # type: ignore[valid-type]
    waiting: Plain  # type: ignore[valid-type]
    pending: _text("functions")  # type: ignore[valid-type]
    until: _text("until")  # type: ignore[valid-type]
    no_end: Plain  # type: ignore[valid-type]
    ordered: _text("authority", "number")  # type: ignore[valid-type]
    phone: _text("phone")  # type: ignore[valid-type]
    own: Plain  # type: ignore[valid-type]
    own_term: Plain  # type: ignore[valid-type]
    of_measure: Plain  # type: ignore[valid-type]
    authority: Plain  # type: ignore[valid-type]
    remedy: dict[Decider, RemedyText]  # type: ignore[valid-type]
    documents: tuple[Plain, ...] = Field(min_length=1)  # type: ignore[valid-type]
    functions: Mapping[str, Plain] = Field(default_factory=dict)  # type: ignore[valid-type]
    warnings: Mapping[str, _text("hotline")] = Field(default_factory=dict)  # type: ignore[valid-type]
