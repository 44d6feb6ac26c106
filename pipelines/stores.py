"""Folders in an object store, named by URL (s3://, gs://, abfs://, memory://, file://), through fsspec."""

import atexit
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from schemas.errors import ConfigError, cause


def is_url(place: str | Path) -> bool:
    """Tell whether a place is named by URL.

    >>> is_url("s3://bank/log"), is_url("var/log")
    (True, False)
    """
    return "://" in str(place)


def local(place: str | Path) -> Path:
    """Return a folder of this machine: the one named, or a copy, until the end, of the one a URL names.

    Raises:
        ConfigError: the URL cannot be read.

    """
    return _fetched(str(place)) if is_url(place) else Path(place)


@cache
def _fetched(url: str) -> Path:
    store = Store(url)
    into = Path(mkdtemp(prefix="stopline-"))
    atexit.register(shutil.rmtree, into, ignore_errors=True)
    folder = into / url.rstrip("/").rpartition("/")[2]
    try:
        if not store.files.isdir(store.path):
            raise ConfigError(f"{url} is no folder there; see its name, and whether it may be listed")
        store.files.get(store.path.rstrip("/") + "/", str(folder), recursive=True)
    except ConfigError:
        raise
    except Exception as error:  # each backend has exceptions of its own
        raise ConfigError(
            f"{url} cannot be fetched ({cause(error)}); see its name and your permissions"
        ) from error
    return folder


class Store:
    """A folder that is written to by URL."""

    def __init__(self, url: str) -> None:
        """Open it; nothing is looked at yet.

        Raises:
            ConfigError: no library for such a URL is installed.

        """
        from fsspec.core import url_to_fs  # noqa: PLC0415  (most commands name folders)
        from fsspec.registry import known_implementations  # noqa: PLC0415

        self.url = url
        scheme = url.partition("://")[0]
        try:
            self.files: Any
            self.files, self.path = url_to_fs(url)
        except ImportError as error:
            raise ConfigError(f"{url} needs a library that is not installed: {error}") from error
        except ValueError as error:
            known = "abfs, file, gs, memory, s3, or another of fsspec"
            why = cause(error) if scheme in known_implementations else f"nothing is known of {scheme}://"
            raise ConfigError(f"{url} cannot be opened: {why}; use one of {known}") from error

    def put(self, file: Path, name: str) -> None:
        """Copy a file there, whole.

        Raises:
            OSError: it is not there as it is here.

        """
        place = f"{self.path}/{name}"
        try:
            size = file.stat().st_size
            self.files.makedirs(place.rpartition("/")[0], exist_ok=True)
            self.files.put_file(str(file), place)
            arrived = self.files.info(place)["size"]
        except Exception as error:  # each backend has exceptions of its own
            raise OSError(f"{self.url} took no file: {cause(error)}") from error
        if arrived != size:
            raise OSError(f"{self.url}/{name} has {arrived} bytes of {size}")

    def remove(self, name: str) -> None:
        """Remove a file that is there."""
        self.files.rm_file(f"{self.path}/{name}")
