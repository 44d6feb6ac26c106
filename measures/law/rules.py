"""The rules a country's law may have: the entries of `countries/<id>.yaml`.

Every rule is a list of versions, each with its date of force, its legal basis and the sources it rests
on, marked (V seen in a source, U unofficial, C computed, M from memory, E estimate, D our design).
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic import ValidationInfo as Info

from measures.law.calendar import Term
from schemas.order import Actor, ApprovalLevel, MeasureKind, Scope

_SOURCE = re.compile(r"[VMECDU]( S\d+[a-z]?(,S\d+[a-z]?)*)?: \S.*")
_AMOUNT = re.compile(r"(\d+)(?:\.(\d+))? ([A-Z]{3})")


def _term(value: object) -> object:
    return Term.parse(value) if isinstance(value, str) else value


def _amount(value: object, info: Info) -> object:
    """Read `"2000000 CNY"` as minor units of the file's currency."""
    match = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    context = info.context or {}
    if match is None or match[3] != context.get("currency"):
        raise ValueError(f"{value!r} is not an amount; write it like '50000 {context.get('currency')}'")
    digits = int(context["minor_digits"])
    if len(match[2] or "") > digits:
        raise ValueError(f"{value!r} has more than {digits} decimals")
    return int(match[1] + (match[2] or "").ljust(digits, "0"))


def _source(value: str) -> str:
    if not _SOURCE.fullmatch(value):
        raise ValueError(f"{value!r} is not a source; write it like 'V S1,S2: what it says'")
    return value


TermField = Annotated[Term, BeforeValidator(_term)]
Amount = Annotated[int, BeforeValidator(_amount)]
Source = Annotated[str, AfterValidator(_source)]


class Data(BaseModel):
    """Base of everything in a country file: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Rule(Data):
    """One version of a rule, in force from the local midnight of `since`."""

    since: date
    basis: str = Field(min_length=1)
    sources: tuple[Source, ...] = Field(min_length=1)


class OrderedRule(Rule):
    """A rule that names who may order or take the measure."""

    actors: tuple[Actor, ...]


class StopRule(OrderedRule):
    """Emergency stop-payment (domain.md 1.3)."""

    term: TermField
    max_times: int = Field(1, ge=1)
    scope: Scope = Scope.ALL_OUTFLOW
    match: tuple[Literal["NAME", "ACCOUNT", "AMOUNT", "TIME"], ...]
    match_within: TermField = Term(minutes=10)
    papers: tuple[str, ...] = ()


class Verification(Data):
    """A clock of a freeze: `REVIEW` asks a person, `RELEASE` frees what nobody verified."""

    whole_or_linked: bool
    after: TermField
    then: Literal["REVIEW", "RELEASE"]


class Bulk(Data):
    """Sizes from which a freeze needs a legal review and a higher approval."""

    batch: int
    cumulative: int
    whole_batch: int
    whole_cumulative: int
    amount: Amount
    level: ApprovalLevel


class FreezeRule(OrderedRule):
    """Freeze, lien or order-backed hold (domain.md 1.4)."""

    needs_case: bool
    scope: Scope
    term: TermField
    major_term: TermField | None = None
    major_level: ApprovalLevel = ApprovalLevel.CITY
    max_times: int | None = None
    renew_before: TermField | None = None
    renewal_review: bool = False
    verify: tuple[Verification, ...] = ()
    bulk: Bulk | None = None
    papers: tuple[str, ...] = ()


class HoldRule(Rule):
    """A delay the institution sets itself (domain.md 1.6)."""

    scope: Scope
    term: TermField
    cancellable: bool = False
    cancel_until_before: TermField | None = None
    min_amount: Amount = 0
    min_balance: Amount = 0


class RestrictRule(OrderedRule):
    """Suspended functions of an account (domain.md 1.7); `cure` means re-verification restores them."""

    functions: tuple[str, ...]
    exempt: tuple[str, ...] = ()
    scope: Scope = Scope.FUNCTIONS
    term: TermField | None = None
    max_times: int = 1
    grace: TermField | None = None
    cure: bool = False


class Punishment(Data):
    """What one ground of listing brings: each function is cut for its own term."""

    functions: dict[str, TermField]
    exempt: tuple[str, ...] = ()


class ListingRule(OrderedRule):
    """Joint punishment of listed persons (domain.md 1.7)."""

    grounds: dict[str, Punishment]
    acknowledge: TermField


class QueryRule(OrderedRule):
    """Queries and dynamic queries (domain.md 1.5)."""

    max_term: TermField


class Tier(Data):
    """One instance of appeal: what it may lift and how long it may take."""

    name: str
    decide: TermField
    may_lift: tuple[MeasureKind, ...]


class AppealRule(Rule):
    """Appeals (domain.md 1.8); with `deemed_lift` silence of the last tier lifts the measure."""

    tiers: tuple[Tier, ...] = Field(min_length=1)
    acknowledge: TermField | None = None
    deemed_lift: bool = False


class Reimbursement(Data):
    """Loss made good by the institutions, whatever was frozen."""

    cap: Amount
    split_percent: tuple[int, ...]


class RefundRule(Rule):
    """Return of frozen money (domain.md 1.9); a round is opened from `min_amount` on."""

    methods: tuple[Literal["DIRECT", "TRACE_FIFO", "LIBR", "LIBR_FIFO", "PRO_RATA"], ...]
    min_amount: Amount = 0
    notice: TermField | None = None
    pay_within: TermField
    administrative_below: Amount | None = None
    reimbursement: Reimbursement | None = None


class PeopleRule(Rule):
    """Human rules: officers per order, four eyes, small sums."""

    officers: int = Field(ge=0)
    four_eyes_from: Amount
    small_sum: Amount = 0


class MessageRule(Rule):
    """How long orders are good, parked and remembered (domain.md 1.10)."""

    valid_for: TermField
    clock_skew: TermField
    park_for: TermField
    remember: dict[MeasureKind, TermField]
    resend_after: TermField
    attempts: int = Field(ge=1)

    def remembers(self, kind: MeasureKind) -> Term:
        """How long an order of a kind is recognised; one of a kind the country has not, while it is good."""
        return self.remember.get(kind, self.valid_for)


class TraceRule(Rule):
    """How far taint is followed without fresh evidence."""

    hop_limit: int = Field(ge=1)


#: No country allows more warnings a day than this; what is remembered of a person has room for them.
PER_DAY_MAX = 5


class WarningRule(Rule):
    """Warnings to victims: grades, cool-down, whom to call (`hotline` follows "Call" in the words)."""

    grades: dict[int, str]
    hotline: str
    sms_sender: str = ""
    links_allowed: bool = False
    cooldown: TermField
    per_day: int = Field(ge=1, le=PER_DAY_MAX)


#: Sections of a country file that hold the rule of one kind of measure; `NAMED` ones hold rules by name.
KIND_RULES: Mapping[str, type[Rule]] = {
    "stop": StopRule,
    "freeze": FreezeRule,
    "hold": HoldRule,
    "restrict": RestrictRule,
    "query": QueryRule,
}
NAMED: frozenset[str] = frozenset({"hold", "restrict"})
