"""The rules a country's law may have: the entries of `countries/<id>.yaml`.

Every rule is a list of versions, each with its date of force, its legal basis and the sources it rests
on, marked (V seen in a source, U unofficial, C computed, M from memory, E estimate, D our design).
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from measures.law.calendar import Term
from measures.law.rule_base import (
    Amount,
    Data,
    Flag,
    Hour,
    OrderedRule,
    Percent,
    Rule,
    TermField,
    Times,
    distinct,
)
from schemas.order import Actor, ApprovalLevel, HolderKind, MeasureKind, Scope


def _whole(shares: tuple[int, ...]) -> tuple[int, ...]:
    if sum(shares) != 100:
        raise ValueError(f"{list(shares)} is not a split; its shares are percent and make 100")
    return shares


def _ends_pro_rata(methods: tuple[str, ...]) -> tuple[str, ...]:
    if not methods or methods[-1] != "PRO_RATA":
        raise ValueError(f"{list(methods)} can end without a result; the last method is PRO_RATA")
    return methods


class StopRule(OrderedRule):
    """Emergency stop-payment (domain.md 1.3)."""

    starts: Literal["EXECUTION"]
    term: TermField
    max_times: Times = 1
    scope: Literal[Scope.ALL_OUTFLOW, Scope.AMOUNT] = Scope.ALL_OUTFLOW
    match: tuple[Literal["NAME", "ACCOUNT", "AMOUNT", "TIME"], ...]
    match_within: TermField = Term(minutes=10)
    papers: tuple[str, ...] = ()


class Verification(Data):
    """A clock of a freeze: `REVIEW` asks a person, `RELEASE` frees what nobody verified.

    A release may be limited to sums `below` and to freezes `ordered_by` some; a person is asked about others.
    """

    whole_or_linked: Flag
    after: TermField
    then: Literal["REVIEW", "RELEASE"]
    below: Amount | None = None
    ordered_by: tuple[Actor, ...] = ()


class Bulk(Data):
    """Sizes from which a freeze needs a legal review and a higher approval."""

    batch: Annotated[int, Field(strict=True, ge=1)]
    cumulative: Annotated[int, Field(strict=True, ge=1)]
    whole_batch: Annotated[int, Field(strict=True, ge=1)]
    whole_cumulative: Annotated[int, Field(strict=True, ge=1)]
    amount: Amount
    level: ApprovalLevel


class FreezeRule(OrderedRule):
    """Freeze, lien or order-backed hold (domain.md 1.4).

    A freeze below `min_amount` is not ordered. With `needs_period` the order names its own period, and `term`
    only bounds it. `report_within`: the victim
    reported within that time of the payment.
    """

    needs_case: Flag
    scope: Literal[Scope.ALL_OUTFLOW, Scope.AMOUNT]
    starts: Literal["EXECUTION", "REPORT"]
    term: TermField
    min_amount: Amount = 0
    needs_period: Flag = False
    report_within: TermField | None = None
    major_term: TermField | None = None
    major_level: ApprovalLevel = ApprovalLevel.CITY
    max_times: Times | None = None
    renew_before: TermField | None = None
    renewal_review: Flag = False
    verify: tuple[Verification, ...] = ()
    bulk: Bulk | None = None
    papers: tuple[str, ...] = ()


class HoldRule(Rule):
    """A delay the institution sets itself (domain.md 1.6), under the conditions its law attaches.

    Attributes:
        grounds_within: the institution found its grounds within that time of the start.
        holders: kinds of holders whose accounts it may touch; all if empty.
        min_amount: least amount of the payment.
        min_balance: least balance of the account.
        min_outflow_percent: the outflow of 24 hours, this payment included, exceeds this share of the balance
            before it.
        instead_of: the rule it stands in for `between` two local times of day.
        extends: it takes over a hold by that rule in the same case that still runs, and begins where
            that ends.
        between: see `instead_of`; from the first time to the second, over midnight if that is earlier.

    """

    scope: Literal[Scope.TRANSACTION, Scope.AMOUNT, Scope.ALL_OUTFLOW]
    starts: Literal["EXECUTION", "RECEIPT"]
    term: TermField
    grounds_within: TermField | None = None
    holders: tuple[HolderKind, ...] = ()
    cancellable: Flag = False
    cancel_until_before: TermField | None = None
    min_amount: Amount = 0
    min_balance: Amount = 0
    min_outflow_percent: Percent | None = None
    extends: str = ""
    instead_of: str = ""
    between: tuple[Hour, Hour] | None = None


class RestrictRule(OrderedRule):
    """Suspended functions of an account (domain.md 1.7); `cure` means re-verification restores them.

    With `needs_period` whoever restricts names the end, and `term` only bounds it. `exempt` goes on by
    itself, `on_request` only if the authority allows it.
    """

    functions: tuple[str, ...] = Field(min_length=1)
    exempt: tuple[str, ...] = ()
    on_request: tuple[str, ...] = ()
    scope: Literal[Scope.FUNCTIONS] = Scope.FUNCTIONS
    starts: Literal["EXECUTION"]
    term: TermField | None = None
    needs_period: Flag = False
    max_times: Times = 1
    grace: TermField | None = None
    cure: Flag = False


class LineSuspendRule(OrderedRule):
    """A telephone line used in scams is suspended at once, and for good unless its holder objects in time.

    It becomes permanent when `term` and the time to object, both from its execution, are over and no
    objection waits for its answer.
    """

    functions: tuple[str, ...] = Field(min_length=1)
    exempt: tuple[str, ...] = ()
    scope: Literal[Scope.FUNCTIONS] = Scope.FUNCTIONS
    starts: Literal["EXECUTION"]
    term: TermField
    objection: TermField


class ReverifyRule(OrderedRule):
    """The user of a line is verified again before it is cut: limited until then, suspended if it is not done.

    `functions` are limited while the operator waits, `unverified` are suspended after `term`.
    """

    functions: tuple[str, ...] = Field(min_length=1)
    unverified: tuple[str, ...] = Field(min_length=1)
    exempt: tuple[str, ...] = ()
    scope: Literal[Scope.FUNCTIONS] = Scope.FUNCTIONS
    starts: Literal["EXECUTION"]
    term: TermField


class QueryRule(OrderedRule):
    """Queries and dynamic queries (domain.md 1.5)."""

    max_term: TermField


class Tier(Data):
    """One instance of appeal: what it may lift and how long it may take.

    `ordered_by`: it may lift what these ordered; whatever the institution decided itself if empty.
    """

    name: str = Field(min_length=1)
    decide: TermField
    may_lift: tuple[MeasureKind, ...] = Field(min_length=1)
    ordered_by: tuple[Actor, ...] = ()

    def may(self, kind: MeasureKind, actor: Actor | None) -> bool:
        """Whether it may lift a measure of `kind` that `actor` ordered; None is the institution itself."""
        return kind in self.may_lift and (actor is None or not self.ordered_by or actor in self.ordered_by)


class AppealRule(Rule):
    """Appeals (domain.md 1.8); with `deemed_lift` silence of the last tier lifts the measure."""

    tiers: tuple[Tier, ...] = Field(min_length=1)
    acknowledge: TermField | None = None
    deemed_lift: Flag = False


class ReimbursementTerms(Data):
    """Loss made good by the institutions, whatever was frozen.

    Attributes:
        cap: the most of a claim.
        excess: what a victim bears of it, unless vulnerable.
        split_percent: what each institution bears (sending, receiving).
        within: the time to pay, from the claim.
        latest: the time to pay though the clock stood still.

    """

    cap: Amount
    excess: Amount = 0
    split_percent: Annotated[tuple[Percent, ...], AfterValidator(_whole)]
    within: TermField
    latest: TermField


class RefundRule(Rule):
    """Return of frozen money (domain.md 1.9); under `min_amount` a round is opened only if a victim asks."""

    methods: Annotated[
        tuple[Literal["DIRECT", "TRACE_FIFO", "LIBR", "LIBR_FIFO", "PRO_RATA"], ...],
        AfterValidator(distinct),
        AfterValidator(_ends_pro_rata),
    ]
    min_amount: Amount = 0
    notice: TermField | None = None
    pay_within: TermField
    administrative_below: Amount | None = None
    reimbursement: ReimbursementTerms | None = None


#: What people do to blocks and listings that a second person may have to agree to.
Deed = Literal["ASK_BLOCK", "CONFIRM_BLOCK", "LIFT_BLOCK", "PROPOSE_LISTING"]

#: What takes two people where a country's file says nothing else.
TWO_PEOPLE: tuple[Deed, ...] = ("CONFIRM_BLOCK", "LIFT_BLOCK", "PROPOSE_LISTING")


#: So many accounts decided at once take two people where a country says nothing else; ours, no law's.
FOUR_EYES_ACCOUNTS = 20


class PeopleRule(Rule):
    """Human rules: officers per order, four eyes above a sum, for many accounts, some deeds; small sums."""

    officers: Annotated[int, Field(strict=True, ge=0, le=10)]
    four_eyes_from: Amount
    four_eyes_accounts: Annotated[int, Field(strict=True, ge=2)] = FOUR_EYES_ACCOUNTS
    small_sum: Amount = 0
    two_people: Annotated[tuple[Deed, ...], AfterValidator(distinct)] = TWO_PEOPLE


class MessageRule(Rule):
    """How long orders are good, parked and remembered (domain.md 1.10)."""

    valid_for: TermField
    clock_skew: TermField
    park_for: TermField
    remember: dict[MeasureKind, TermField]
    resend_after: TermField
    attempts: Times

    def remembers(self, kind: MeasureKind) -> Term:
        """How long an order of a kind is recognised; one of a kind the country has not, while it is good."""
        return self.remember.get(kind, self.valid_for)


class TraceRule(Rule):
    """How far taint is followed without fresh evidence."""

    hop_limit: Annotated[int, Field(strict=True, ge=1, le=100)]


#: Sections of a country file that hold the rule of one kind of measure; `NAMED` ones hold rules by name.
KIND_RULES: Mapping[str, type[Rule]] = {
    "stop": StopRule,
    "freeze": FreezeRule,
    "hold": HoldRule,
    "restrict": RestrictRule,
    "query": QueryRule,
    "line_suspend": LineSuspendRule,
    "re_verify": ReverifyRule,
}
NAMED: frozenset[str] = frozenset({"hold", "restrict"})
