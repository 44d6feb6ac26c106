"""What a sample of payments would meet in a job, with the mend of each mistake; nothing is sent."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, Literal, NamedTuple, get_args, get_origin

import msgspec
import numpy as np
from numpy.typing import NDArray

from console.lab.doubting import doubts
from models.ledgers.history import history
from pipelines import policy
from pipelines.hot.serving import InUse
from pipelines.kafka.port import Chunk
from pipelines.policy import OUTCOMES, Policy
from pipelines.streams.clock import Window
from pipelines.streams.payments import decode
from schemas.currencies import digits_of
from schemas.dead_letter import HINTS, DeadLetter
from schemas.payment import STATUSES, Payment
from schemas.rows.tokens import token_text

Fields = dict[str, Any]
Leg = Literal["CREDIT", "DEBIT"]

_CONTRACT = {each.name: each for each in msgspec.structs.fields(Payment)}
_REQUIRED_ONES = [name for name, each in _CONTRACT.items() if each.required]
_PLACE = re.compile(r"at `\$\.([a-z0-9_]+)`")
_REQUIRED = re.compile(r"missing required field `([a-z0-9_]+)`")
_INITIATED = STATUSES.index("INITIATED")

#: The optional fields that features are made of, and the feature that is unknown without them.
_FEATURES = {
    "payee_added_at_us": "payee_age_h", "payee_check": "payee_check",
    "creditor_opened_at_us": "account_open_d",
    "new_device_age_h": "new_device_h", "limit_changed_at_us": "limit_raised_h",
    "call_in_progress": "call_in_progress", "remote_control": "remote_control",
    "screen_share": "screen_share",
    "balance_after_minor": "balance_share", "channel": "channel", "purpose_code": "purpose",
    "age_band": "age_band",
}  # fmt: skip

#: How a field is written right, where its words do not say it.
_MENDS = {
    "accepted_at_us": "microseconds since 1970 in UTC, a whole number",
    "amount_minor": "a whole number of the currency's smallest unit, 1 or more: 12.50 GBP is 1250",
    "currency": "three capital letters of ISO 4217, such as GBP",
    "txn_id": "1 to 36 printable ASCII characters without blanks",
    "new_device_age_h": "whole hours, -1 if unknown",
    "balance_after_minor": "a whole number of the currency's smallest unit, -1 if unknown or overdrawn",
    **dict.fromkeys(("debtor", "debtor_account", "creditor_account"), "a token: stopline tokens make"),
    **dict.fromkeys(("debtor_agent", "creditor_agent"), "a BIC or national code of at most 14 letters"),
    **dict.fromkeys(("remote_control", "screen_share", "call_in_progress"), "true or false"),
    **dict.fromkeys(
        ("payee_added_at_us", "creditor_opened_at_us", "limit_changed_at_us"),
        "microseconds since 1970 in UTC, a whole number, -1 if unknown",
    ),
}


class Finding(NamedTuple):
    """A mistake of one kind.

    Attributes:
        what: what is wrong, without a value of any field that says who paid.
        payments: how many have it.
        first: offset or line of the first of them, -1 if it is of all.
        mend: the next step.

    """

    what: str
    payments: int
    first: int
    mend: str


class Lacking(NamedTuple):
    """An optional field that payments lack: the share of them, and whether the model was trained with it."""

    field: str
    share: float
    trained: bool


class Acted(NamedTuple):
    """What a model would do to legs of one kind: to how many, on how many accounts, and most on one."""

    outcome: str
    leg: Leg
    legs: int
    accounts: int
    most: int
    most_about: str


class Checked(NamedTuple):
    """What was found; `rows` are the payments accepted."""

    messages: int
    rows: NDArray[np.void]
    refused: list[Finding]
    doubtful: list[Finding]
    lacking: list[Lacking]
    acted: list[Acted]


def checked(chunk: Chunk, window: Window, rules: Policy, models: InUse) -> Checked:
    """Take a sample through decode and model, as a job would, its ledgers empty before."""
    rows, letters, softened = decode(chunk, rules, window)
    fields = [_fields(value) for value in chunk.values]
    refused = {(letter.partition, letter.offset) for letter in letters}
    places = list(zip(chunk.partitions.tolist(), chunk.offsets.tolist(), strict=True))
    accepted = [each for each, place in zip(fields, places, strict=True) if place not in refused]
    found = [
        *_as_absent(softened, fields, chunk),
        *_unknown(fields, chunk),
        *(Finding(*each) for each in doubts(rows, rules.clock.ahead_us)),
    ]
    return Checked(
        len(fields), rows, list(_refused(letters, fields, places)), found,
        _lacking(accepted, models), _acted(rows, rules, models),
    )  # fmt: skip


def _fields(value: bytes) -> Fields:
    try:
        found = msgspec.json.decode(value)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _refused(
    letters: Sequence[DeadLetter], fields: list[Fields], places: list[tuple[int, int]]
) -> Iterator[Finding]:
    """Put letters together by reason and field, and say the mend of each kind."""
    at = {place: fields[number] for number, place in enumerate(places)}
    kinds: dict[tuple[str, str], list[DeadLetter]] = {}
    for letter in letters:
        of = at[letter.partition, letter.offset]
        named = _REQUIRED.search(letter.message) or _PLACE.search(letter.message)
        name = named[1] if named else ""
        if letter.error_code == "UNKNOWN_CURRENCY":
            name = str(of.get("currency"))
        kinds.setdefault((letter.error_code, name), []).append(letter)
    for (code, name), of_kind in kinds.items():
        first = of_kind[0]
        said = f"{code}: {first.message}" + (f" ({name})" if code == "UNKNOWN_CURRENCY" else "")
        mend = _mend_of(first, name, at[first.partition, first.offset])
        yield Finding(said, len(of_kind), first.offset, mend)


def _mend_of(letter: DeadLetter, name: str, fields: Fields) -> str:
    if letter.error_code == "UNKNOWN_CURRENCY":
        return _rate_of(name)
    if letter.error_code in {"NOT_JSON", "INVALID"} and not fields:
        return _form_of(letter.value)
    if _REQUIRED.search(letter.message):
        if inner := next((key for key, value in fields.items() if isinstance(value, dict)), ""):
            return f"the payment seems to stand inside `{inner}`; send what is in it as the whole value"
        if meant := [each for each in fields if each not in _CONTRACT and _near(each) == name]:
            return f"`{meant[0]}` is probably meant; call it `{name}`"
        others = [f"`{each}`" for each in _REQUIRED_ONES if each != name and each not in fields]
        return f"send `{name}`: {written(name)}" + (f"; {', '.join(others)} lack too" if others else "")
    return f"write `{name}` as {written(name)}" if letter.error_code == "INVALID" and name else letter.hint


def _form_of(value: bytes) -> str:
    text = value.strip()
    if text.startswith(b"["):
        return "write one JSON object a payment, in a file one a line, and no array"
    if b"," in text and not text.startswith(b"{"):
        return "this looks like a table; make payments of it with: stopline import"
    return HINTS["NOT_JSON"]


def _rate_of(currency: str) -> str:
    if digits_of(currency) is None:
        return f"write `currency` as {written('currency')}"
    known = [country for country, file in policy.shipped().items()
             if currency.encode() in policy.load(file).currencies]  # fmt: skip
    given = f"act by --country {' or '.join(known)}, whose policy has a rate, or " if known else ""
    return f"{given}add `{currency}` to `currencies` in your own policy and give it with --policy_file"


def written(name: str) -> str:
    """Return how a field of a payment is written right."""
    of = _CONTRACT[name].type if name in _CONTRACT else None
    if get_origin(of) is Literal:
        return f"one of {', '.join(word for word in get_args(of) if word)}"
    return _MENDS.get(name, "its contract says (docs/schemas.md)")


def _near(name: str) -> str:
    """Return the field whose name looks like another one, camel case included; "" if none."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_")
    return next(iter(get_close_matches(snake, _CONTRACT, 1, 0.65)), "")


def _unknown(fields: list[Fields], chunk: Chunk) -> Iterator[Finding]:
    """Name fields that nothing reads: those that look misspelt, and the rest."""
    names: dict[str, list[int]] = {}
    for place, each in enumerate(fields):
        for name in each.keys() - _CONTRACT.keys():
            names.setdefault(name, []).append(place)
    for name, places in sorted(names.items()):
        meant, first = _near(name), int(chunk.offsets[places[0]])
        misspelt = meant and meant not in fields[places[0]]
        mend = f"is it `{meant}`? then call it so" if misspelt else "leave it out, or do without it"
        yield Finding(f"field `{name[:40]}` is unknown and not read", len(places), first, mend)


def _as_absent(softened: Counter[str], fields: list[Fields], chunk: Chunk) -> Iterator[Finding]:
    for name, times in softened.items():
        places = [place for place, each in enumerate(fields) if name in each]
        nulls = [place for place in places if fields[place][name] is None]
        first = int(chunk.offsets[(nulls or places)[0]])
        said = "null, as if absent" if nulls else "not as its contract says, taken as another or absent"
        yield Finding(f"`{name}` is {said}", times, first, f"leave it out, or write {written(name)}")


def _lacking(fields: list[Fields], models: InUse) -> list[Lacking]:
    found = []
    for name, feature in _FEATURES.items():
        default = _CONTRACT[name].default
        silent = sum(each.get(name) in ((None,) if default is False else (None, default)) for each in fields)
        if silent and (default is not False or silent == len(fields)):  # a signal that is absent is false
            found.append(Lacking(name, silent / len(fields), _trained(feature, models)))
    return sorted(found, key=lambda each: (not each.trained, -each.share))


def _trained(feature: str, models: InUse) -> bool:
    """Tell whether most payments that a leg was trained on had the feature, as its baseline says."""
    legs = (models.live.bundle.leg(leg) for leg in ("credit", "debit"))
    return any(
        bool(np.isfinite(leg.baseline[list(leg.features).index(feature)]))
        for leg in legs
        if feature in leg.features
    )


def _acted(rows: NDArray[np.void], rules: Policy, models: InUse) -> list[Acted]:
    rows = rows[rows["status"] == _INITIATED]
    if not len(rows):
        return []
    rows = rows[np.argsort(rows["at_us"], kind="stable")]
    seen = history(rows, rules.value(rows))
    found = []
    for leg, legs, account in (
        ("CREDIT", seen.credit, "creditor_account"), ("DEBIT", seen.debit, "debtor_account")
    ):  # fmt: skip
        outcome = models.computed(leg, legs).scored(models.live).outcome  # type: ignore[arg-type]
        for number in range(len(OUTCOMES) - 1, 0, -1):
            about = Counter(token_text(token) for token in rows[account][outcome == number])
            if about:
                token, most = about.most_common(1)[0]
                found.append(
                    Acted(OUTCOMES[number], leg, about.total(), len(about), most, f"{token[:4]}…")  # type: ignore[arg-type]
                )
    return found
