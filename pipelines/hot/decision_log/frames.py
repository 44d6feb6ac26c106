"""A file that is added to, frame by frame: a whole one is there or none, and damage is told from a torn end.

    frame: size of the content, its checksum, a checksum of these two (uint64 each), content

Content is an Arrow IPC message without its dictionary: first the schema, then record batches.
"""

import fcntl
import logging
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import xxhash

_LOGGER = logging.getLogger(__name__)

_SIZES = struct.Struct("<QQ")
_CHECK = struct.Struct("<Q")
_HEAD = _SIZES.size + _CHECK.size


class FramesFile:
    """A new file of frames, locked while it is open, so that others can tell whether its writer lives."""

    def __init__(self, path: Path) -> None:
        """Open it, the folder made if need be.

        Raises:
            OSError: it cannot be made.

        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.size = 0

    def add(self, *contents: bytes | pa.Buffer) -> None:
        """Add frames, all or none.

        Raises:
            OSError: the disk is full or fails; what the file held before is as it was.

        """
        whole = b"".join(map(_frame, contents))
        written = 0
        try:
            while written < len(whole):
                written += os.write(self._file, memoryview(whole)[written:])
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._file, self.size)
            raise
        self.size += len(whole)

    def close(self) -> None:
        """Close the file and give up its lock."""
        os.close(self._file)


class Damaged(ValueError):
    """Bytes of a file are not those that were written."""


def frames(path: Path) -> Iterator[memoryview]:
    """Yield the contents of whole frames; a last one that was cut off is left out.

    Raises:
        Damaged: a frame is not what was written.
        OSError: the file cannot be read.

    """
    whole = memoryview(path.read_bytes())
    start = 0
    while start + _HEAD <= len(whole):
        size, checksum = _SIZES.unpack_from(whole, start)
        (check,) = _CHECK.unpack_from(whole, start + _SIZES.size)
        if check != xxhash.xxh3_64_intdigest(whole[start : start + _SIZES.size]):
            raise Damaged(f"the frame at byte {start} is damaged")
        end = start + _HEAD + size
        if end > len(whole):
            break
        content = whole[start + _HEAD : end]
        if checksum != xxhash.xxh3_64_intdigest(content):
            raise Damaged(f"the frame at byte {start} is damaged")
        yield content
        start = end
    if start < len(whole):
        _LOGGER.warning("%s ends in %d bytes of a row that was not written whole", path, len(whole) - start)


def framed_table(path: Path) -> pa.Table | None:
    """Return the table of a file of frames; None if not even its schema was written.

    Raises:
        Damaged: a frame is not what was written.
        FileNotFoundError: there is no file.

    """
    found = [*frames(path)]
    if not found or not found[0]:
        return None
    first, *rest = found
    columns = pa.ipc.read_schema(pa.py_buffer(first))
    batches = [pa.ipc.read_record_batch(pa.py_buffer(each), columns) for each in rest]
    return pa.Table.from_batches(batches, columns)


def is_abandoned(path: Path) -> bool:
    """Tell whether no process that lives has this file open to add to it."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(file)
    return True


def _frame(content: bytes | pa.Buffer) -> bytes:
    body = bytes(content)
    sizes = _SIZES.pack(len(body), xxhash.xxh3_64_intdigest(body))
    return sizes + _CHECK.pack(xxhash.xxh3_64_intdigest(sizes)) + body
