"""What people run: commands, pages, and what they print.

Our packages have plain names. Whoever starts a command from here gets ours, whatever folder of such a name
PYTHONPATH puts in front.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

_ROOT = str(Path(__file__).resolve().parents[1])
_OURS = {"schemas", "measures", "models", "pipelines", "desk", "fixtures"}


class _Ours(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(fullname, [_ROOT], target) if fullname in _OURS else None


sys.meta_path.insert(0, _Ours())
