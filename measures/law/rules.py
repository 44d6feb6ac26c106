"""The rules a country's law may have: the entries of `countries/<id>.yaml`.

Every rule is a list of versions, each with its date of force, its legal basis and the sources it rests
on, marked (V seen in a source, U unofficial, C computed, M from memory, E estimate, D our design).
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic import ValidationInfo as Info

from measures.law.calendar import Term
from schemas.order import Actor, ApprovalLevel, HolderKind, MeasureKind, Scope
from schemas.subject import Effect, SubjectKind
from schemas.subject import Role as SubjectRole
from schemas.warning import Channel

_SOURCE = re.compile(r"[VMECDU]( S\d+[a-z]?(,S\d+[a-z]?)*)?: \S.*")
_AMOUNT = re.compile(r"([0-9]{1,15})(?:\.([0-9]+))? ([A-Z]{3})")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HOUR = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def _term(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a term; write it like P6M, P30D, PT48H, P3BD or P4BD@EOD")
    return Term.parse(value)


def _day(value: object) -> object:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError(f"{value!r} is not a date; write it like 2026-03-31")
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is not a date: {error}") from error


def _hour(value: str) -> str:
    if not _HOUR.fullmatch(value):
        raise ValueError(f"{value!r} is not a time of day; write it in quotes, like '20:00'")
    return value


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    twice = [value for value in values if values.count(value) > 1]
    if twice:
        raise ValueError(f"{twice[0]} stands twice; keep one")
    return values


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


def _whole(shares: tuple[int, ...]) -> tuple[int, ...]:
    if sum(shares) != 100:
        raise ValueError(f"{list(shares)} is not a split; its shares are percent and make 100")
    return shares


def _ends_pro_rata(methods: tuple[str, ...]) -> tuple[str, ...]:
    if not methods or methods[-1] != "PRO_RATA":
        raise ValueError(f"{list(methods)} can end without a result; the last method is PRO_RATA")
    return methods


def _source(value: str) -> str:
    if not _SOURCE.fullmatch(value):
        raise ValueError(f"{value!r} is not a source; write it like 'V S1,S2: what it says'")
    return value


TermField = Annotated[Term, BeforeValidator(_term)]
Day = Annotated[date, BeforeValidator(_day)]
Hour = Annotated[str, AfterValidator(_hour)]
Flag = Annotated[bool, Field(strict=True)]
Times = Annotated[int, Field(strict=True, ge=1, le=1_000)]
Percent = Annotated[int, Field(strict=True, ge=0, le=100)]

Amount = Annotated[int, BeforeValidator(_amount)]
Citation = Annotated[str, AfterValidator(_source)]


class Data(BaseModel):
    """Base of everything in a country file: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Rule(Data):
    """One version of a rule, in force from the local midnight of `since`.

    `basis` is quoted to people: one text, or one for each language of the country. With `own_term` the length
    of the term is the institution's own, and the notice says so.
    """

    since: Day
    basis: Annotated[str, Field(min_length=1)] | dict[str, str]
    sources: tuple[Citation, ...] = Field(min_length=1)
    own_term: Flag = False

    def basis_in(self, language: str) -> str:
        """Give the legal basis in a language of the country."""
        return self.basis if isinstance(self.basis, str) else self.basis[language]


class OrderedRule(Rule):
    """A rule that names who may order or take the measure.

    Rules with a term name what it runs from (`starts`): the measure's EXECUTION, the RECEIPT of the payment
    order by the institution, or the victim's REPORT to the police.
    """

    actors: Annotated[tuple[Actor, ...], AfterValidator(_distinct), Field(min_length=1)]


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


class Punishment(Data):
    """What one ground of listing brings: each function is cut for its own term."""

    functions: dict[str, TermField] = Field(min_length=1)
    exempt: tuple[str, ...] = ()


class ListingRule(OrderedRule):
    """Joint punishment of listed persons (domain.md 1.7); `max_term` bounds listings one after another."""

    grounds: dict[str, Punishment] = Field(min_length=1)
    acknowledge: TermField
    max_term: TermField | None = None


#: What a column of a report says of a subject (`measures.registry.reporting`).
Said = Literal[
    "TOKEN", "KIND", "TIER", "MARKER", "STATE", "SINCE", "UNTIL", "REASON", "NOTE", "OWN",
    "SETTLEMENTS", "REPORTS", "DISTINCT_REPORTERS", "CONFIRMED", "REJECTED", "ACCOUNTS",
]  # fmt: skip


class ReportColumn(Data):
    """One column: its name in the authority's layout, what it says, of counters over how many days.

    What is OWN only the institution knows, such as a name: it stays empty. `codes` are in place of words:
    of a reason by its code, AUTHORITY where an authority says so, OTHER else.
    """

    name: str = Field(min_length=1, max_length=64)
    says: Said
    days: Annotated[int, Field(ge=0, le=3_660)] = 0
    codes: dict[str, str] = Field(default_factory=dict)
    longest: Annotated[int, Field(ge=1, le=1_000)] = 1_000


class ReportRule(Data):
    """A report that institutions owe of their suspected for every `period`, `due` at its end or later."""

    period: TermField
    due: TermField | None = None
    kinds: tuple[SubjectKind, ...] = Field(min_length=1)
    columns: tuple[ReportColumn, ...] = Field(min_length=1)

    @field_validator("period")
    @classmethod
    def _of_months(cls, period: Term) -> Term:
        if period not in {Term(months=months) for months in (1, 2, 3, 4, 6, 12)}:
            raise ValueError("a period is P1M, P2M, P3M, P4M, P6M or P12M: several make up a year")
        return period


class SuspicionRule(Rule):
    """What is only suspected of a subject of the registry: never what an authority's listing brings.

    `effects` are those of tiers 1 to 3 by themselves, for `term` after the newest source and at most twelve
    months. `markers` is what the country's register calls a subject by its part once that is confirmed.
    `report` is what institutions owe an authority about their own, by the calendar.
    """

    effects: tuple[Effect, Effect, Effect]
    term: TermField
    markers: dict[SubjectRole, Annotated[str, Field(pattern=r"^[A-Z0-9_]{1,64}$")]] = Field(
        default_factory=dict
    )
    report: ReportRule | None = None


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
        AfterValidator(_distinct),
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
    two_people: Annotated[tuple[Deed, ...], AfterValidator(_distinct)] = TWO_PEOPLE


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


#: No country allows more warnings a day than this; what is remembered of a person has room for them.
PER_DAY_MAX = 5


class RungRule(Data):
    """One rung of the ladder: a channel and its budgets, seconds (domain.md 2.1).

    Attributes:
        within_s: it has left by then, counted from the warning; later the next rung is begun without it.
        wait_s: so long an answer is waited for, after each try.
        tries: how often it is tried.

    """

    channel: Channel
    within_s: Annotated[int, Field(strict=True, ge=1, le=604_800)]
    wait_s: Annotated[int, Field(strict=True, ge=1, le=604_800)]
    tries: Annotated[int, Field(strict=True, ge=1, le=3)] = 1


def _rung(channel: Channel, within_s: int, wait_s: int, tries: int = 1) -> RungRule:
    return RungRule(channel=channel, within_s=within_s, wait_s=wait_s, tries=tries)


#: The ladders by severity where a country file has none of its own (domain.md 2.1, anchors 6.1).
LADDERS: Mapping[int, tuple[RungRule, ...]] = {
    1: (_rung("SMS", 900, 3_600),),
    2: (_rung("IN_APP", 60, 240), _rung("SMS", 300, 1_200), _rung("ROBOT_CALL", 1_800, 600, 2)),
    3: (
        _rung("IN_APP", 60, 120),
        _rung("CALL", 600, 900, 3),
        _rung("FAMILY", 7_200, 1_800),
        _rung("VISIT", 28_800, 86_400),
    ),
    4: (
        _rung("IN_APP", 1, 30),
        _rung("CALL", 120, 300, 3),
        _rung("FAMILY", 1_500, 300),
        _rung("VISIT", 1_800, 86_400),
    ),
}


FollowUpName = Literal["24h", "7d", "30d"]

#: How a dissuaded party is asked again where a country file does not say (domain.md 2.4).
FOLLOW_UPS: Mapping[FollowUpName, Channel] = {"24h": "CALL", "7d": "SMS", "30d": "SMS"}


class QuietHours(Data):
    """Local hours in which warnings up to a severity wait (domain.md 2.4)."""

    start: Hour
    end: Hour
    up_to: Annotated[int, Field(strict=True, ge=0, le=2)]


class WarningRule(Rule):
    """Warnings to victims: grades, cool-down, whom to call (`hotline` follows "Call" in the words).

    Attributes:
        cooldown: one thing is told to a person once in this time, unless it has become graver.
        per_day: so many warnings about anything.
        quiet: hours in which the mildest wait.
        ladders: rungs by severity; a severity that is not named has the usual ones (`LADDERS`).
        without: channels that the country does not allow.
        sender: form of the registered name that messages go out under, a regular expression; "" if there is
            no register of senders.
        family_contact: whether a person of trust may be called, and on what ground.
        protective_stop: the restriction that people may ask for on the party's own accounts; "" for none.
        watch: a party that was dissuaded is watched so long.
        calm: after "this is no scam" the same evidence is not told again so long.
        follow_ups: when a dissuaded party is asked again, and how.

    """

    grades: dict[int, str]
    hotline: Annotated[str, Field(min_length=1)] | dict[str, str]
    links_allowed: Flag = False
    cooldown: TermField
    per_day: Annotated[int, Field(strict=True, ge=1, le=PER_DAY_MAX)]
    quiet: QuietHours = QuietHours(start="22:00", end="07:00", up_to=1)
    ladders: dict[int, tuple[RungRule, ...]] = Field(default_factory=dict)
    without: tuple[Channel, ...] = ()
    sender: str = ""
    family_contact: Literal["CONSENT", "FORBIDDEN"] = "CONSENT"
    protective_stop: str = ""
    watch: TermField = Term(minutes=72 * 60)
    calm: TermField = Term(days=30)
    follow_ups: Mapping[FollowUpName, Channel] = FOLLOW_UPS

    def hotline_in(self, language: str) -> str:
        """Give the number or words to call, in a language of the country."""
        return self.hotline if isinstance(self.hotline, str) else self.hotline[language]

    def rungs(self, severity: int) -> tuple[RungRule, ...]:
        """Give the ladder of a severity."""
        return self.ladders.get(severity, LADDERS[severity])


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
