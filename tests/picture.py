"""`python -m tests.picture`: draw the imports between the rooms of the house into docs/architecture.md.

A room is a folder of a package. An arrow is an import; what follows from other arrows of the picture is left
out, and so are what everything imports (`schemas`) and modules that stand in a package itself.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
PACKAGES = ("measures", "models", "fixtures", "pipelines", "desk", "console")

Arrows = dict[str, set[str]]


def picture() -> str:
    """Return the picture as a Mermaid block."""
    drawn = reduced(arrows())
    lines = ["```mermaid", "flowchart BT"]
    for package in PACKAGES:
        rooms = sorted(room for room in drawn if room.split("/")[0] == package)
        if rooms == [package]:
            lines.append(f'  {package}["{package}/"]')
            continue
        lines.append(f'  subgraph {package}["{package}/"]')
        lines += [f'    {_id(room)}["{room.partition("/")[2]}"]' for room in rooms]
        lines.append("  end")
    lines += [f"  {_id(above)} --> {_id(below)}" for above in sorted(drawn) for below in sorted(drawn[above])]
    return "\n".join([*lines, "```"])


def arrows() -> Arrows:
    """Return which rooms each room imports."""
    found: Arrows = {}
    for package in PACKAGES:
        for module in sorted((ROOT / package).rglob("*.py")):
            if not (room := room_of(module.relative_to(ROOT).with_suffix("").parts)):
                continue
            below = found.setdefault(room, set())
            below |= {other for other in map(room_of, imported(module)) if other and other != room}
    return {room: below & found.keys() for room, below in found.items()}


def imported(module: Path) -> Iterator[tuple[str, ...]]:
    """Yield the parts of every module of ours that a module imports."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield (*node.module.split("."), alias.name)


def room_of(parts: tuple[str, ...]) -> str:
    """Return the room of a module, "" if it stands in none of ours.

    >>> room_of(("pipelines", "kafka", "clients", "confluent")), room_of(("pipelines", "policy"))
    ('pipelines/kafka', '')
    """
    if parts[0] not in PACKAGES:
        return ""
    folder = "/".join(parts[:2])
    return folder if len(parts) > 1 and (ROOT / folder).is_dir() else "fixtures" * (parts[0] == "fixtures")


def reduced(found: Arrows) -> Arrows:
    """Leave out the arrows that lead where others lead too; rooms that import each other keep theirs."""
    reach = {room: _reach(room, found) for room in found}
    return {
        room: {
            each
            for each in below
            if not any(each in reach[other] and other not in reach[each] for other in below - {each})
        }
        for room, below in found.items()
    }


def _reach(room: str, found: Arrows) -> set[str]:
    seen: set[str] = set()
    left = [*found[room]]
    while left:
        if (each := left.pop()) not in seen:
            seen.add(each)
            left += found[each]
    return seen


def _id(room: str) -> str:
    return room.replace("/", "_")


def main() -> None:
    """Write the picture into the page."""
    page = PAGE.read_text()
    before, _, rest = page.partition("```mermaid\n")
    PAGE.write_text(before + picture() + rest.partition("```")[2])


if __name__ == "__main__":
    main()
