"""Signed orders: what is opened, and every way to be refused."""

import base64
import warnings

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OctKey, OKPKey

from measures.authority.signing import ALGORITHM, TYPE, AuthorityKey, KeyRing, Opened, open_order, sign
from measures.refusal import Refusal
from schemas.commands import ReceiveOrder
from schemas.order import Actor
from schemas.reply import ReplyCode, Why
from tests.measures.kit import DAY, T0, defrauded, make_order

OLD, NEW, FOREIGN = (OKPKey.generate_key("Ed25519") for _ in range(3))


def key(private: OKPKey, key_id: str, authority: str = "police-1", good: tuple[int, int] = (0, T0 + DAY)):
    public = OKPKey.import_key(private.as_dict(private=False))
    return AuthorityKey(authority, key_id, Actor.POLICE, "CN", public, *good)


RING = KeyRing(
    [
        key(OLD, "p1-2025"),
        key(NEW, "p1-2026", good=(T0 - DAY, T0 + 400 * DAY)),
        key(FOREIGN, "p2-2026", authority="police-2"),
    ]
)
ORDER = make_order("S1")
MESSAGE = sign(ORDER, OLD, "p1-2025")


def why(message: bytes, at_us: int = T0) -> Why | None:
    opened = open_order(message, RING, at_us)
    return opened.why if isinstance(opened, Refusal) else None


def resigned(header: dict[str, object], payload: bytes, private: OKPKey | OctKey = OLD) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        alg = str(header["alg"])
        return jws.serialize_compact(header, payload, private, algorithms=[alg]).encode()


def test_a_good_message_opens_to_its_order_and_actor() -> None:
    assert open_order(MESSAGE, RING, T0) == Opened(ORDER, Actor.POLICE)


def test_keys_rotate_with_an_overlap_judged_at_receipt() -> None:
    renewed = sign(ORDER, NEW, "p1-2026")
    assert why(MESSAGE, T0) is why(renewed, T0) is None
    assert why(MESSAGE, T0 + DAY) is Why.UNKNOWN_KEY
    assert why(renewed, T0 - DAY - 1) is Why.UNKNOWN_KEY


@given(st.integers(0, len(MESSAGE) - 1), st.integers(0, 7))
def test_no_flipped_bit_goes_unnoticed(position: int, bit: int) -> None:
    changed = bytearray(MESSAGE)
    changed[position] ^= 1 << bit
    opened = open_order(bytes(changed), RING, T0)
    # The last base64 character of a part carries unused bits: the same bytes may be spelled twice.
    assert isinstance(opened, Refusal) or opened.order == ORDER


@given(st.binary(max_size=300))
def test_noise_is_refused_and_never_raises(noise: bytes) -> None:
    assert isinstance(open_order(noise, RING, T0), Refusal)
    assert isinstance(open_order(noise + b"." + noise + b"." + noise, RING, T0), Refusal)


@pytest.mark.parametrize("change", [{"reason": "x"}, {"amount_minor": 1}, {"order_no": "S2"}])
def test_a_changed_payload_under_the_old_signature_is_refused(change: dict[str, object]) -> None:
    header, _, signature = MESSAGE.split(b".")
    payload = msgspec.json.encode(msgspec.structs.replace(ORDER, **change), order="sorted")
    forged = b".".join([header, base64.urlsafe_b64encode(payload).rstrip(b"="), signature])
    assert why(forged) is Why.BAD_SIGNATURE


def test_another_algorithm_type_or_header_is_refused() -> None:
    payload = msgspec.json.encode(ORDER)
    good = {"alg": ALGORITHM, "typ": TYPE, "kid": "p1-2025"}
    secret = OctKey.generate_key(256)
    assert why(resigned(good, payload)) is None
    assert why(resigned(good | {"typ": "JWT"}, payload)) is Why.BAD_SIGNATURE
    assert why(resigned(good | {"alg": "EdDSA"}, payload)) is Why.BAD_SIGNATURE
    assert why(resigned(good | {"alg": "HS256"}, payload, secret)) is Why.BAD_SIGNATURE
    assert why(resigned(good | {"jku": "https://example.org"}, payload)) is Why.BAD_SIGNATURE
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"stopline-order+jws"}').rstrip(b"=")
    assert why(b".".join([none, base64.urlsafe_b64encode(payload).rstrip(b"="), b""])) is not None


def test_an_authority_cannot_sign_for_another_or_for_another_country() -> None:
    assert why(sign(ORDER, FOREIGN, "p2-2026")) is Why.BAD_SIGNATURE
    assert why(sign(make_order("S1", jurisdiction="IN"), OLD, "p1-2025")) is Why.BAD_SIGNATURE
    assert why(sign(ORDER, FOREIGN, "p1-2025")) is Why.BAD_SIGNATURE
    assert why(sign(ORDER, OLD, "nobody")) is Why.UNKNOWN_KEY


@pytest.mark.parametrize(
    "change",
    [
        {"order_no": ""},
        {"order_no": "x" * 37},
        {"order_no": "S 1"},
        {"message_serial": "x" * 54},
        {"amount_minor": -1},
        {"surprise": 1},
        {"kind": "SEIZE"},
    ],
)
def test_a_well_signed_order_in_bad_form_is_refused(change: dict[str, object]) -> None:
    payload = msgspec.json.encode(msgspec.to_builtins(ORDER) | change)
    message = resigned({"alg": ALGORITHM, "typ": TYPE, "kid": "p1-2025"}, payload)
    assert why(message) is Why.MALFORMED


def test_an_oversized_message_is_refused_before_it_is_read() -> None:
    assert why(sign(make_order("S1", remark="x" * 60_000), OLD, "p1-2025")) is Why.TOO_LARGE


def test_a_replayed_message_has_one_effect() -> None:
    bench = defrauded()
    replies = []
    for _ in range(3):
        opened = open_order(MESSAGE, RING, T0)
        assert isinstance(opened, Opened)
        command = ReceiveOrder(at_us=T0, order=opened.order, actor=opened.actor)
        replies.append(bench.do(command).replies[0].code)
    assert replies == [ReplyCode.OK, ReplyCode.DUPLICATE, ReplyCode.DUPLICATE]
    assert len(bench.account.measures) == 1


def test_a_key_id_must_be_printable() -> None:
    with pytest.raises(ValueError, match="key id"):
        sign(ORDER, OLD, "two words")
