"""What belongs to a process or a job stands in one object: jobs of one interpreter share nothing."""

import ast
import gc
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.process import PROCESS, Owner, Process
from tests.picture import ROOT

PACKAGES = ("schemas", "measures", "models", "fixtures", "pipelines", "desk", "console")

#: What may change and still stands in a module, and why.
ALLOWED = {
    "models/features/catalogue.py CATALOGUE": "filled while modules are imported, never after",
    "pipelines/kafka/admission.py OVERHEARD": "hangs on loggers, which are one a process",
    "pipelines/process.py PROCESS": "the one object",
    "pipelines/metrics.py LATENCY_GAUGES": "of TELEMETRY",
    "pipelines/metrics.py STATUS_COUNTERS": "of TELEMETRY",
    "console/offices.py WORLD_CLOCK": "the clock of the demo's world, which its process sets",
    "measures/registry/table.py NOTHING": "a table without entries; nothing adds to one",
    "measures/law/notices.py NOTHING": "nothing told; read only",
    "measures/law/notices.py STOPPED": "what is told of a stopped payment; read only",
    "measures/aggregate.py UNGUARDED": "nothing is protected; read only",
    "pipelines/hot/feeds.py NONE": "no subscriptions, for who has none; read only",
    "schemas/clue.py _NOBODY": "no parties, for who has none; read only",
    "pipelines/telemetry.py TELEMETRY": "the counts of a process by their meaning; no decision reads them",
}

#: What changes, or waits, or runs, by the name it is made by.
MADE = {
    "Barrier", "Condition", "Counter", "Event", "Lock", "OrderedDict", "Queue", "RLock", "Random",
    "Semaphore", "SimpleQueue", "Thread", "ThreadPoolExecutor", "Timer", "WeakKeyDictionary", "WeakSet",
    "WeakValueDictionary", "count", "cycle", "default_rng", "defaultdict", "deque", "local",
}  # fmt: skip
EMPTY = {"dict", "list", "set", "bytearray"}
CHANGES = {
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "remove",
    "setdefault", "sort", "update",
}  # fmt: skip


FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def changing(tree: ast.Module, classes: set[str]) -> set[str]:
    """The names of a module, and of classes in it, that can hold something else later than at import."""
    nodes = list(ast.walk(tree))
    changed = {name for node in nodes if isinstance(node, FUNCTION) for name in _changed(node)}
    found = {name for name, value in _assigned(tree.body) if name in changed or _changes(value, classes)}
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            found |= {name for name, value in _assigned(node.body, shared=True) if _changes(value, classes)}
    return found | {name for node in nodes if isinstance(node, ast.Global) for name in node.names}


def _assigned(body: list[ast.stmt], *, shared: bool = False) -> Iterator[tuple[str, ast.expr]]:
    """What is assigned; of a class's body what its objects have as `shared`, not what each has anew."""
    for node in body:
        if isinstance(node, ast.Assign):
            yield from ((each.id, node.value) for each in node.targets if isinstance(each, ast.Name))
        elif (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and node.value
            and (not shared or "ClassVar" in ast.unparse(node.annotation))
        ):
            yield node.target.id, node.value


def _changes(value: ast.expr, classes: set[str]) -> bool:
    if isinstance(value, ast.Dict | ast.List):
        return not ast.unparse(value).strip("{}[]")
    if not isinstance(value, ast.Call):
        return False
    called = value.func.attr if isinstance(value.func, ast.Attribute) else ast.unparse(value.func)
    return called in MADE or called in classes or (called in EMPTY and not value.args and not value.keywords)


def _changed(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """The names of others, into which a function puts something or from which it takes something."""
    found, own = set(), set()
    for node in ast.walk(function):
        held: ast.expr | None = None
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.id)
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            held = node.value
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in CHANGES:
            held = node.func.value  # type: ignore[attr-defined]
        if isinstance(held, ast.Name):
            found.add(held.id)
    return found - own - {each.arg for each in (*function.args.args, *function.args.kwonlyargs)}


def _trees() -> dict[str, ast.Module]:
    files = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return {str(path.relative_to(ROOT)): ast.parse(Path(path).read_text()) for path in files}


def _changing_classes(trees: list[ast.Module]) -> set[str]:
    """The plain classes: what they make can change, unlike tuples, structs and frozen data."""
    return {
        node.name
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and all(ast.unparse(base).startswith("logging.") for base in node.bases)
        and not any("frozen=True" in ast.unparse(each) for each in node.decorator_list)
    }


def test_nothing_that_changes_stands_in_a_module_but_what_is_named_here() -> None:
    trees = _trees()
    classes = _changing_classes(list(trees.values()))
    found = {f"{path} {name}" for path, tree in trees.items() for name in changing(tree, classes)}

    assert found == set(ALLOWED)


@pytest.mark.parametrize(
    "source",
    [
        "_opened = {}",
        "_opened: dict[str, int] = dict()",
        "_lock = threading.Lock()",
        "_numbers = itertools.count()",
        "THREADS = ThreadPoolExecutor(2)",
        "class Client:\n    _shared: ClassVar[dict[str, int]] = {}",
        "_known = {'a': 1}\ndef learn():\n    _known['b'] = 2",
        "_known = [1]\ndef learn():\n    _known.append(2)",
        "_last = None\ndef learn():\n    global _last\n    _last = 1",
        "class Lacking: pass\nLACKING = Lacking()",
    ],
)
def test_every_way_of_keeping_something_in_a_module_is_noticed(source: str) -> None:
    tree = ast.parse(source)

    assert len(changing(tree, _changing_classes([tree]))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "_TABLE = {'a': 1}\ndef look():\n    return _TABLE['a']",
        "names = {'a'}\ndef look():\n    names = set()\n    names.add('b')",
        "NAMES = tuple(sorted('ab'))",
    ],
)
def test_a_table_is_not_taken_for_something_that_changes(source: str) -> None:
    assert changing(ast.parse(source), set()) == set()


def test_two_jobs_share_nothing_and_copies_of_one_share_all() -> None:
    one, other = Owner(), Owner()
    held = one.shared("tables", dict)

    assert other.shared("tables", dict) is not held
    assert pickle.loads(pickle.dumps(one)).shared("tables", dict) is held

    del one
    gc.collect()
    assert not any(each is held for each in PROCESS.all("tables"))


def test_a_thing_is_made_once_also_if_it_is_nothing_and_ends_once() -> None:
    process, made, ended = Process(), [], []

    for _ in range(2):
        assert process.shared("note", "a", lambda: made.append(1), ended.append) is None
    process.end("note", lambda whose: whose == "b")
    assert (made, ended) == ([1], [])

    process.end("note")
    process.end("note")
    assert (process.all("note"), ended) == ([], [None])
