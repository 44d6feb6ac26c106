"""The report of a ring as PDF, from its Markdown: the same text gives the same bytes."""

from datetime import UTC, datetime

from fpdf import FPDF, TextStyle

#: Points of text, and of headings of the first and second level.
TEXT, HEADINGS = 8, (14, 11)


def pdf(markdown: str, title: str, at_us: int) -> bytes:
    """Return a report as PDF; `at_us` is what the document says it was made at, microseconds UTC."""
    made = FPDF(orientation="landscape")
    made.set_creation_date(datetime.fromtimestamp(at_us / 1_000_000, UTC))
    made.set_title(title)
    made.set_compression(False)  # what it shows can be searched in its bytes
    made.set_font("Helvetica", size=TEXT)
    made.set_section_title_styles(*(TextStyle("Helvetica", "B", size, b_margin=2) for size in HEADINGS))
    made.add_page()
    rows: list[list[str]] = []
    for line in [*map(_plain, markdown.splitlines()), ""]:
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            rows += [] if set("".join(cells)) <= set("-: ") else [cells]
            continue
        if rows:
            _table(made, rows)
            rows = []
        if line.startswith("#"):
            made.start_section(line.lstrip("# "), level=line.count("#", 0, 2) - 1)
        else:
            made.multi_cell(0, TEXT / 2, line, new_x="LMARGIN", new_y="NEXT")
    return bytes(made.output())


def _table(made: FPDF, rows: list[list[str]]) -> None:
    wide = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    with made.table(col_widths=[min(each, 90) + 2 for each in wide], line_height=TEXT / 2) as table:
        for row in rows:
            table.row(row)


def _plain(text: str) -> str:
    """Return a line in the letters that the fonts every reader has can show."""
    return text.encode("latin-1", "replace").decode("latin-1")
