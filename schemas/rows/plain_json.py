"""Plain JSON straight into rows: the compiled reader of the hot path.

It reads what producers nearly always write: a flat object of strings in printable ASCII without escapes,
whole numbers of at most 18 digits, true and false. Every other message it leaves to msgspec, which alone
decides what is valid and says why: this reader is narrow, never lenient. It holds no interpreter lock.
"""

import re
import typing
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import Struct, inspect
from numpy.typing import NDArray

from schemas.rows import Rows
from schemas.rows.compiled import compiled, inlined, word_at
from schemas.rows.tokens import TOKEN_LETTERS, packed
from schemas.rows.values import AFTER, Values

Octets = NDArray[np.uint8]

#: How a value is read: a number, a text, a token of 128 bits, the code of a word, a bit.
NUMBER, TEXT, TOKEN, WORD, FLAG = range(5)

#: Where a quoted key or word lies in the letters of a plan.
LETTERS = np.dtype([("first", "i8"), ("last", "i8")])

#: One field of a record: its quoted key and its first word and how many words it has; the place of its column
#: in the row, -1 if the value is checked and not kept; the bytes of a number or the bit of a flag; the limits
#: of a number or of a text's length; where in the letters a text's alphabet is, -1 if it may have any.
FIELD = np.dtype(
    [
        *LETTERS.descr,
        ("word", "i8"),
        ("words", "i8"),
        ("kind", "i8"),
        ("at", "i8"),
        ("size", "i8"),
        ("least", "i8"),
        ("most", "i8"),
        ("among", "i8"),
    ]
)

_QUOTE, _BACKSLASH, _COMMA, _COLON, _MINUS, _OPEN, _CLOSE = b'"\\,:-{}'
_ZERO, _NINE, _BLANK, _LAST = b"09 ~"

#: The letters of every plan begin with these.
_FLAGS, _TRUE = b"truefalse", 4

_DIGITS_MAX = 18
_SPACES = np.zeros(33, np.bool_)
_SPACES[[9, 10, 13, 32]] = True

#: A pattern that says of each letter alone whether it may stand in a text, and its alphabet.
_ALPHABET = re.compile(r"\^(\[[^\]]+\])\{\d+(?:,\d+)?\}\\Z")
_ASCII = bytes(range(_BLANK, _LAST + 1))

#: Octets that are compared at once.
_WORD = 8

#: Where a reading stands that met something else.
_ELSE = -1


class Column(NamedTuple):
    """Where a field goes: the column of the row, and which bit of it if the field is a flag."""

    name: str
    bit: int = 0


class Plan(NamedTuple):
    """How a record becomes a row.

    Attributes:
        letters: true, false, all keys and words in quotes and alphabets, one after the other, and a word of
            zeros, uint8. An alphabet is 128 octets, 1 for a letter of it.
        fields: FIELD[n].
        words: LETTERS[m], those of a field one after the other.
        required: a bit for each field that must be there.
        blank: the row of a record that has only defaults, uint8.

    """

    letters: Octets
    fields: Rows
    words: Rows
    required: np.uint64
    blank: Octets


def plan(
    record: type[Struct], row: np.dtype[np.void], columns: Mapping[str, Column], foreign: Sequence[str] = ()
) -> Plan:
    """Return how `record` becomes a `row`; fields without a column are checked and not kept.

    What has one of the `foreign` fields is a record of another form, and not plain.

    Raises:
        TypeError: a field is of a type that is not read plainly.

    """
    members = msgspec.structs.fields(record)
    fields, blank = np.zeros(len(members) + len(foreign), FIELD), np.zeros((), row)
    words: list[tuple[int, int]] = []
    letters = bytearray(_FLAGS)

    def quoted(word: str) -> tuple[int, int]:
        letters.extend(f'"{word}"'.encode("ascii"))
        if len(word) + 2 > AFTER:
            raise TypeError(f"{word!r} is too long to be read plainly")
        return len(letters) - len(word) - 2, len(letters)

    def among(pattern: str | None, *, kept: bool) -> int:
        """Return where the alphabet is that a pattern asks for; kept texts have no blanks anyway."""
        if pattern is None:
            return _ELSE
        if (alphabet := _ALPHABET.fullmatch(pattern)) is None:
            raise TypeError(f"{pattern!r} is more than an alphabet, which is not read plainly")
        allowed = re.findall(alphabet[1].encode(), _ASCII)
        if kept and len(allowed) == len(_ASCII) - 1:
            return _ELSE
        table = bytearray(_LAST + 2)
        for letter in allowed:
            table[ord(letter)] = 1
        letters.extend(table)
        return len(letters) - len(table)

    for field, name in zip(fields[len(members) :], foreign, strict=True):
        field["kind"] = WORD  # of no words: none is read
        field["first"], field["last"] = quoted(name)
    for field, member in zip(fields[: len(members)], members, strict=True):
        column = columns.get(member.name)
        kept = row[column.name] if column else None
        options: tuple[str, ...] = ()
        alphabet = _ELSE
        match _bare(inspect.type_info(member.type)):
            case inspect.IntType(ge=int(least), le=int(most)):
                read_as = NUMBER, kept.itemsize if kept else 0, least, most
            case inspect.StrType(min_length=least) if kept and kept.shape:
                read_as = TOKEN, 0, least or 0, TOKEN_LETTERS
            case inspect.StrType(min_length=least, max_length=int(most), pattern=pattern):
                read_as = TEXT, 0, least or 0, most
                alphabet = among(pattern, kept=kept is not None)
            case inspect.LiteralType() if column:
                read_as = WORD, 0, 0, 0
                options = typing.get_args(member.type)
            case inspect.BoolType() if column:
                read_as = FLAG, column.bit, 0, 0
            case other:
                raise TypeError(f"{record.__name__}.{member.name} is {other}, which is not read plainly")
        field["kind"], field["size"], field["least"], field["most"] = read_as
        field["among"] = alphabet
        field["at"] = row.fields[column.name][1] if column else _ELSE  # type: ignore[index]
        field["first"], field["last"] = quoted(member.encode_name)
        field["word"], field["words"] = len(words), len(options)
        words += map(quoted, options)
        if column and not member.required and read_as[0] in (NUMBER, WORD):
            blank[column.name] = options.index(member.default) if options else member.default
        elif column and read_as[0] == FLAG and member.default is True:
            blank[column.name] |= column.bit
    return Plan(
        np.frombuffer(bytes(letters) + bytes(_WORD), np.uint8),
        fields,
        np.array(words, LETTERS),
        np.uint64(sum(1 << place for place, member in enumerate(members) if member.required)),
        blank.reshape(1).view(np.uint8),
    )


def _bare(of: inspect.Type) -> inspect.Type:
    return of.type if isinstance(of, inspect.Metadata) else of


def read(plan: Plan, values: Values, row: np.dtype[np.void]) -> tuple[Rows, NDArray[np.bool_]]:
    """Return a row per message and which messages were plain; the rows of the others mean nothing."""
    rows = np.empty((len(values), row.itemsize), np.uint8)
    rows[:] = plan.blank
    seen = np.empty(len(values), np.uint64)
    _read(values.text, values.starts, (plan.letters, plan.fields, plan.words), seen, rows)
    return rows.view(row)[:, 0], seen & plan.required == plan.required


@compiled
def _read(
    text: Octets,
    starts: NDArray[np.int64],
    plan: tuple[Octets, Rows, Rows],
    seen: NDArray[np.uint64],
    rows: Octets,
) -> None:
    letters, fields, words = plan
    for each in range(len(rows)):
        has, end = _record(text, starts[each], letters, fields, words, rows[each])
        seen[each] = has if end == starts[each + 1] - 1 else np.uint64(0)


@inlined
def _record(  # noqa: PLR0917 (compiled code takes arrays one by one)
    text: Octets, place: int, letters: Octets, fields: Rows, words: Rows, row: Octets
) -> tuple[np.uint64, int]:
    """Read one object; return a bit for each field it has, and the place after it and its blanks."""
    seen, field = np.uint64(0), 0
    place = _skip(text, place)
    more = text[place] == _OPEN
    while more:
        field, place = _field(text, _skip(text, place + 1), letters, fields, field)
        if place < 0:
            break
        place = _skip(text, place)
        if text[place] != _COLON:
            break
        place = _skip(text, place + 1)
        if field == _ELSE:
            place = _unknown(text, place, letters)
        else:
            bit = np.uint64(1) << np.uint64(field)
            if seen & bit:
                break
            seen |= bit
            place = _value(text, place, letters, fields[field], words, row)
        if place < 0:
            break
        place = _skip(text, place)
        if text[place] == _CLOSE:
            return seen, _skip(text, place + 1)
        more = text[place] == _COMMA
        field += 1
    return seen, _ELSE


@inlined
def _skip(text: Octets, place: int) -> int:
    """Return the first place from `place` on that is no blank."""
    while text[place] <= _BLANK and _SPACES[text[place]]:
        place += 1
    return place


@inlined
def _begins(text: Octets, place: int, letters: Octets, first: int, last: int) -> bool:
    """Tell whether the letters from `first` to `last` stand at `place`."""
    while last - first > _WORD:
        if word_at(text, place) != word_at(letters, first):
            return False
        place, first = place + _WORD, first + _WORD
    beyond = np.uint64(8 * (_WORD - last + first))
    return bool((word_at(text, place) ^ word_at(letters, first)) << beyond == 0)


@inlined
def _text(text: Octets, place: int) -> int:
    """Return the place after a string."""
    if text[place] != _QUOTE:
        return _ELSE
    place += 1
    while _BLANK <= text[place] <= _LAST and text[place] != _QUOTE and text[place] != _BACKSLASH:
        place += 1
    return place + 1 if text[place] == _QUOTE else _ELSE


@inlined
def _field(text: Octets, place: int, letters: Octets, fields: Rows, likely: int) -> tuple[int, int]:
    """Return the field of a key and the place after it; writers keep an order, so `likely` is tried first."""
    for step in range(len(fields)):
        field = likely + step
        if field >= len(fields):
            field -= len(fields)
        first, last = fields[field].first, fields[field].last
        if _begins(text, place, letters, first, last):
            return field, place + last - first
    return _ELSE, _text(text, place)


@inlined
def _unknown(text: Octets, place: int, letters: Octets) -> int:
    """Return the place after the value of a field that the record does not have."""
    if text[place] == _QUOTE:
        return _text(text, place)
    if text[place] == _MINUS or _ZERO <= text[place] <= _NINE:
        return _number(text, place)[0]
    return _flag(text, place, letters)[0]


@inlined
def _value(  # noqa: PLR0917 (compiled code takes arrays one by one)
    text: Octets, place: int, letters: Octets, field: Any, words: Rows, row: Octets
) -> int:
    """Read the value of a field into its column; return the place after it."""
    kind, at, size, least, most = field.kind, field.at, field.size, field.least, field.most
    if kind == NUMBER:
        place, number = _number(text, place)
        if not least <= number <= most:
            return _ELSE
        for step in range(size):
            row[at + step] = (number >> (8 * step)) & 255
    elif kind == WORD:
        place, code = _code(text, place, letters, field, words)
        row[at] = code
    elif kind == FLAG:
        place, shown = _flag(text, place, letters)
        row[at] = row[at] | size if shown else row[at] & ~size
    elif kind == TOKEN:
        place, high, low = _token(text, place, least)
        for step in range(8):
            row[at + step] = (high >> np.uint64(8 * step)) & np.uint64(255)
            row[at + 8 + step] = (low >> np.uint64(8 * step)) & np.uint64(255)
    else:
        start, place = place + 1, _text(text, place)
        if not least <= place - 1 - start <= most or not _among(text, start, place - 1, letters, field.among):
            return _ELSE
        if at >= 0:
            for step in range(place - 1 - start):
                if text[start + step] == _BLANK:
                    return _ELSE
                row[at + step] = text[start + step]
    return place


@inlined
def _code(text: Octets, place: int, letters: Octets, field: Any, words: Rows) -> tuple[int, int]:
    """Return the place after one of a field's words, and which it is."""
    for code in range(field.words):
        word = words[field.word + code]
        if _begins(text, place, letters, word.first, word.last):
            return place + word.last - word.first, code
    return _ELSE, 0


@inlined
def _among(text: Octets, start: int, end: int, letters: Octets, alphabet: int) -> bool:
    """Tell whether a text has only letters of an alphabet."""
    if alphabet >= 0:
        for place in range(start, end):
            if not letters[alphabet + text[place]]:
                return False
    return True


@inlined
def _token(text: Octets, place: int, least: int) -> tuple[int, np.uint64, np.uint64]:
    """Return the place after a token, and its two words; zeros of an empty text where that may be."""
    if least == 0 and text[place] == _QUOTE and text[place + 1] == _QUOTE:
        return place + 2, np.uint64(0), np.uint64(0)
    end = place + 1 + TOKEN_LETTERS
    whole, high, low = packed(text, place + 1)
    quoted = text[place] == _QUOTE and whole and text[end] == _QUOTE
    return (end + 1 if quoted else _ELSE), high, low


@inlined
def _number(text: Octets, place: int) -> tuple[int, int]:
    """Return the place after a whole number, and the number."""
    minus = text[place] == _MINUS
    if minus:
        place += 1
    start, number = place, 0
    while _ZERO <= text[place] <= _NINE and place - start <= _DIGITS_MAX:
        number = 10 * number + int(text[place] - _ZERO)
        place += 1
    size = place - start
    if size == 0 or size > _DIGITS_MAX or (text[start] == _ZERO and (minus or size > 1)):
        return _ELSE, 0
    return place, -number if minus else number


@inlined
def _flag(text: Octets, place: int, letters: Octets) -> tuple[int, bool]:
    """Return the place after `true` or `false`, and which it is."""
    if _begins(text, place, letters, 0, _TRUE):
        return place + _TRUE, True
    if _begins(text, place, letters, _TRUE, len(_FLAGS)):
        return place + len(_FLAGS) - _TRUE, False
    return _ELSE, False
