"""A finished file of the log: Parquet, with the digest of all its bytes (XXH64) in its name.

Parquet's own checksums are of pages; a flipped bit in a page's header would pass.
"""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

_DIGEST = re.compile(r"\.([0-9a-f]{16})\.parquet\Z")


def name_of(stem: str, content: bytes | pa.Buffer) -> str:
    """Return the name of a finished file."""
    return f"{stem}.{xxhash.xxh64_hexdigest(content)}.parquet"


def table_of(content: bytes) -> pa.Table:
    """Return what the bytes of a file say.

    Raises:
        ArrowException: they are no Parquet, or a page is damaged.

    """
    return pq.read_table(pa.BufferReader(content), page_checksum_verification=True)


def rows_of(content: pa.Buffer) -> int:
    """Return how many rows the bytes of a file say they hold.

    Raises:
        ArrowException: they are no Parquet.

    """
    rows: int = pq.read_metadata(pa.BufferReader(content)).num_rows
    return rows


def read(path: Path) -> pa.Table:
    """Return a file's table; one whose name holds no digest is believed as far as its pages say.

    Raises:
        ValueError: its bytes are not those that were written.
        ArrowException: it is no Parquet.

    """
    content = path.read_bytes()
    if _DIGEST.search(path.name) and path.name != name_of(path.name.rsplit(".", 2)[0], content):
        raise ValueError("its bytes are not those that were written")
    return table_of(content)
