"""Tables of figures for a terminal."""

from rich.table import Column, Table


def figures(*headers: str, title: str, caption: str | None = None) -> Table:
    """Return an empty table whose cells a narrow terminal folds: a figure that is cut reads as another."""
    return Table(*(Column(name, overflow="fold") for name in headers), title=title, caption=caption)
