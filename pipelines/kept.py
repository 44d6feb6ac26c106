"""A small file of state, kept twice, each copy with its digest: where one is damaged the other counts."""

import logging
from pathlib import Path

import xxhash

from schemas.errors import StateError, cause

_LOGGER = logging.getLogger(__name__)


def copies(path: Path) -> tuple[Path, Path]:
    """Return where both copies are.

    >>> [each.name for each in copies(Path("jobs/stopline.json"))]
    ['stopline.json', 'stopline.json.copy']
    """
    return path, path.with_name(f"{path.name}.copy")


def write(path: Path, content: bytes) -> None:
    """Keep one line, each copy replaced in one step; the file's folder is there."""
    draft = path.with_name(f"{path.name}.draft")
    for copy in copies(path):
        draft.write_bytes(content + b"\n" + xxhash.xxh64_hexdigest(content).encode() + b"\n")
        draft.replace(copy)


def read(path: Path) -> bytes | None:
    """Return what was kept, None if nothing was; files of releases before had neither digest nor copy.

    Raises:
        StateError: no copy is what was written.

    """
    wrong, gone = "", False
    for copy in copies(path):
        try:
            content, _, digest = copy.read_bytes().partition(b"\n")
        except FileNotFoundError:
            gone = True
        except OSError as error:
            wrong = cause(error)
        else:
            old = not digest and not copies(path)[1].exists()
            if old or digest == xxhash.xxh64_hexdigest(content).encode() + b"\n":
                if wrong or gone:
                    _LOGGER.warning("%s is damaged (%s), its copy counts", path, wrong or "it is gone")
                return content
            wrong = "its bytes are not those that were written"
    if wrong:
        raise StateError(f"{path} is damaged ({wrong}), and no copy of it is whole")
    return None
