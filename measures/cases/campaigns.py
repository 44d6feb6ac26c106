"""Which reports are of one campaign: messages from one template, sites of one kit or one certificate.

Of a message only its template is kept: 128 minima of hashes over its groups of three letters (MinHash; Broder
1997), once what changes from victim to victim is taken out. It cannot be read back, and says of two messages
how much they have in common. Made here and not by a library, for it is part of a contract: reporters may send
it in place of the text.
"""

import base64
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import xxhash
from msgspec.structs import replace

from measures.union_find import UnionFind
from schemas.ids import derived_token
from schemas.report import TEMPLATE_MINIMA, Report

#: Facts of an entity that two campaigns do not share, and what is shown of them: many share a registrar.
OF_ONE, SHOWN = ("kit", "certificate"), ("kit", "certificate", "nameserver", "registrar")

#: Two templates are one from this share of equal minima on; a text of fewer groups of letters has none.
ALIKE, LEAST = 0.68, 12

#: Minima of one mark: two templates that are one have a mark in common, all but surely.
_BAND = 4

_LINK = re.compile(
    r"h(?:tt|xx)ps?\s?:\s?/\s?/\s?[!-~]++"
    r"|(?<![a-z0-9.-])(?:[a-z0-9-]++(?:\.|\[\.\]|\(\.\)))++[a-z]{2,24}+(?![a-z0-9.-])(?:[/?#][!-~]*+)?"
)
_FIGURE = re.compile(r"(?<![a-z\d])[a-z]*+\d++(?:[.,:/-]?[a-z]{0,4}\d)*+")
_SEEDS = [
    np.array([xxhash.xxh64_intdigest(name, n) for n in range(TEMPLATE_MINIMA)], np.uint64)
    for name in (b"a", b"b")
]


def plain(text: str) -> str:
    """Return a message without what changes from victim to victim: links, amounts, codes, accents, marks.

    >>> plain("Your parcel 123 waits: https://evil.example/a?b=1 — pay 2,99 €!")
    'your parcel # waits @ pay #'
    """
    letters = unicodedata.normalize("NFKC", text).casefold()
    letters = _LINK.sub(" @ ", letters)
    letters = "".join(each for each in unicodedata.normalize("NFKD", letters) if _stays(each))
    letters = _FIGURE.sub(" # ", letters)
    letters = re.sub(r"[^\w#@]+", " ", letters)
    return re.sub(r"([#@])(?: \1)+", r"\1", letters).strip()


def _stays(letter: str) -> bool:
    return unicodedata.category(letter) not in ("Mn", "Cf")


def template_of(text: str) -> str:
    """Return the template of a message; "" of one too short to tell it from others.

    256 octets in base64url: of each of 128 functions the least value over the groups of three letters of
    `plain`, upper 16 of 64 bits, big-endian. Function i takes h, the xxh64 of a group's UTF-8 with seed 0, to
    (h * (a | 1) + b) mod 2^64, where a and b are the xxh64 of the letters "a" and "b" with seed i.
    """
    letters = plain(text).replace(" ", "")
    groups = {letters[at : at + 3] for at in range(len(letters) - 2)}
    if len(groups) < LEAST:
        return ""
    hashes = np.array([xxhash.xxh64_intdigest(each.encode()) for each in groups], np.uint64)
    multiplier, added = (seeds[:, None] for seeds in _SEEDS)
    with np.errstate(over="ignore"):
        least = (hashes[None, :] * (multiplier | np.uint64(1)) + added).min(axis=1)
    minima = (least >> np.uint64(48)).astype(">u2").tobytes()
    return base64.urlsafe_b64encode(minima).decode().rstrip("=")


def without_text(report: Report) -> Report:
    """Return a report with the template of its message in place of the text."""
    if not report.message:
        return report
    return replace(report, message="", template=report.template or template_of(report.message))


@lru_cache(4096)
def _minima(template: str) -> np.ndarray[Any, Any]:
    return np.frombuffer(base64.urlsafe_b64decode(template + "=="), ">u2")


def alike(one: str, other: str) -> float:
    """Return which share of their groups of letters two messages have in common, by their templates."""
    return float((_minima(one) == _minima(other)).mean())


def marks(report: Report) -> tuple[str, ...]:
    """Return what a report is looked up by: who shares none of them is of another campaign."""
    found = [derived_token("shared", *fact) for fact in sorted(_facts(report))]
    if report.template:
        minima = _minima(report.template).tobytes()
        width = 2 * _BAND
        found += [
            derived_token("band", at, minima[at : at + width].hex()) for at in range(0, len(minima), width)
        ]
    return tuple(found)


def together(one: Report, other: Report) -> bool:
    """Whether two reports are of one campaign by what they name themselves."""
    if one.template and other.template and alike(one.template, other.template) >= ALIKE:
        return True
    return bool(_facts(one) & _facts(other))


def _facts(report: Report) -> set[tuple[str, str]]:
    return {
        (name, each.facts[name])
        for each in report.entities
        for name in OF_ONE
        if each.role != "VICTIM" and each.facts.get(name)
    }


def groups(reports: Iterable[Report]) -> list[list[Report]]:
    """Return the reports that say how they are to be grouped, with those of their campaign, by time.

    What is alike is of one campaign, and what is alike to that, too.
    """
    known = {report.report_id: report for report in reports}
    tied, by_mark = UnionFind(), defaultdict[str, list[Report]](list)
    first: dict[object, Report] = {}
    for report in known.values():
        if not (mine := marks(report)):
            continue
        tied.find(report.report_id)
        same = first.setdefault((report.template, frozenset(_facts(report))), report)
        if same is not report:
            tied.tie(same.report_id, report.report_id)
            continue
        near = {each.report_id: each for mark in mine for each in by_mark[mark]}
        for each in near.values():
            if tied.find(each.report_id) != tied.find(report.report_id) and together(each, report):
                tied.tie(each.report_id, report.report_id)
        for mark in mine:
            by_mark[mark].append(report)
    found = [sorted((known[name] for name in names), key=_begun) for names in tied.sets()]
    return sorted(found, key=lambda group: _begun(group[0]))


def _begun(report: Report) -> tuple[int, str]:
    return report.at_us, report.report_id


def campaign_id(group: Sequence[Report]) -> str:
    """Name a campaign by its first report; an older one that joins gives it another name."""
    return f"campaign_{campaign_token(group)}"


def campaign_token(group: Sequence[Report]) -> str:
    """Return the token of what the reports of a campaign share."""
    return derived_token("campaign", min(map(_begun, group))[1])


def shared(group: Iterable[Report]) -> dict[str, list[str]]:
    """Return what is known of the sites and apps of a campaign, by fact."""
    return {name: found for name in SHOWN if (found := sorted(set(_named(group, name))))}


def _named(group: Iterable[Report], name: str) -> Iterator[str]:
    for report in group:
        entities: Iterable[Mapping[str, str]] = (e.facts for e in report.entities if e.role != "VICTIM")
        yield from (facts[name] for facts in entities if facts.get(name))
