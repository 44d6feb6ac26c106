"""The one form of what can be blocked, so that two spellings of one thing are one entry.

Hosts and URLs follow the WHATWG URL Standard (`can_ada`), which is what browsers do; numbers are E.164.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import can_ada
import phonenumbers
from publicsuffixlist import PublicSuffixList
from stdnum import imei
from stdnum.exceptions import ValidationError

from schemas.block import BlockKind
from schemas.strict_text import is_number

SUFFIXES = PublicSuffixList()

#: Octets of a value; longer ones are refused before anything reads them.
LENGTH_MAX = 2048

#: What browsers take for the begin of an address with its scheme; some write the slashes backwards.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[/\\]{2}")

#: Numbers of emergency and service lines have three to six digits behind the country's.
SHORT_DIGITS = 6

_HEX = frozenset("0123456789abcdef")


def form(kind: BlockKind, value: str, region: str = "") -> str:
    """Return `value` in the one form of its kind; `region` is that of telephone numbers without a country.

    >>> form("DOMAIN", "https://BÜCHER.example./a")
    'xn--bcher-kva.example'
    >>> form("URL", "HTTP://user@Example.com:80/a/../b?q=1#top")
    'example.com/b?q=1'
    >>> form("NUMBER", "0044 121 234 5678")
    '+441212345678'

    Raises:
        ValueError: it is nothing of that kind; the text says why.

    """
    text = unicodedata.normalize("NFKC", value).strip()
    if not text or len(text.encode("utf-8", "surrogatepass")) > LENGTH_MAX:
        raise ValueError(f"a value has 1 to {LENGTH_MAX} octets")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
        raise ValueError("a value holds no control characters")
    return _FORMS[kind](text, region)


def region_of(jurisdiction: str) -> str:
    """Return the region of telephone numbers of a country as our files name it.

    >>> region_of("UK"), region_of("CN")
    ('GB', 'CN')
    """
    return "GB" if jurisdiction == "UK" else jurisdiction


def registrable(domain: str) -> str | None:
    """Return the part of a domain that somebody registers, None for a public suffix.

    >>> registrable("a.b.example.co.uk"), registrable("co.uk"), registrable("me.github.io")
    ('example.co.uk', None, 'me.github.io')
    """
    found: str | None = SUFFIXES.privatesuffix(domain)
    return found


def expressions(url: str) -> list[str]:
    """Return under which forms of kind DOMAIN and URL a URL would be listed, at most 30.

    Its host and up to four shorter ones down to the registrable domain, with its path, with and without the
    query, and up to four paths above it, as in Safe Browsing's lookup of URLs.

    >>> expressions("http://a.example.com/b/c?d")[:4]
    ['a.example.com/b/c?d', 'a.example.com/b/c', 'a.example.com/', 'a.example.com/b/']
    """
    host, _, rest = form("URL", url).partition("/")
    path, query, asked = rest.partition("?")
    steps = path.split("/")[:-1][:3]
    paths = [f"/{path}{query}{asked}", f"/{path}", "/"]
    paths += ["/" + "/".join(steps[: end + 1]) + "/" for end in range(len(steps))]
    found = [each + way for each in hosts(host) for way in dict.fromkeys(paths)]
    return list(dict.fromkeys(found))[:30]


def hosts(host: str) -> list[str]:
    """Return a host and its parents down to the registrable domain, at most five.

    >>> hosts("a.b.example.com")
    ['a.b.example.com', 'b.example.com', 'example.com']
    """
    base = registrable(host)
    if base is None or host == base:
        return [host]
    above = host.removesuffix(base).rstrip(".").split(".")
    chain = [".".join([*above[start:], base]) for start in range(1, len(above) + 1)]
    return [host, *chain[-4:]]


def _parsed(text: str) -> Any:
    try:
        return can_ada.parse(text if _SCHEME.match(text) else f"http://{text}")
    except ValueError as error:
        raise ValueError("no address of the web") from error


def _host(text: str) -> str:
    host = str(_parsed(text).hostname).rstrip(".")
    if not host:
        raise ValueError("no host in it")
    return host


def _domain(text: str, region: str) -> str:
    del region
    host = _host(text)
    if _address(host):
        raise ValueError("an IP address; use kind IP")
    if "." not in host or any(not 0 < len(label) <= 63 for label in host.split(".")) or len(host) > 253:
        raise ValueError("no domain: it takes labels of 1 to 63 letters with dots between")
    if not all(
        label.replace("-", "").replace("_", "").isalnum() and label[0] != "-" for label in host.split(".")
    ):
        raise ValueError("no domain: a label holds letters, digits and hyphens")
    return host


def _url(text: str, region: str) -> str:
    del region
    parsed = _parsed(text)
    if parsed.protocol not in ("http:", "https:"):
        raise ValueError("no http or https URL")
    port = f":{parsed.port}" if parsed.port else ""
    return f"{_host(text)}{port}{parsed.pathname}{parsed.search}"


def _address(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return None


def _ip(text: str, region: str) -> str:
    del region
    try:
        network = ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError as error:
        raise ValueError("no IP address or network, such as 192.0.2.0/24") from error
    least = 24 if network.version == 4 else 48
    if network.prefixlen < least:
        raise ValueError(f"a network wider than /{least} holds too many others")
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _number(text: str, region: str) -> str:
    plain = f"+{text[2:]}" if text.startswith("00") else text
    try:
        number = phonenumbers.parse(plain, region or None)
    except phonenumbers.NumberParseException as error:
        raise ValueError("no telephone number; write it with + and the country code") from error
    if not phonenumbers.is_possible_number(number):
        raise ValueError("no telephone number: it has too few or too many digits")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def is_short(number: str) -> bool:
    """Tell whether a number is of no subscriber but a short one, such as those of police and hotlines.

    >>> is_short("+82112"), is_short("+8695588"), is_short("+441212345678")
    (True, True, False)
    """
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return False
    digits = len(phonenumbers.national_significant_number(parsed))
    return digits <= SHORT_DIGITS and not phonenumbers.is_valid_number(parsed)


def _number_range(text: str, region: str) -> str:
    del region
    first, dash, last = ("".join(part.split()) for part in text.partition("-"))
    digits = (first.removeprefix("+"), last.removeprefix("+"))
    if not dash or not all(map(is_number, digits)):
        raise ValueError("no range; write it as +44794600000-+44794600999")
    if len(digits[0]) != len(digits[1]) or not 7 <= len(digits[0]) <= 15 or digits[0] > digits[1]:
        raise ValueError("a range has two ends of equal length, the lower first, of 7 to 15 digits")
    if int(digits[1]) - int(digits[0]) >= 100_000:
        raise ValueError("a range of over 100,000 numbers holds too many others")
    return f"+{digits[0]}-+{digits[1]}"


def _sender(text: str, region: str) -> str:
    del region
    folded = " ".join(text.upper().split())
    if not 1 <= len(folded) <= 11:
        raise ValueError("a sender id has 1 to 11 letters")
    return folded


def _digest(text: str, region: str) -> str:
    del region
    low = text.lower()
    if len(low) != 64 or not set(low) <= _HEX:
        raise ValueError("an app's hash is its SHA-256, 64 hexadecimal digits")
    return low


def _imei(text: str, region: str) -> str:
    del region
    try:
        return str(imei.validate(text))
    except ValidationError as error:
        raise ValueError("no IMEI: 15 digits, the last of which checks the others") from error


def _wallet(text: str, region: str) -> str:
    del region
    if not (text.isascii() and text.isalnum() and 20 <= len(text) <= 128):
        raise ValueError("no wallet address")
    return text.lower() if text[:2].lower() == "0x" or text.lower().startswith("bc1") else text


_FORMS: Mapping[BlockKind, Callable[[str, str], str]] = {
    "DOMAIN": _domain,
    "URL": _url,
    "IP": _ip,
    "NUMBER": _number,
    "NUMBER_RANGE": _number_range,
    "SENDER_ID": _sender,
    "APP_HASH": _digest,
    "IMEI": _imei,
    "WALLET": _wallet,
}
