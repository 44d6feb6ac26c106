"""What a sample of payments would meet in a job, with the mend of each mistake; nothing is sent."""

import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from console.lab.doubting import doubts, too_old
from console.lab.mending import CONTRACT, Fields, field_of, mend_of, near, written
from models.ledgers.history import history
from pipelines.hot.serving import InUse
from pipelines.kafka.port import Chunk
from pipelines.policy import OUTCOMES, Policy
from pipelines.streams.clock import Window
from pipelines.streams.payments import decode
from schemas.alert import Leg
from schemas.dead_letter import DeadLetter
from schemas.errors import SchemaError
from schemas.iso20022.document import is_xml
from schemas.iso20022.transfers import Found, Initiated, Said, read
from schemas.payment import STATUSES
from schemas.rows.tokens import token_text
from schemas.token_recipe import token

_LEAVE_OUT = "leave it out, all the more if it tells who somebody is"

_INITIATED = STATUSES.index("INITIATED")

#: The optional fields that features are made of, and the feature that is unknown without them.
FEATURES = {
    "payee_added_at_us": "payee_age_h", "payee_check": "payee_check",
    "creditor_opened_at_us": "account_open_d",
    "new_device_age_h": "new_device_h", "limit_changed_at_us": "limit_raised_h",
    "call_in_progress": "call_in_progress", "remote_control": "remote_control",
    "screen_share": "screen_share",
    "balance_after_minor": "balance_share", "channel": "channel", "purpose_code": "purpose",
    "age_band": "age_band",
}  # fmt: skip


#: Nothing of a check is kept, so that any secret does.
_TOKENS = partial(token, secrets.token_bytes(32))


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
    """An optional field that payments lack.

    Attributes:
        field: its name.
        share: of the payments that lack it.
        trained: whether the model was trained mostly with it.
        trained_without: share of the payments trained on that lacked it, None if the bundle does not say.

    """

    field: str
    share: float
    trained: bool
    trained_without: float | None = None


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
    rows, letters, counts = decode(chunk, rules, window, _TOKENS, as_sent=True)
    softened = Counter({name: times for name, times in counts.items() if name not in STATUSES})
    fields = [_fields(value) for value in chunk.values]
    of_xml = [each for value in chunk.values if is_xml(value) for each in _transactions(value, rules)]
    paid = [msgspec.to_builtins(each.payment) for each in of_xml if isinstance(each, Initiated)]
    refused = {(letter.partition, letter.offset) for letter in letters}
    places = list(zip(chunk.partitions.tolist(), chunk.offsets.tolist(), strict=True))
    live = bool(chunk.timestamps.any())
    accepted = [each for each, place in zip(fields, places, strict=True) if each and place not in refused]
    found = [
        *_as_absent(softened, fields, chunk),
        *_unknown(fields, chunk),
        *(Finding(*each) for each in doubts(rows, rules.clock.ahead_us, live=live)),
        *(
            ()
            if live
            else (Finding(*each) for each in too_old(rows, rules.clock, int(window.received_us[0])))
        ),
    ]
    messages = sum(not is_xml(value) for value in chunk.values) + len(of_xml)
    return Checked(
        messages, rows, list(_refused(letters, fields, places)), found,
        _lacking([*accepted, *paid], models), _acted(rows, rules, models),
    )  # fmt: skip


def _fields(value: bytes) -> Fields:
    try:
        found = msgspec.json.decode(value)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _transactions(value: bytes, rules: Policy) -> list[Found | None]:
    """Return what a message of ISO 20022 holds; one thing that is nothing if it cannot be read."""
    try:
        found = read(value, _TOKENS, ZoneInfo(rules.law.timezone))
        return [each for each in found if not isinstance(each, Said)]
    except SchemaError:
        return [None]


def _refused(
    letters: Sequence[DeadLetter], fields: list[Fields], places: list[tuple[int, int]]
) -> Iterator[Finding]:
    """Put letters together by reason and field, and say the mend of each kind."""
    at = {place: fields[number] for number, place in enumerate(places)}
    kinds: dict[tuple[str, str], list[DeadLetter]] = {}
    for letter in letters:
        of = at[letter.partition, letter.offset]
        name = field_of(letter)
        if letter.error_code == "UNKNOWN_CURRENCY":
            name = str(of.get("currency"))
        kinds.setdefault((letter.error_code, name), []).append(letter)
    for (code, name), of_kind in kinds.items():
        first = of_kind[0]
        said = f"{code}: {first.message}" + (f" ({name})" if code == "UNKNOWN_CURRENCY" else "")
        mend = mend_of(first, name, at[first.partition, first.offset])
        yield Finding(said, len(of_kind), first.offset, mend)


def _unknown(fields: list[Fields], chunk: Chunk) -> Iterator[Finding]:
    """Name fields that nothing reads: those that look misspelt, and the rest."""
    names: dict[str, list[int]] = {}
    for place, each in enumerate(fields):
        for name in each.keys() - CONTRACT.keys():
            names.setdefault(name, []).append(place)
    for name, places in sorted(names.items()):
        meant, first = near(name), int(chunk.offsets[places[0]])
        misspelt = meant and meant not in fields[places[0]]
        mend = f"is it `{meant}`? then call it so" if misspelt else _LEAVE_OUT
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
    for name, feature in FEATURES.items():
        default = CONTRACT[name].default
        silent = sum(each.get(name) in ((None,) if default is False else (None, default)) for each in fields)
        if silent and (default is not False or silent == len(fields)):  # a signal that is absent is false
            without = models.live.bundle.credit.missing.get(name)
            found.append(Lacking(name, silent / len(fields), _trained(feature, models), without))
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
