"""Telecom clues about a party: calls, messages, sites, apps, SIM and device (topic `clues`, domain.md 4.2).

Two forms travel on the topic: our own, `Clue`, bare or as `data` of a CloudEvent of a type
`stopline.clue.*.v1`, and CAMARA's notifications unchanged, CloudEvents in structured mode; whoever reads the
topic makes those in binary mode structured ones (`schemas.envelope.structured`). Whose those are, tells an
extension attribute `party`, or the bank's file of subscriptions. A telephone number is not read.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct, ValidationError

from schemas.contract import Event, Id, Micros, Token, TokenOrNone
from schemas.units import SECOND_US

ClueKind = Literal[
    "CALL", "SMS", "URL", "APP", "SCREEN_SHARE", "REMOTE_CONTROL", "SIM_SWAP", "DEVICE_SWAP", "FORWARDING",
    "ROAMING",
]  # fmt: skip
KINDS = get_args(ClueKind)
Attestation = Literal["", "A", "B", "C"]
ATTESTATIONS = get_args(Attestation)

#: A record that has one of these is an event of somebody's, or what an event carries, and no clue of ours.
OF_EVENTS = ("specversion", "subscriptionId")


class Clue(Event, frozen=True, kw_only=True):
    """One observation; version 1. Message key on Kafka: `party`.

    Attributes:
        clue_id: names the observation, so that a repeated message is recognised.
        kind: what was observed.
        party: token of the possible victim, as in `payments`.
        at_us: when it began; of a call that ended, when it ended. Event time.
        active: it goes on (a call, a shared screen, a forwarding that is set); False where it ended.
        counterparty: token of the other number, "" if there is none.
        tail: its last digits, at most four.
        known: the party knows the number (contacts, called before).
        overseas: the number is of another country.
        attestation: STIR/SHAKEN of the call, "" if there is none.
        origid: trunk the call came by (RFC 8588).
        duration_s: of a call that ended.
        grade: of the number (`indicators`): 0 nothing known, 3 confirmed.

    """

    clue_id: Id
    kind: ClueKind
    party: Token
    at_us: Micros
    active: bool = True
    counterparty: TokenOrNone = ""
    tail: Annotated[str, Meta(max_length=4, pattern=r"^[0-9]{0,4}\Z")] = ""
    known: bool = False
    overseas: bool = False
    attestation: Attestation = ""
    origid: Annotated[str, Meta(max_length=36, pattern=r"^[0-9a-fA-F-]{0,36}\Z")] = ""
    duration_s: Annotated[int, Meta(ge=0, le=604_800)] = 0
    grade: Annotated[int, Meta(ge=0, le=3)] = 0


class _InClear(Clue, frozen=True, kw_only=True):
    """A clue whose producer has no tokens."""

    counterparty: Annotated[str, Meta(max_length=40, pattern=r"^[+0-9 ()./-]{4,40}\Z")] = ""


class _CloudEvent(Struct, frozen=True):
    id: Annotated[str, Meta(min_length=1, max_length=256)]
    type: str
    specversion: Literal["1.0"]
    time: str = ""
    party: Token | None = None
    data: msgspec.Raw = msgspec.Raw()
    data_base64: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Form(Struct, frozen=True):
    """What tells an event, or what one carries, from a clue of ours."""

    specversion: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    subscriptionId: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Data(Struct, frozen=True):
    """What is read of a notification's data; `terminationReason` only ends a subscription."""

    subscriptionId: str = ""


#: CAMARA's notification, without its version -> the kind of clue, and whether it goes on.
_CAMARA: dict[str, tuple[ClueKind, bool]] = {
    "sim-swap-subscriptions.swapped": ("SIM_SWAP", True),
    "device-swap-subscriptions.swapped": ("DEVICE_SWAP", True),
    "iot-sim-fraud-prevention.imei-change": ("DEVICE_SWAP", True),
    "device-roaming-status-subscriptions.roaming-on": ("ROAMING", True),
    "device-roaming-status-subscriptions.roaming-change-country": ("ROAMING", True),
    "device-roaming-status-subscriptions.roaming-off": ("ROAMING", False),
}
_OWN_TYPE = re.compile(r"^stopline\.clue\.[a-z_]+\.v1\Z")
_TYPE = re.compile(r"^org\.camaraproject\.([a-z-]+)\.v[0-9]+[a-z0-9]*\.([a-z-]+)\Z")

_OWN = msgspec.json.Decoder(Clue)
_CLEAR = msgspec.json.Decoder(_InClear)
_FOREIGN = msgspec.json.Decoder(_CloudEvent)
_DATA = msgspec.json.Decoder(_Data)
_FORM = msgspec.json.Decoder(_Form)
_FORM_WORDS = tuple(f'"{word}"'.encode() for word in OF_EVENTS)
_OF_OURS = _Form()
_BINARY = (
    "Expected a CloudEvent: its attributes as headers (ce_specversion, ce_type …) or around `data` - at `$`"
)
_NOT_JSON = "Expected data in JSON, by the header content-type: application/json - at `$.data_base64`"
_NO_KEYS = "Expected a token, or a number in clear where the job has --token_keys - at `$.counterparty`"
_ENDED = "subscription-ended"
_OURS = "stopline."
_NOBODY: Mapping[str, str] = {}


#: Makes the token of a telephone number; ValueError if it is none.
NumberToken = Callable[[str], str]


def read(
    value: bytes, parties: Mapping[str, str] = _NOBODY, number_token: NumberToken | None = None
) -> Clue | None:
    """Read a message of topic `clues`; None is an event of a subscription, which says nothing of a party.

    `parties` says whose each subscription is, where the event does not. `number_token` is for other numbers
    that come in clear: of them go on the token and the last four digits.

    Raises:
        ValidationError: it is neither form; the text names the field.
        DecodeError: it is not JSON.

    """
    form = _form(value)
    if form.specversion is msgspec.UNSET:
        if form.subscriptionId is not msgspec.UNSET:
            raise ValidationError(_BINARY)
        return _own(value, number_token)
    event = _FOREIGN.decode(value)
    if event.data_base64 is not msgspec.UNSET:
        raise ValidationError(_NOT_JSON)
    if _OWN_TYPE.match(event.type):
        return _own(event.data, number_token)
    parts = _TYPE.match(event.type)
    if parts is None:
        raise ValidationError("Expected a CAMARA notification - at `$.type`")
    if parts[2].startswith("subscription-"):
        return None
    if (found := _CAMARA.get(f"{parts[1]}.{parts[2]}")) is None:
        raise ValidationError("No clue is made of this notification - at `$.type`")
    party = event.party or (parties.get(_DATA.decode(event.data).subscriptionId) if event.data else None)
    if party is None:
        raise ValidationError(
            "Expected the extension attribute (header ce_party) with the party's token, or a subscription of "
            "--clues_subscriptions - at `$.party`"
        )
    kind, active = found
    return Clue(
        clue_id=re.sub(r"[^A-Za-z0-9._/-]", "-", event.id)[:64],
        kind=kind,
        party=party,
        at_us=_micros(event.time),
        active=active,
    )


def _form(value: bytes) -> _Form:
    """Tell what a message is; the words stand in few of ours, so most are not looked at twice."""
    return _FORM.decode(value) if any(word in value for word in _FORM_WORDS) else _OF_OURS


def says_all(event_type: str, value: bytes) -> bool:
    """Tell whether what an event in binary mode carries is a clue of ours, which needs no attributes.

    A type of ours that is not read, as of another version, is not one.
    """
    read_as_ours = _OWN_TYPE.match(event_type) or not event_type.startswith(_OURS)
    return bool(read_as_ours) and b'"clue_id"' in value


def untold(_: str) -> str:
    """Leave a number in clear out, and know its last digits alone."""
    return ""


def _own(value: bytes | msgspec.Raw, number_token: NumberToken | None) -> Clue:
    try:
        return _OWN.decode(value)
    except ValidationError as error:
        try:
            said = _CLEAR.decode(value)
        except ValidationError:
            raise error from None
        if number_token is None:
            raise ValidationError(_NO_KEYS) from error
        return _without_number(said, number_token)


def _without_number(said: _InClear, number_token: NumberToken) -> Clue:
    fields = {name: getattr(said, name) for name in Clue.__struct_fields__}
    try:
        fields["counterparty"] = number_token(said.counterparty)
    except ValueError as error:
        raise ValidationError(f"Expected a telephone number: {error} - at `$.counterparty`") from error
    fields["tail"] = said.tail or re.sub(r"\D", "", said.counterparty)[-4:]
    return Clue(**fields)


def ended(value: bytes) -> bool:
    """Tell whether a message says that a subscription ended: nothing will come of it any more."""
    return _form(value).specversion is not msgspec.UNSET and _ENDED.encode() in value


def _micros(text: str) -> int:
    try:
        at: Any = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValidationError("Expected an RFC 3339 time - at `$.time`") from error
    if at.tzinfo is None or at.year < 2000:
        raise ValidationError("Expected an RFC 3339 time with an offset - at `$.time`")
    us: int = round(at.timestamp() * SECOND_US)
    return us
