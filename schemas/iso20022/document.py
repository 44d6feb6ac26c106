"""A message of ISO 20022 as elements with their paths; nothing outside it is read, nothing in it grows.

A document type, and so every entity, is refused; depth, and lengths of names and texts, are limited by the
parser (libxml2 without its option for huge documents). A message may stand in an envelope with its header
(head.001), as networks send it.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from lxml import etree

from schemas.errors import SchemaError
from schemas.iso20022 import values

#: No message on a topic is longer.
MOST_BYTES = 4_000_000

_DOCUMENT = re.compile(
    r"\{(urn:(?:iso:std:iso:20022:tech:xsd|swift:xsd):([a-z]{4}\.[0-9]{3})\.[0-9]{3}\.[0-9]{2})\}"
)

_DOCTYPE = "the message declares a document type; ISO 20022 has none"

#: What may stand before the first octet of XML: byte order marks, blanks, and zeros of UTF-16.
_BEFORE = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"


class NotXmlError(SchemaError):
    """A message that is no XML, or XML that is not read."""


class ElementError(SchemaError):
    """An element that is missing or whose value cannot be; its text says which, but never the value."""

    def __init__(self, element: "Element", said: str, below: str = "") -> None:
        super().__init__(said)
        self._said, self._element, self._below = said, element, below

    @property
    def path(self) -> str:
        """Where the element stands, from the document on."""
        return self._element.path + (f"/{self._below}" if self._below else "")

    def __str__(self) -> str:
        return f"{self._said} - at `{self.path}`"


def is_xml(value: bytes) -> bool:
    """Tell whether a message is meant as XML; JSON never begins so.

    >>> is_xml(b"<Document/>"), is_xml(b'{"a": "<"}')
    (True, False)
    """
    return value[:64].lstrip(_BEFORE)[:1] == b"<"


class Element(NamedTuple):
    """An element and the namespace of its message."""

    node: "etree._Element"
    space: str

    @property
    def path(self) -> str:
        """Where it stands, as /Document/FIToFICstmrCdtTrf/CdtTrfTxInf[2]."""
        steps = []
        for node in (self.node, *self.node.iterancestors()):
            name, tag = etree.QName(node).localname, str(node.tag)
            before = sum(1 for _ in node.itersiblings(tag, preceding=True))
            alone = not before and next(node.itersiblings(tag), None) is None
            steps.append(name if alone else f"{name}[{before + 1}]")
            if name == "Document":
                break
        return "/" + "/".join(reversed(steps))

    def all(self, place: str) -> "list[Element]":
        """Return the elements at a place below, such as Dbtr/Nm."""
        return [Element(node, self.space) for node in self.node.iterfind(_steps(self.space, place))]

    def first(self, *places: str) -> "Element | None":
        """Return the first element at the first of some places that has one."""
        for place in places:
            node = self.node.find(_steps(self.space, place))
            if node is not None:
                return Element(node, self.space)
        return None

    def text(self, *places: str, longest: int = 35) -> str:
        """Return what stands in the first of some places that is there, without blanks around; "" if none is.

        Raises:
            ElementError: it is empty or too long.

        """
        found = self.first(*places)
        if found is None:
            return ""
        said = (found.node.text or "").strip()
        try:
            return values.text("", said, longest)
        except SchemaError as error:
            raise ElementError(found, f"not 1 to {longest} printable characters") from error

    def needed(self, *places: str) -> "Element":
        """Return the first element at the first of some places that has one.

        Raises:
            ElementError: none has.

        """
        found = self.first(*places)
        if found is None:
            raise ElementError(self, "missing", places[0])
        return found


@lru_cache(maxsize=1024)
def _steps(space: str, place: str) -> str:
    """Return a place with its namespace, as lxml takes it; places are few and ours."""
    return "/".join(f"{{{space}}}{step}" for step in place.split("/"))


class Message(NamedTuple):
    """One message: which, such as `pacs.008`, and its body, the one child of Document."""

    name: str
    body: Element


def read(message: bytes) -> Message:
    """Read the one message of some XML.

    Raises:
        NotXmlError: it cannot be read.
        SchemaError: it is about something else, or holds several messages.

    """
    found = list(messages(message))
    if len(found) != 1:
        raise SchemaError(f"{len(found)} ISO 20022 documents in one message; send one message for each")
    return found[0]


def messages(message: bytes, longest: int = MOST_BYTES) -> Iterator[Message]:
    """Yield the messages that some XML of at most `longest` bytes holds, a document each.

    Raises:
        NotXmlError: it cannot be read.
        SchemaError: it holds no document of ISO 20022, or one that is empty.

    """
    root = _root(message, longest)
    documents = [node for node in root.iter("{*}Document") if _DOCUMENT.match(str(node.tag))]
    if not documents:
        raise SchemaError(f"{etree.QName(root).localname[:40]!r} holds no Document of ISO 20022")
    for node in documents:
        match = _DOCUMENT.match(str(node.tag))
        bodies = [child for child in node if isinstance(child.tag, str)]
        if match is None or len(bodies) != 1:
            raise SchemaError(f"the Document holds {len(bodies)} messages, not one")
        yield Message(match[2], Element(bodies[0], match[1]))


def _root(message: bytes, longest: int) -> "etree._Element":
    if len(message) > longest:
        raise NotXmlError(f"the message is longer than {longest:,} bytes")
    if b"<!DOCTYPE" in message:  # before it costs anything
        raise NotXmlError(_DOCTYPE)
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False,
        remove_comments=True, remove_pis=True, collect_ids=False,
    )  # fmt: skip
    try:
        root = etree.fromstring(message.lstrip(), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise NotXmlError(f"the message is no XML: {str(error).partition(' (<string>')[0][:200]}") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise NotXmlError(_DOCTYPE)
    return root
