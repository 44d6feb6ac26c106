"""How a token is made: one recipe for producers, imports and tests (domain.md 4.11).

    token = base32(first 128 bits of HMAC-SHA-256(secret, "stopline/1" US scheme US normalised value))

US is the octet 1F, text is UTF-8, base32 is lower-case without padding (26 letters). The secret belongs to an
epoch of a key file. Two spellings of one value give one token, because a value is normalised first, by the
rules of its scheme. A token cannot be turned back, but whoever has the secret can try values: keep the key
file where the clear values are, never beside the tokens.
"""

import hmac
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import phonenumbers
from stdnum import iban as ibans
from stdnum.exceptions import ValidationError

from schemas.errors import ConfigError
from schemas.ids import SEPARATOR, base32
from schemas.strict_text import is_number

VERSION = "stopline/1"

#: Least length of a secret, octets (NIST SP 800-107: at least the bits of the token's security).
SECRET_OCTETS_MIN = 32

#: Separators that people write into numbers and that mean nothing.
_SEPARATORS = dict.fromkeys(map(ord, " \t\u00a0-./\u2010\u2011\u2012\u2013"))


def _iban(value: str, region: str) -> str:
    del region
    try:
        return str(ibans.validate(_compact(value)))
    except ValidationError as error:
        raise ValueError(f"no IBAN: {error}") from error


def _phone(value: str, region: str) -> str:
    try:
        number = phonenumbers.parse(value, region or None)
    except phonenumbers.NumberParseException as error:
        hint = "" if region else "; write it with + and the country code, or name the region"
        raise ValueError(f"no telephone number{hint}") from error
    if not phonenumbers.is_possible_number(number):
        raise ValueError("no telephone number: it has too few or too many digits")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _digits(value: str, region: str) -> str:
    del region
    digits = _compact(value)
    if not (is_number(digits)):
        raise ValueError("no card number: it holds other characters than digits")
    return digits


def _code(value: str, region: str) -> str:
    del region
    return _compact(value)


def _name(value: str, region: str) -> str:
    del region
    return " ".join(_text(value).casefold().split())


def _text(value: str) -> str:
    return unicodedata.normalize("NFKC", value)


def _compact(value: str) -> str:
    return _text(value).translate(_SEPARATORS).strip().upper()


#: Scheme -> how a value of it is brought into its one form; the second argument is a default region.
SCHEMES: Mapping[str, Callable[[str, str], str]] = {
    "IBAN": _iban,  # ISO 13616, its check digits too
    "ACCOUNT": _code,  # any other account number: compatibility forms, separators and case fall away
    "CARD": _digits,  # ISO/IEC 7812
    "PHONE": _phone,  # E.164
    "PARTY": _code,  # customer or identity number
    "NAME": _name,  # compatibility forms, case and repeated blanks fall away
    "DEVICE": _code,  # IMEI, installation id
}


def normalised(scheme: str, value: str, region: str = "") -> str:
    """Return `value` in the one form of its scheme.

    >>> normalised("IBAN", "gb82 west 1234 5698 7654 32")
    'GB82WEST12345698765432'
    >>> normalised("PHONE", "0121 234 5678", "GB")
    '+441212345678'

    Raises:
        ConfigError: there is no such scheme.
        ValueError: it is no value of the scheme; the text does not repeat it.

    """
    if scheme not in SCHEMES:
        raise ConfigError(f"there is no scheme {scheme!r} of tokens; use one of {', '.join(SCHEMES)}")
    form = SCHEMES[scheme](value, region)
    if not form:
        raise ValueError("nothing is left of it but separators")
    return form


def token(secret: bytes, scheme: str, value: str, region: str = "") -> str:
    """Return the token of a value.

    >>> token(bytes(32), "IBAN", "GB82 WEST 1234 5698 7654 32")
    'v4mk3aijzczsnaxuyp5a6spa3i'

    Raises:
        ConfigError: there is no such scheme, or the secret is too short.
        ValueError: it is no value of the scheme.

    """
    if len(secret) < SECRET_OCTETS_MIN:
        raise ConfigError(f"a secret of {len(secret)} octets is too short; use {SECRET_OCTETS_MIN} or more")
    text = SEPARATOR.join((VERSION, scheme, normalised(scheme, value, region)))
    return base32(int.from_bytes(hmac.digest(secret, text.encode(), "sha256")[:16], "big"))


def tokens(secret: bytes, scheme: str, values: Iterable[str], region: str = "") -> dict[str, str]:
    """Return the token of every different value that has one; the others are left out."""
    found = {}
    make = partial(token, secret, scheme, region=region)
    for value in dict.fromkeys(values):
        try:
            found[value] = make(value)
        except ValueError:
            continue
    return found
