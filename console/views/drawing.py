"""What a command shows, as a picture."""

import io
import re
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console, RenderableType

_COLUMNS = 100

#: A picture that is looked at fetches nothing.
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def draw(file: Path, shown: Iterable[RenderableType], title: str = "stopline demo") -> None:
    """Write what is shown to an SVG file, as a terminal would show it."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True)
    for each in shown:
        console.print(each)
    drawn = _FONTS.sub("", console.export_svg(title=title))
    file.write_text(drawn, encoding="utf-8")
