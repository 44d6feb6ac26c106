"""librdkafka's consumer by columns: its C interface, as the confluent-kafka package brings it.

confluent-kafka makes three Python objects for every message, which costs more than fetching it. This takes
the same calls (`rd_kafka_consume_batch_queue` and what surrounds it, librdkafka's `rdkafka.h`), but copies
a whole batch into arrays with compiled code that holds no interpreter lock.
"""

import ctypes
import logging
from collections.abc import Mapping
from ctypes import byref, c_char_p, c_int, c_int32, c_int64, c_size_t, c_ssize_t, c_void_p
from typing import Any, NamedTuple

import numpy as np
from confluent_kafka import cimpl
from llvmlite import ir
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from pipelines.kafka.clients.events import EVENTS, Headers
from schemas.envelope import SPECVERSION
from schemas.errors import BrokerError
from schemas.rows.compiled import compiled
from schemas.rows.values import AFTER, Values
from schemas.traceparent import HEADER, LENGTH, PRESENT, WORDS

#: From the levels of syslog.
_LEVELS = (
    *(logging.CRITICAL,) * 3,
    logging.ERROR,
    logging.WARNING,
    logging.INFO,
    logging.INFO,
    logging.DEBUG,
)

_POINTER = ir.IntType(8).as_pointer()
_CONSUMER = 1
_ERROR_BYTES = 512
_Found = NDArray[np.int64]


class _Message(ctypes.Structure):
    """`rd_kafka_message_t`."""

    _fields_ = [
        ("err", c_int),
        ("topic", c_void_p),
        ("partition", c_int32),
        ("payload", c_void_p),
        ("size", c_size_t),
        ("key", c_void_p),
        ("key_size", c_size_t),
        ("offset", c_int64),
        ("private", c_void_p),
    ]


#: Where a message's fields are, in words of eight bytes.
_WORDS = ctypes.sizeof(_Message) // 8
_TOPIC, _PARTITION, _PAYLOAD, _SIZE, _OFFSET = (
    field.offset // 8
    for field in (_Message.topic, _Message.partition, _Message.payload, _Message.size, _Message.offset)
)

_library = ctypes.CDLL(cimpl.__file__)


def _function(name: str, returns: Any, *takes: Any) -> Any:
    found = getattr(_library, f"rd_kafka_{name}")
    found.restype, found.argtypes = returns, takes
    return found


_conf_new = _function("conf_new", c_void_p)
_conf_set = _function("conf_set", c_int, c_void_p, c_char_p, c_char_p, c_char_p, c_size_t)
_conf_set_log_cb = _function("conf_set_log_cb", None, c_void_p, c_void_p)
_new = _function("new", c_void_p, c_int, c_void_p, c_char_p, c_size_t)
_set_log_queue = _function("set_log_queue", c_int, c_void_p, c_void_p)
_poll_set_consumer = _function("poll_set_consumer", c_int, c_void_p)
_queue_get_consumer = _function("queue_get_consumer", c_void_p, c_void_p)
_queue_destroy = _function("queue_destroy", None, c_void_p)
_queue_io_event_enable = _function("queue_io_event_enable", None, c_void_p, c_int, c_char_p, c_size_t)
_list_new = _function("topic_partition_list_new", c_void_p, c_int)
_list_add = _function("topic_partition_list_add", c_void_p, c_void_p, c_char_p, c_int32)
_list_set_offset = _function("topic_partition_list_set_offset", c_int, c_void_p, c_char_p, c_int32, c_int64)
_list_destroy = _function("topic_partition_list_destroy", None, c_void_p)
_topic_name = _function("topic_name", c_char_p, c_void_p)
_assign = _function("assign", c_int, c_void_p, c_void_p)
_consume_batch = _function("consume_batch_queue", c_ssize_t, c_void_p, c_int, c_void_p, c_size_t)
_watermarks = _function(
    "get_watermark_offsets",
    c_int,
    c_void_p,
    c_char_p,
    c_int32,
    ctypes.POINTER(c_int64),
    ctypes.POINTER(c_int64),
)
_err2str = _function("err2str", c_char_p, c_int)
_consumer_close = _function("consumer_close", c_int, c_void_p)
_destroy = _function("destroy", None, c_void_p)
_message_timestamp = _function("message_timestamp", c_int64, c_void_p, c_void_p)
_message_destroy = _function("message_destroy", None, c_void_p)

_message_headers = _function("message_headers", c_int, c_void_p, c_void_p)
_header_get_all = _function(
    "header_get_all", c_int, c_void_p, c_size_t, *[ctypes.POINTER(c_void_p)] * 2, ctypes.POINTER(c_size_t)
)
_header_get_last = _function("header_get_last", c_int, c_void_p, c_char_p, c_void_p, c_void_p)

#: Where the compiled code below finds them.
_TIMESTAMP, _DESTROY, _HEADERS, _GET_LAST = (
    ctypes.cast(each, c_void_p).value or 0
    for each in (_message_timestamp, _message_destroy, _message_headers, _header_get_last)
)


#: Names of headers that are looked for, ended as C ends texts; kept, as compiled code holds their addresses.
_NAMES = [ctypes.create_string_buffer(name.encode()) for name in (HEADER, SPECVERSION)]
_TRACEPARENT, _SPECVERSION = map(ctypes.addressof, _NAMES)


def _logging(logger: logging.Logger) -> Any:
    """Return the function that librdkafka hands a client's messages to; the client must keep it."""

    def log(_: int, level: int, facility: bytes, text: bytes) -> None:
        logger.log(_LEVELS[level], "%s: %s", facility.decode(), text.decode(errors="replace"))

    return ctypes.CFUNCTYPE(None, c_void_p, c_int, c_char_p, c_char_p)(log)


class Event(NamedTuple):
    """What librdkafka says between messages.

    Attributes:
        code: as in `KafkaError`.
        text: what it means.
        at: topic and partition it is about; topic "" if it is about none.
        offset: in that partition.

    """

    code: int
    text: str
    at: tuple[str, int]
    offset: int


class Read(NamedTuple):
    """What a poll gave of one partition: messages by columns, offsets and timestamps int64[n].

    `traces` is as in `Chunk`; `headers` has those of each event, by its place, of topics of `EVENTS`.
    """

    at: tuple[str, int]
    values: Values
    offsets: NDArray[np.int64]
    timestamps_ms: NDArray[np.int64]
    traces: NDArray[np.uint64] | None = None
    headers: Mapping[int, Headers] = {}


class Consumer:
    """One connection, for any number of partitions; not thread-safe.

    Args:
        config: librdkafka's properties, and as for confluent-kafka's clients the `logger` it speaks to.

    Raises:
        BrokerError: librdkafka refuses a property or their combination.

    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._octet_tells = True
        made, error = _conf_new(), ctypes.create_string_buffer(_ERROR_BYTES)
        properties = {**config, "log.queue": True}
        self._log = _logging(properties.pop("logger"))
        for name, value in properties.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if _conf_set(made, name.encode(), text.encode(), error, _ERROR_BYTES):
                raise BrokerError(f"kafka setting refused: {error.value.decode()}")
        _conf_set_log_cb(made, self._log)
        self._client = _new(_CONSUMER, made, error, _ERROR_BYTES)
        if not self._client:
            raise BrokerError(f"kafka client refused: {error.value.decode()}")
        _set_log_queue(self._client, None)
        _poll_set_consumer(self._client)
        self._queue = _queue_get_consumer(self._client)
        self._found = np.empty(0, np.int64)

    def assign(self, places: Mapping[tuple[str, int], int]) -> None:
        """Read these partitions from these offsets on, and nothing else; drops what is buffered.

        Raises:
            BrokerError: librdkafka refuses.

        """
        wanted = _list_new(len(places))
        for (topic, partition), offset in places.items():
            _list_add(wanted, topic.encode(), partition)
            _list_set_offset(wanted, topic.encode(), partition, offset)
        refused = _assign(self._client, wanted)
        _list_destroy(wanted)
        if refused:
            what = ", ".join(f"{topic}[{number}]@{offset}" for (topic, number), offset in places.items())
            raise BrokerError(f"reading {what} failed: {_err2str(refused).decode()}")

    def poll(self, max_rows: int) -> tuple[list[Read], list[Event]]:
        """Return what is buffered, at most `max_rows`, events included, by partition. Never blocks."""
        if len(self._found) < max_rows:
            self._found = np.empty(max_rows, np.int64)
        count = _consume_batch(self._queue, 0, self._found.ctypes.data, max_rows)
        if count <= 0:
            return [], []
        found = self._found[:count]
        said, topics, partitions = _places(found)
        events = [_taken_event(address) for address in found[said].tolist()]
        reads = []
        while len(left := np.flatnonzero(~said)):
            first = left[0]
            own = (topics == topics[first]) & (partitions == partitions[first]) & ~said
            at = _topic_name(int(topics[first])).decode(), int(partitions[first])
            reads.append(self._taken(at, found[own]))
            said |= own
        return reads, events

    def _taken(self, at: tuple[str, int], messages: _Found) -> Read:
        traces, headers = None, dict[int, Headers]()
        places = self._with_headers(messages)
        if at[0] in EVENTS:
            named = _have(messages[places], _HEADERS, _GET_LAST, _SPECVERSION)
            headers = {place: _all_headers(int(messages[place])) for place in places[named].tolist()}
        elif len(words := _traced(messages[places], _HEADERS, _GET_LAST, _TRACEPARENT)):
            traces = np.zeros((len(messages), WORDS), np.uint64)
            traces[places] = words
        text, starts, offsets, timestamps_ms = _taken(messages, _TIMESTAMP, _DESTROY)
        return Read(at, Values(text, starts), offsets, timestamps_ms, traces, headers)

    def _with_headers(self, messages: _Found) -> NDArray[np.int64]:
        """Return the places of the messages that may have headers.

        To ask librdkafka costs it an allocation for each. In a record of format 2, whose memory it hands out,
        the number of headers follows the value, and older records have none. It is asked about the first
        message all the same: should it ever hand out something else, it is asked about all from then on.
        """
        headed = _headed(messages)
        if not headed[0] and _message_headers(int(messages[0]), byref(c_void_p())) == 0:
            self._octet_tells = False
        places: NDArray[np.int64] = np.flatnonzero(headed) if self._octet_tells else np.arange(len(messages))
        return places

    def tell(self, pipe: int) -> None:
        """Have a byte written into a pipe whenever messages or events come to where there were none."""
        _queue_io_event_enable(self._queue, pipe, b"1", 1)

    def end_offset(self, topic: str, partition: int) -> int | None:
        """Return the end of the log as of the last fetch, `None` before the first."""
        low, high = c_int64(), c_int64()
        refused = _watermarks(self._client, topic.encode(), partition, low, high)
        return high.value if not refused and high.value >= 0 else None

    def close(self) -> None:
        """Release sockets and threads."""
        _consumer_close(self._client)
        _queue_destroy(self._queue)
        _destroy(self._client)


def _all_headers(address: int) -> Headers:
    found, name, value, size = c_void_p(), c_void_p(), c_void_p(), c_size_t()
    headers: list[tuple[str, bytes | None]] = []
    _message_headers(int(address), byref(found))
    while not _header_get_all(found, len(headers), byref(name), byref(value), byref(size)):
        text = ctypes.string_at(value.value, size.value) if value.value else None
        headers.append((ctypes.string_at(name.value or 0).decode(errors="replace"), text))
    return headers


def _taken_event(address: int) -> Event:
    message = _Message.from_address(address)
    said = ctypes.string_at(message.payload, message.size) if message.payload else _err2str(message.err)
    topic = _topic_name(message.topic).decode() if message.topic else ""
    event = Event(message.err, said.decode(errors="replace"), (topic, message.partition), message.offset)
    _message_destroy(address)
    return event


@intrinsic  # type: ignore[untyped-decorator]
def _memory(_: Any, address: Any) -> Any:
    """Return the memory at an address."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], _POINTER)

    return types.voidptr(types.int64), code


@intrinsic  # type: ignore[untyped-decorator]
def _copy(_: Any, to: Any, source: Any, size: Any) -> Any:
    """Copy memory from one address to another."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        there, here = (builder.inttoptr(each, _POINTER) for each in args[:2])
        cgutils.raw_memcpy(builder, there, here, args[2], 1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), code


@intrinsic  # type: ignore[untyped-decorator]
def _timestamp(_: Any, function: Any, address: Any) -> Any:
    """Call `rd_kafka_message_timestamp`, which lies at `function`, without asking for the kind of time."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(64), [_POINTER, _POINTER]).as_pointer()
        return builder.call(
            builder.inttoptr(args[0], kind), [builder.inttoptr(args[1], _POINTER), _POINTER(None)]
        )

    return types.int64(types.int64, types.int64), code


@intrinsic  # type: ignore[untyped-decorator]
def _release(_: Any, function: Any, address: Any) -> Any:
    """Call `rd_kafka_message_destroy`, which lies at `function`."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_POINTER]).as_pointer()
        builder.call(builder.inttoptr(args[0], kind), [builder.inttoptr(args[1], _POINTER)])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), code


@intrinsic  # type: ignore[untyped-decorator]
def _asked(_: Any, function: Any, message: Any, headers: Any) -> Any:
    """Call `rd_kafka_message_headers`, which lies at `function`, with where to write the headers' address."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [_POINTER, _POINTER]).as_pointer()
        return builder.call(
            builder.inttoptr(args[0], kind), [builder.inttoptr(each, _POINTER) for each in args[1:]]
        )

    return types.int32(types.int64, types.int64, types.int64), code


@intrinsic  # type: ignore[untyped-decorator]
def _named(_: Any, function: Any, headers: Any, name: Any, value: Any, size: Any) -> Any:
    """Call `rd_kafka_header_get_last`, which lies at `function`; `value` and `size` are where to write."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [_POINTER] * 4).as_pointer()
        return builder.call(
            builder.inttoptr(args[0], kind), [builder.inttoptr(each, _POINTER) for each in args[1:]]
        )

    return types.int32(types.int64, types.int64, types.int64, types.int64, types.int64), code


@compiled
def _digit(letter: int) -> int:
    """Return what a hexadecimal digit is worth, 16 where it is none; capital ones are none (W3C)."""
    if 48 <= letter <= 57:
        return letter - 48
    return letter - 87 if 97 <= letter <= 102 else 16


@compiled
def _parsed(header: NDArray[np.uint8], into: NDArray[np.uint64]) -> bool:
    """Read `schemas.traceparent.words` of a header of at least its length; False where it is none."""
    later = len(header) > LENGTH
    if header[2] != 45 or header[35] != 45 or header[52] != 45 or (later and header[LENGTH] != 45):
        return False
    version = _digit(header[0]) * 16 + _digit(header[1])
    if max(_digit(header[0]), _digit(header[1])) > 15 or version == 255 or (later and version == 0):
        return False
    for word, first, count in ((0, 3, 16), (1, 19, 16), (2, 36, 16), (3, 53, 2)):
        found = np.uint64(0)
        for place in range(first, first + count):
            digit = _digit(header[place])
            if digit > 15:
                return False
            found = (found << np.uint64(4)) | np.uint64(digit)
        into[word] = found
    if (into[0] | into[1]) == 0 or into[2] == 0:
        return False
    into[3] |= np.uint64(PRESENT)
    return True


@compiled
def _headed(found: _Found) -> NDArray[np.bool_]:
    """Tell which messages have headers, by the octet behind their value; without one they may."""
    headed = np.ones(len(found), np.bool_)
    for each in range(len(found)):
        message = carray(_memory(found[each]), _WORDS, np.int64)
        if message[_SIZE] > 0:
            headed[each] = carray(_memory(message[_PAYLOAD] + message[_SIZE]), 1, np.uint8)[0] != 0
    return headed


@compiled
def _have(found: _Found, headers: int, get_last: int, name: int) -> NDArray[np.bool_]:
    """Tell which of the messages at these addresses have a header of this name."""
    have, place = np.zeros(len(found), np.bool_), np.zeros(3, np.int64)
    for each in range(len(found)):
        if _asked(headers, found[each], place.ctypes.data) == 0:
            value, size = place.ctypes.data + 8, place.ctypes.data + 16
            have[each] = _named(get_last, place[0], name, value, size) == 0
    return have


@compiled
def _traced(found: _Found, headers: int, get_last: int, name: int) -> NDArray[np.uint64]:
    """Return the traceparents of the messages at these addresses, uint64[n, 4]; no row where none has one."""
    traces = np.zeros((0, WORDS), np.uint64)
    place, words = np.zeros(3, np.int64), np.zeros(WORDS, np.uint64)
    for each in range(len(found)):
        if _asked(headers, found[each], place.ctypes.data) != 0:
            continue
        if _named(get_last, place[0], name, place.ctypes.data + 8, place.ctypes.data + 16) != 0:
            continue
        if place[1] == 0 or place[2] < LENGTH:
            continue
        if not _parsed(carray(_memory(place[1]), (place[2],), np.uint8), words):
            continue
        if not len(traces):
            traces = np.zeros((len(found), WORDS), np.uint64)
        traces[each] = words
    return traces


@compiled
def _places(found: _Found) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Return which of the messages at these addresses are events, their topics' addresses and partitions."""
    said = np.empty(len(found), np.bool_)
    topics, partitions = np.empty(len(found), np.int64), np.empty(len(found), np.int64)
    for each in range(len(found)):
        said[each] = carray(_memory(found[each]), 1, np.int32)[0] != 0
        message = carray(_memory(found[each]), _WORDS, np.int64)
        topics[each] = message[_TOPIC]
        partitions[each] = message[_PARTITION] & 0x7FFFFFFF
    return said, topics, partitions


@compiled
def _taken(
    found: _Found, timestamp: int, destroy: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Copy the messages at these addresses, release them; return text and starts of values, two columns."""
    count = len(found)
    starts = np.zeros(count + 1, np.int64)
    offsets, times = np.empty(count, np.int64), np.empty(count, np.int64)
    for each in range(count):
        message = carray(_memory(found[each]), _WORDS, np.int64)
        starts[each + 1] = starts[each] + message[_SIZE] + 1
        offsets[each] = message[_OFFSET]
        times[each] = max(_timestamp(timestamp, found[each]), 0)
    text = np.empty(starts[count] + AFTER, np.uint8)
    text[starts[count] :] = 0
    for each in range(count):
        message = carray(_memory(found[each]), _WORDS, np.int64)
        start, end = starts[each], starts[each + 1] - 1
        _copy(text.ctypes.data + start, message[_PAYLOAD], end - start)
        text[end] = 0
        _release(destroy, found[each])
    return text, starts, offsets, times
