"""Tables of figures for a terminal."""

from rich.table import Column, Table


def figures(*headers: str, title: str, caption: str | None = None, names: str = "") -> Table:
    """Return an empty table whose cells a narrow terminal folds: a figure that is cut reads as another.

    The cells of the column `names` stay whole as long as there is room.
    """
    columns = (Column(header, overflow="fold", no_wrap=header == names) for header in headers)
    return Table(*columns, title=title, caption=caption)
