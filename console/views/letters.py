"""Dead letters as tables and text."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.table import Table

from console.lab.letters import place_of
from console.views.tables import figures
from schemas.dead_letter import DeadLetter


def counted(letters: Sequence[DeadLetter]) -> Table:
    """Return how many messages of which topic were refused for what, and what to do."""
    table = Table("topic", "reason", "messages", "what to do", title="refused")
    counts = Counter((letter.topic, letter.error_code, letter.hint) for letter in letters)
    for (topic, code, hint), count in counts.most_common():
        table.add_row(topic, code, f"{count:,}", hint)
    return table


def newest(letters: Sequence[DeadLetter]) -> Table:
    """Return a row a letter."""
    table = figures("received", "place", "reason", "what is wrong", "id", title="newest", names="id")
    for letter in letters:
        table.add_row(
            time_of(letter), place_of(letter), letter.error_code, letter.message, letter.dead_letter_id
        )
    return table


def told(letter: DeadLetter) -> str:
    """Return everything about one letter, its value last."""
    cut = "" if len(letter.value) == letter.value_bytes else f" (the first {len(letter.value):,})"
    return "\n".join(
        (
            f"id        {letter.dead_letter_id}",
            f"place     {place_of(letter)}",
            f"received  {time_of(letter)}",
            f"refused   by {letter.stage}: {letter.error_code}, {letter.message}",
            f"next      {letter.hint}",
            f"value     {letter.value_bytes:,} bytes{cut}:",
            letter.value.decode("utf-8", "backslashreplace"),
        )
    )


def time_of(letter: DeadLetter) -> str:
    """Return when the message was received, as far as its record says."""
    try:
        return datetime.fromtimestamp(letter.timestamp_us / 1e6, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return str(letter.timestamp_us)
